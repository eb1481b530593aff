/** How a target learns who asks: the credential sources that a cluster or route may name in `as`. */
import { z } from 'zod'
import { reference, text } from './values.ts'

export const noCredential = z
  .strictObject({ kind: z.literal('none') })
  .describe('No credential: the service learns from identity headers alone who asks')

export const forwardToken = z
  .strictObject({
    kind: z.literal('forward-token'),
    token: z.enum(['id-token', 'access-token']).default('id-token').describe("Which of a login's tokens the target trusts"),
    audience: text.optional().describe("What aud of the token must contain; default: the provider's clientId for ID tokens"),
    passThroughOpen: z
      .boolean()
      .default(false)
      .describe(
        "Send on also what Mandate itself takes: a caller's bearer as it is, or such a token of a login, when its aud names the target",
      ),
  })
  .describe("The target trusts the issuer: send it the caller's own token")

export const tokenExchange = z
  .strictObject({
    kind: z.literal('token-exchange'),
    audience: text
      .optional()
      .describe('The audience asked for, and what aud of the token must contain if it is a JWT; never one that Mandate takes'),
    resource: text.optional().describe('The resource asked for (RFC 8707); without an audience, what aud must contain'),
    scopes: z.array(text).default([]).describe('Scopes asked for; default: those the issuer gives'),
    token: z
      .enum(['id-token', 'access-token'])
      .default('access-token')
      .describe("Which of a login's tokens is exchanged; a bearer is exchanged as it is"),
  })
  .describe("The caller's issuer exchanges their token for one for the target (RFC 8693); needs a clientAuth that proves Mandate's client")

export const impersonate = z
  .strictObject({
    kind: z.literal('impersonate'),
    token: reference.describe('Token of a service account that may impersonate and nothing else'),
    reservedAllowed: z
      .array(text)
      .default([])
      .describe('Reserved users or groups (system:..., *:masters) that may be impersonated all the same'),
  })
  .describe("The cluster does not trust the issuer: send Impersonate-* headers with a service account's token")
