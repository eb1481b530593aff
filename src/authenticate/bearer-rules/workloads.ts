/**
 * Workloads: what runs in a cluster, a build service, a mesh or a cloud and got a token for that from an issuer which knows
 * no people, or not only people. They name no client, so no list of clients knows them.
 *
 * Security: whoever may push to any repository of such a service can have it write a token for Mandate's audience. Read as
 * "no machine that is known, so a person", it would open every rule for people that names no provider. So they are nobody
 * here. Each is known by what its issuer always writes and a person's token never has; subjects can be of one's own making
 * at some of them, so claims count as well, and no name of a user beside them excuses it: these name who pushed. Some issuers
 * give tokens of their own for a workload's and make a user of it: Authentik calls that `PROVIDER-SUBJECT`, dex keeps the
 * subject in `federated_claims`.
 *
 * There are always more of them than are written here.
 */
import type { VerifiedClaims } from '../../providers/verify.ts'

/** What the subject begins with: Kubernetes, GitHub Actions, GitLab. */
const SUBJECTS = ['system:serviceaccount:', 'system:node:', 'repo:', 'project_path:']

/** The same and those of further issuers, so complete that they are known behind a prefix as well. */
const FORMS = [
  'system:serviceaccount:[^:]+:[^:]',
  'system:node:[^:]',
  'repo:[^:/]+/',
  'project_path:[^:/]+/',
  // JWT-SVID 3.1.
  'spiffe://',
  // Buildkite, Terraform.
  'organization:[^:]+:(?:pipeline|project):',
  // Semaphore, CircleCI, Vercel, Codefresh, Spacelift.
  'org:[^:]+:project:',
  'org/[^/]+/project/',
  'owner:[^:]+:project:',
  'account:[^:]+:pipeline:',
  'space:[^:]+:(?:stack|module):',
  // Azure DevOps: a connection, a pipeline.
  '(?:sc|p)://',
  // AWS and its partitions.
  'arn:aws[a-z-]*:',
]

const SUBJECT = new RegExp(`(?:^|-)(?:${FORMS.join('|')})`)

/** What these say of where it runs, and nobody of people. */
const CLAIMS = [
  'kubernetes.io',
  // GitHub Actions, GitLab.
  ...['job_workflow_ref', 'runner_environment', 'project_path', 'pipeline_id'],
  // Buildkite, CircleCI, Terraform, Bitbucket.
  ...['pipeline_slug', 'oidc.circleci.com/project-id', 'terraform_run_id', 'stepUuid'],
  // Fly.io, AWS.
  ...['image_digest', 'https://sts.amazonaws.com/'],
]

/** Addresses that Google gives to service accounts alone. */
const ADDRESS = /[@.]gserviceaccount\.com$/i

export function isWorkload(claims: VerifiedClaims): boolean {
  const { sub = '', email, name, preferred_username: preferred, username, federated_claims: federated } = claims
  if (SUBJECTS.some((beginning) => sub.startsWith(beginning)) || CLAIMS.some((claim) => claims[claim] !== undefined)) return true
  if ([sub, name, preferred, username, userOf(federated)].some((said) => typeof said === 'string' && SUBJECT.test(said))) return true
  return typeof email === 'string' && ADDRESS.test(email)
}

/** The user as the issuer knew them that dex relies on. */
function userOf(federated: unknown): unknown {
  return typeof federated === 'object' && federated !== null && 'user_id' in federated ? federated.user_id : undefined
}
