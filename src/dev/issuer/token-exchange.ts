/**
 * Token exchange (RFC 8693) for confidential clients that the options allow it: a token of this issuer for one that is
 * the same subject's at another audience, by impersonation in the RFC's sense (1.1). The new token says nothing of who
 * asked for it in `act`; an `act` that was there stays.
 *
 * Security: a stand-in is of use only if it refuses what real issuers refuse. A client may exchange what was issued to it
 * or names it (Keycloak's rule), because a token that it merely came across is not its to use. The new one has no scope
 * that the old one lacks, lives no longer, and is for one audience that is configured here.
 */
import { type JWTPayload, jwtVerify } from 'jose'
import type { Client, KoaContextWithOIDC } from 'oidc-provider'
import { InvalidRequest, InvalidScope, InvalidTarget } from 'oidc-provider/lib/helpers/errors.js'
import type { Provider } from 'oidc-provider/lib/provider.js'
import type { Accounts } from './accounts.ts'
import { mintAccessToken } from './mint.ts'
import type { IssuerOptions } from './options.ts'
import type { SigningKey } from './signing-keys.ts'

export const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'

const PARAMETERS = [
  ...['subject_token', 'subject_token_type', 'actor_token', 'actor_token_type'],
  ...['requested_token_type', 'audience', 'resource', 'scope'],
]
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token'
/** By type of token: the `typ` header of ours. */
const TYPES: Readonly<Record<string, readonly (string | undefined)[]>> = {
  [ACCESS_TOKEN]: ['at+jwt'],
  'urn:ietf:params:oauth:token-type:id_token': [undefined, 'JWT'],
}

export interface TokenExchangeParts {
  readonly issuer: string
  readonly options: IssuerOptions
  readonly accounts: Accounts
  /** The first one signs. */
  readonly keys: readonly SigningKey[]
  /** Seconds. */
  readonly lifetime: number
}

/** Adds the grant to a provider. */
export function addTokenExchange(provider: Provider, parts: TokenExchangeParts): void {
  provider.registerGrantType(TOKEN_EXCHANGE, (ctx) => exchange(ctx, parts), PARAMETERS)
}

async function exchange(ctx: KoaContextWithOIDC, parts: TokenExchangeParts): Promise<void> {
  const { client, params = {} } = ctx.oidc
  const requested = params['requested_token_type']
  if (client === undefined || client.clientAuthMethod === 'none') throw new InvalidRequest('a public client exchanges no tokens')
  if (params['actor_token'] !== undefined) throw new InvalidRequest('no delegation here: an actor_token is not taken')
  if (requested !== undefined && requested !== ACCESS_TOKEN) throw new InvalidRequest('only access tokens are given for a token')
  const subject = await subjectOf(text(params['subject_token']), text(params['subject_token_type']), parts)
  if (!mayUse(client, subject, parts)) throw new InvalidRequest('the subject token was neither issued to this client nor for it')
  const audience = audienceAsked(text(params['audience']), text(params['resource']), parts.options)
  const scope = scopesAsked(text(params['scope']), subject)
  const expiresIn = Math.min(parts.lifetime, (subject.exp ?? 0) - Math.floor(Date.now() / 1000))
  const [key] = parts.keys
  if (key === undefined) throw new Error('the issuer has no key to sign with')
  const user = parts.accounts.bySub(subject.sub ?? '')
  ctx.body = {
    access_token: mintAccessToken({ issuer: parts.issuer, key, lifetime: expiresIn }, { user, clientId: client.clientId }, audience, {
      claims: { sub: subject.sub, act: subject['act'], scope: scope === '' ? undefined : scope },
    }),
    issued_token_type: ACCESS_TOKEN,
    token_type: 'Bearer',
    expires_in: expiresIn,
    ...(scope === '' ? {} : { scope }),
  }
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

/** A token that this issuer signed, still alive and of the type that it is said to be (2.2.2: else invalid_request). */
async function subjectOf(token: string, type: string, { issuer, keys }: TokenExchangeParts): Promise<JWTPayload> {
  const typ = TYPES[type]
  if (typ === undefined) throw new InvalidRequest('the subject token must be an access token or an ID token')
  try {
    const { payload, protectedHeader } = await jwtVerify(token, ({ kid }) => keyOf(keys, kid), { issuer, requiredClaims: ['sub', 'exp'] })
    if (typ.includes(protectedHeader.typ) && payload['events'] === undefined) return payload
  } catch {
    // Below: whatever is wrong with it has one answer.
  }
  throw new InvalidRequest('the subject token is not a live token of this issuer and of its type')
}

function keyOf(keys: readonly SigningKey[], kid: string | undefined) {
  const key = keys.find((one) => one.kid === kid)
  if (key === undefined) throw new Error('no such key')
  return key.publicKey
}

function mayUse({ clientId }: Client, { aud, azp, client_id: issuedTo }: JWTPayload, { options }: TokenExchangeParts): boolean {
  const known = options.clients.find(({ id }) => id === clientId)
  const names = [clientId, ...(known !== undefined && 'exchanges' in known ? (known.exchanges ?? []) : [])]
  return issuedTo === clientId || azp === clientId || [aud].flat().some((one) => one !== undefined && names.includes(one))
}

/** One audience, named by itself or as a resource (RFC 8693 2.1); both must be the same one. */
function audienceAsked(audience: string, resource: string, options: IssuerOptions): string {
  const wanted = audience === '' ? resource : audience
  if (wanted === '' || (resource !== '' && resource !== wanted)) throw new InvalidTarget('name one audience or resource')
  if (![options.audience].flat().includes(wanted)) throw new InvalidTarget('no such audience here')
  return wanted
}

/** Those of the subject token, or fewer. */
function scopesAsked(asked: string, subject: JWTPayload): string {
  const held = text(subject['scope']).split(' ')
  if (asked === '') return held.join(' ')
  if (!asked.split(' ').every((one) => held.includes(one))) throw new InvalidScope('more than the subject token holds', asked)
  return asked
}
