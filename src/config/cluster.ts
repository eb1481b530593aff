/** The configuration of one Kubernetes cluster. */
import { z } from 'zod'
import { name, origin, reference, text } from './values.ts'

const allow = z
  .strictObject({
    callers: z
      .array(z.enum(['person', 'machine']))
      .min(1)
      .default(['person'])
      .describe('Kinds of caller that may use it'),
    providers: z.array(name).min(1).optional().describe('Providers whose principals may use it; default: all'),
    groups: z
      .array(text)
      .min(1)
      .optional()
      .describe('Groups of which the caller needs one, as the issuer names them; default: none needed'),
  })
  .describe('Who may come as far as the cluster; its own RBAC decides what they may do there')

const forwardToken = z
  .strictObject({
    kind: z.literal('forward-token'),
    token: z.enum(['id-token', 'access-token']).default('id-token').describe("Which of a login's tokens the cluster trusts"),
    audience: text.optional().describe("What aud of the token must contain; default: the provider's clientId for ID tokens"),
    passThroughOpen: z
      .boolean()
      .default(false)
      .describe(
        "Send on also what Mandate itself takes: a caller's bearer as it is, or such a token of a login, when its aud names the cluster",
      ),
  })
  .describe("The cluster trusts the issuer: send it the caller's own token")

const impersonate = z
  .strictObject({
    kind: z.literal('impersonate'),
    token: reference.describe('Token of a service account that may impersonate and nothing else'),
    reservedAllowed: z
      .array(text)
      .default([])
      .describe('Reserved users or groups (system:..., *:masters) that may be impersonated all the same'),
  })
  .describe("The cluster does not trust the issuer: send Impersonate-* headers with a service account's token")

export const cluster = z.strictObject({
  server: origin.describe('Where its API server is'),
  ca: reference.optional().describe("PEM certificates to trust instead of the system's"),
  allow,
  as: z.discriminatedUnion('kind', [forwardToken, impersonate]).describe("How the caller's rights are carried"),
})

export const clusters = z.record(name, cluster)

export type ClusterConfig = Readonly<z.output<typeof cluster>> & { readonly name: string }
