/** The configuration of one identity provider. */
import { z } from 'zod'
import { duration, reference, secureUrl, text } from './values.ts'

/** Asymmetric signature algorithms of RFC 7518 and RFC 8037; `none` and HMAC cannot be configured. */
export const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'] as const

export const clientAuth = z
  .discriminatedUnion('method', [
    z.strictObject({ method: z.literal('secret'), secret: reference }).describe('client_secret_basic with a secret'),
    z
      .strictObject({
        method: z.literal('private-key-jwt'),
        key: reference,
        keyId: text.optional(),
        algorithm: z.enum(ALGORITHMS).default('RS256'),
      })
      .describe('A signed assertion (RFC 7523) with a PKCS #8 PEM key'),
    z
      .strictObject({ method: z.literal('federated-token-file'), path: text })
      .describe('An assertion that the platform keeps in a file; read again at each use'),
    z.strictObject({ method: z.literal('none') }).describe('A public client; PKCE alone'),
  ])
  .describe('How Mandate proves itself to the token endpoint')

const whoami = z.array(text).default(['sub', 'name', 'preferred_username', 'email', 'groups']).describe('Claims that /whoami may show')

const scopeClaims = z
  .array(text)
  .min(1)
  .default(['scope', 'scp'])
  .describe(
    'Claims with the scopes of a bearer, the first that is there; [scp, roles] takes the app roles of Entra. Of a person only scope and scp, where one is named',
  )

export const kubernetesNames = z
  .strictObject({
    prefix: z
      .string()
      .regex(/^[a-z0-9-]*:?$/, 'expected a prefix such as "corp:"')
      .optional()
      .describe('Put before user and group names; default "NAME:". Empty is legal for one provider only'),
    user: text.default('sub').describe('Claim that becomes the user name when impersonating'),
  })
  .prefault({})
  .describe('How principals are named to clusters')

export const refreshTokens = z
  .union([z.enum(['rotating', 'reusable']), z.strictObject({ grace: duration })], {
    error: 'expected rotating, reusable or { grace: 60s }',
  })
  .describe('Whether a refresh token may be presented again after an unknown outcome')

export const commandLine = z
  .strictObject({
    clientId: text.describe('A public client with redirects to 127.0.0.1 on any port, or with the device grant'),
    scopes: z.array(text).min(1).default(['openid', 'profile', 'offline_access']).describe('Scopes asked for; openid is required'),
    resource: text.optional().describe('Resource indicator (RFC 8707) sent at sign-in and refresh'),
  })
  .optional()
  .describe('The public client of `mandate login` at this provider; without it nobody signs in from the command line')

const keys = z.strictObject({
  kind: z.literal('oidc').describe('Any OpenID Connect provider with discovery'),
  title: text.optional().describe('What the sign-in page calls it; default: its name'),
  issuer: secureUrl.describe('The issuer identifier, compared to the letter with iss'),
  ca: reference.optional().describe("PEM certificates to trust for this issuer instead of the system's"),
  clientId: text.describe("Mandate's client at the provider"),
  clientAuth: clientAuth,
  scopes: z
    .array(text)
    .min(1)
    .default(['openid', 'profile', 'email', 'offline_access'])
    .describe('Scopes asked for at sign-in; openid is required'),
  resource: text.optional().describe('Resource indicator (RFC 8707) sent at sign-in and refresh'),
  signIn: z.boolean().default(true).describe('False for a provider whose bearer tokens are taken but where nobody signs in'),
  accept: z.enum(['access-token', 'id-token']).default('access-token').describe("Which token this provider's bearers are"),
  accessTokenType: z
    .enum(['at+jwt', 'jwt'])
    .default('at+jwt')
    .describe('The typ header of its access tokens: RFC 9068, or plain JWT as older providers send'),
  audience: text.optional().describe('What aud of a bearer must contain; default: clientId for ID tokens, required for access tokens'),
  algorithms: z
    .array(z.enum(ALGORITHMS))
    .min(1)
    .default(['RS256', 'PS256', 'ES256', 'EdDSA'])
    .describe('Signature algorithms taken from this issuer'),
  machineClients: z
    .array(text)
    .default([])
    .describe('Clients whose tokens without a user are machines; one that neither names a user nor proves to be a machine is nobody'),
  personClients: z
    .array(text)
    .optional()
    .describe("Clients whose users' access tokens are taken as people; default: any. List them where clients exchange tokens"),
  claims: z
    .strictObject({
      groups: text.default('groups').describe('Claim with the list of groups'),
      name: text.default('name').describe('Claim with the name to show'),
      scopes: scopeClaims,
      whoami,
    })
    .prefault({})
    .describe('Which claims mean what'),
  kubernetes: kubernetesNames,
  refreshTokens: refreshTokens.default('rotating'),
  commandLine,
})

type Listed = Pick<z.output<typeof keys>, 'accept' | 'personClients' | 'commandLine'>

/** A list that would say nothing, or refuse everybody who uses the command line. */
function refuseIdleLists({ accept, personClients, commandLine: tool }: Listed, context: z.RefinementCtx): void {
  if (personClients === undefined) return
  const fault = (message: string, mend: string) => context.addIssue({ code: 'custom', path: ['personClients'], message, params: { mend } })
  if (accept === 'id-token') fault('says nothing of ID tokens, which are for the client that audience names', 'remove it')
  else if (tool !== undefined && !personClients.includes(tool.clientId))
    fault('lacks the clientId of commandLine, so that every token of the command line would be refused', 'add it')
}

export const oidc = keys.superRefine(refuseIdleLists)

export type ClientAuth = z.output<typeof clientAuth>
type Oidc = z.output<typeof oidc>

/** A provider of any kind, complete: what its kind decides by itself has been filled in. */
export type ProviderConfig = Readonly<Omit<Oidc, 'kind' | 'audience' | 'personClients'>> & {
  readonly kind: 'oidc' | 'cognito'
  readonly name: string
  /** What `aud` of a bearer must contain; '' for none, which never equals one. */
  readonly audience: string
  readonly prefix: string
  /** Clients whose users' access tokens are taken as people; undefined for those of any client. */
  readonly personClients?: readonly string[] | undefined
  /** Claims that rules of routes speak of. */
  readonly ruleClaims: readonly string[]
}
