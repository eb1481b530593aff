/** The configuration of one Kubernetes cluster. */
import { z } from 'zod'
import { allow } from './allow.ts'
import { forwardToken, impersonate, tokenExchange } from './as.ts'
import { name, origin, reference } from './values.ts'

export const cluster = z.strictObject({
  server: origin.describe('Where its API server is'),
  ca: reference.optional().describe("PEM certificates to trust instead of the system's"),
  allow,
  as: z.discriminatedUnion('kind', [forwardToken, tokenExchange, impersonate]).describe("How the caller's rights are carried"),
})

export const clusters = z.record(name, cluster)

export type ClusterConfig = Readonly<z.output<typeof cluster>> & { readonly name: string }
