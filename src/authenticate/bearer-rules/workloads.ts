/**
 * Workloads: what runs in a cluster, a build service, a mesh or a cloud and got a token for that from an issuer which knows
 * no people, or not only people. They name no client, so no list of clients knows them.
 *
 * Security: whoever may push to any repository of such a service can have it write a token for Mandate's audience. Read as
 * "no machine that is known, so a person", it would open every rule for people that names no provider. So they are nobody
 * here. Each is known by what its issuer always writes and a person's token never has; subjects can be of one's own making
 * at some of them, so claims count as well, and no name of a user beside them excuses it: these name who pushed.
 */
import type { VerifiedClaims } from '../../providers/verify.ts'

/** What the subject begins with: Kubernetes, GitHub Actions, GitLab, SPIFFE (JWT-SVID 3.1). */
const SUBJECTS = ['system:serviceaccount:', 'system:node:', 'repo:', 'project_path:', 'spiffe://']

/** What Kubernetes, GitHub Actions and GitLab say of where it runs, and nobody of people. */
const CLAIMS = ['kubernetes.io', 'job_workflow_ref', 'runner_environment', 'project_path', 'pipeline_id']

/** Addresses that Google gives to service accounts alone. */
const ADDRESS = /[@.]gserviceaccount\.com$/i

export function isWorkload(claims: VerifiedClaims): boolean {
  const { sub = '', email } = claims
  if (SUBJECTS.some((beginning) => sub.startsWith(beginning)) || CLAIMS.some((claim) => claims[claim] !== undefined)) return true
  return typeof email === 'string' && ADDRESS.test(email)
}
