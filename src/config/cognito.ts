/**
 * The configuration of an Amazon Cognito user pool.
 *
 * Security: access tokens of Cognito name no audience, so what stands for it is a list of clients: those whose tokens are
 * machines, and those whose users are taken as people. A client that is on neither list is nobody here.
 */
import { z } from 'zod'
import { clientAuth, commandLine, kubernetesNames, type oidc, type ProviderConfig, refreshTokens } from './provider.ts'
import { reference, secureUrl, text, textOf } from './values.ts'

const A_REGION = 'expected a region such as eu-west-1'
const A_POOL = 'expected the id of a user pool, such as eu-west-1_aBcDeFgHi'

const whoami = z
  .array(text)
  .default(['sub', 'name', 'preferred_username', 'cognito:username', 'email', 'cognito:groups'])
  .describe('Claims that /whoami may show')

/** Without the scope offline_access of others, which is a fault here. */
const cognitoCommandLine = commandLine
  .unwrap()
  .extend({ scopes: z.array(text).min(1).default(['openid', 'profile']).describe('Scopes asked for; openid is required') })
  .optional()
  .describe('The public app client of `mandate login` at this pool, which personClients must list')

const keys = z.strictObject({
  kind: z.literal('cognito').describe('A user pool of Amazon Cognito'),
  title: text.optional().describe('What the sign-in page calls it; default: its name'),
  region: textOf('a region')
    .pipe(z.string().regex(/^[a-z]{2}(-[a-z]+)+-[0-9]$/, { error: A_REGION, abort: true }))
    .prefault('us-east-1')
    .describe('The region of the user pool'),
  userPoolId: textOf('the id of a user pool')
    .pipe(z.string().regex(/^(?=.{1,55}$)[A-Za-z0-9_-]+_[A-Za-z0-9]+$/, { error: A_POOL, abort: true }))
    .describe('The id of the user pool'),
  issuer: secureUrl.optional().describe('The issuer identifier; default: https://cognito-idp.REGION.amazonaws.com/USERPOOLID'),
  ca: reference.optional().describe("PEM certificates to trust for this issuer instead of the system's"),
  machineClients: z.array(text).default([]).describe('App clients whose client-credentials tokens are machines'),
  personClients: z
    .array(text)
    .optional()
    .describe("App clients whose users' access tokens are taken as people; default: clientId where people sign in, else none"),
  audience: text
    .optional()
    .describe('What aud must contain in a token that has one (resource binding); without it such a token is refused'),
  signIn: z.boolean().default(false).describe('True when people sign in through its hosted pages; needs clientId and clientAuth'),
  clientId: text.optional().describe("Mandate's app client, by which people sign in"),
  clientAuth: clientAuth.optional(),
  scopes: z.array(text).min(1).default(['openid', 'profile', 'email']).describe('Scopes asked for at sign-in; openid is required'),
  claims: z
    .strictObject({
      groups: text.default('cognito:groups').describe('Claim with the list of groups'),
      name: text.default('name').describe('Claim with the name to show'),
      whoami,
    })
    .prefault({})
    .describe('Which claims mean what'),
  kubernetes: kubernetesNames,
  refreshTokens: refreshTokens.default('reusable'),
  commandLine: cognitoCommandLine,
})

type Cognito = z.output<typeof keys>

/** What would be sure to fail: another region's pool, a sign-in without a client, a proof of nobody or that Cognito does not know. */
function refuseContradictions(pool: Cognito, context: z.RefinementCtx): void {
  const { region, userPoolId, issuer, signIn, clientId, clientAuth, machineClients, scopes, commandLine: tool } = pool
  const fault = (key: keyof Cognito, message: string, mend: string, ...below: string[]) =>
    context.addIssue({ code: 'custom', path: [key, ...below], message, params: { mend } })
  const [, own] = /^([a-z]{2}(?:-[a-z]+)+-[0-9])_/.exec(userPoolId) ?? []
  if (issuer === undefined && own !== undefined && own !== region)
    fault('region', `is ${region}, and the user pool is of ${own}`, `write ${own}`)
  if (signIn && clientId === undefined) fault('clientId', 'is missing, and people sign in by it', 'name the app client, or remove signIn')
  if (signIn && clientAuth === undefined)
    fault(
      'clientAuth',
      'is missing, and sign-in needs it',
      'write { method: secret, secret: { file: path } }, or none for a public app client',
    )
  if (clientAuth !== undefined && clientId === undefined) fault('clientAuth', 'proves no client', 'name it in clientId, or remove this')
  if (clientAuth !== undefined && clientAuth.method !== 'secret' && clientAuth.method !== 'none')
    fault('clientAuth', `is ${clientAuth.method}, and an app client of Cognito has a secret or nothing`, 'write secret or none', 'method')
  if (signIn && clientId !== undefined && machineClients.includes(clientId))
    fault(
      'machineClients',
      'lists the clientId by which people sign in, and an app client of Cognito is for machines or for people',
      'make an app client for each',
    )
  const [unknown, mend] = ['has offline_access, which Cognito refuses', 'remove it: every sign-in there gives a refresh token']
  if (scopes.includes('offline_access')) fault('scopes', unknown, mend)
  if (tool?.scopes.includes('offline_access')) fault('commandLine', unknown, mend, 'scopes')
}

export const cognito = keys.superRefine(refuseContradictions)

/** What a user pool is as an OpenID provider: its tokens have no type in their header and are signed by RS256. */
export function asProvider(pool: Cognito): Omit<z.output<typeof oidc>, 'kind'> & Pick<ProviderConfig, 'kind' | 'personClients'> {
  const { region, userPoolId, personClients, clientId = '', clientAuth: proof = { method: 'none' as const }, claims, ...rest } = pool
  return {
    ...rest,
    issuer: pool.issuer ?? `https://cognito-idp.${region}.amazonaws.com/${userPoolId}`,
    clientId,
    clientAuth: proof,
    claims: { ...claims, scopes: ['scope'] },
    accept: 'access-token',
    accessTokenType: 'jwt',
    algorithms: ['RS256'],
    // Where nobody signs in nobody meant people to come.
    personClients: personClients ?? (pool.signIn && clientId !== '' ? [clientId] : []),
  }
}
