/**
 * Exchanges a token of a caller at their own issuer for one for a target (RFC 8693), and says exactly how that ended.
 *
 * Security: what comes back has the caller's rights or fewer, and nothing of ours:
 * - The issuer makes it of the subject token, and that is always one the caller showed or their sign-in gave. Mandate's
 *   client authentication says who asks, never for whom; no actor token is sent, so nothing is added to the subject.
 * - An issuer could read a missing subject as the client itself (the same fault as capsule-proxy CVE-2023-48312). So a
 *   subject token that is empty, or no b64token, is never sent.
 * - The answer is looked at before it is used: a bearer and an access token, another than was shown, and, if it is a JWT,
 *   one that names whom it was asked for, this issuer and the caller. It may name more audiences than one, as Keycloak's
 *   do (`account`); whether they are anybody's here is looked at where targets are known. Only a token that is no JWT
 *   says nothing of itself, and is taken as it is.
 * - An issuer that has had too many is left alone for a while (token-exchange-wait.ts). What a service is told that acts for
 *   somebody is not said to that person: a wait is kept by subject, client and actor.
 * - No redirect is followed and nothing is tried twice (issuer-http.ts). No token is in what is answered or logged but
 *   the one that was asked for.
 */
import { hash } from 'node:crypto'
import { genericGrantRequest, type TokenEndpointResponse } from 'openid-client'
import type { ProviderConfig } from '../config/provider.ts'
import { Secret } from '../secret.ts'
import { type Exchange, type ExchangeParts, openExchange, type Seen } from './exchange.ts'
import { isObject, parseJson } from './issuer-json.ts'
import { readJwtForm } from './jwt-form.ts'
import type { ExchangeOutcome, ExchangeToken, ExchangeWish } from './provider.ts'
import { waiting } from './token-exchange-wait.ts'

const GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange'
/** RFC 8693 section 3. */
const TYPES = {
  'access-token': 'urn:ietf:params:oauth:token-type:access_token',
  'id-token': 'urn:ietf:params:oauth:token-type:id_token',
} as const
const ISSUED: readonly unknown[] = [TYPES['access-token'], 'urn:ietf:params:oauth:token-type:jwt']

/** RFC 6750 2.1: what can be sent as a bearer. */
const B64TOKEN = /^[A-Za-z0-9\-._~+/]+=*$/
const DEFAULT_SECONDS = 300
/** What the issuer decides later about the caller holds from the next exchange, so that is never far away. */
const MOST_SECONDS = 3_600
const WAIT_SECONDS = 5

export function createTokenExchange(config: ProviderConfig, parts: ExchangeParts): ExchangeToken {
  return waiting(
    async (wish) => {
      const subject = wish.token.expose()
      if (!B64TOKEN.test(subject)) return { result: 'refused', reason: 'subject_token_unusable' }
      let exchange: Exchange
      try {
        exchange = await openExchange(config, parts)
      } catch {
        return unavailable('metadata')
      }
      const at = parts.clock.now()
      let answer: TokenEndpointResponse
      try {
        answer = await genericGrantRequest(exchange.configuration, GRANT, {
          subject_token: subject,
          subject_token_type: TYPES[wish.type],
          requested_token_type: TYPES['access-token'],
          ...(wish.audience === '' ? {} : { audience: wish.audience }),
          ...(wish.resource === undefined ? {} : { resource: wish.resource }),
          ...(wish.scopes.length === 0 ? {} : { scope: wish.scopes.join(' ') }),
        })
      } catch {
        return outcomeOf(exchange.seen())
      }
      return checked(answer, at, wish, config)
    },
    whoOf,
    parts.clock,
  )
}

/** Whom an exchange is for. Hashed, because what is remembered shall be short. */
function whoOf({ subject, token }: ExchangeWish): string {
  const { client_id: client, azp, act } = formOf(token)?.claims ?? {}
  const actor = isObject(act) ? [act['iss'], act['sub']] : []
  return hash('sha256', JSON.stringify([subject, client, azp, actor]), 'base64url')
}

function unavailable(reason: string): ExchangeOutcome {
  return { result: 'unavailable', reason }
}

function outcomeOf(seen: Seen): ExchangeOutcome {
  switch (seen.stage) {
    case 'not-sent':
      return seen.reason === 'client_authentication' ? { result: 'client-refused', reason: seen.reason } : unavailable(seen.reason)
    case 'no-answer':
      return unavailable(seen.reason)
    case 'answered':
      return unavailable('answer_invalid')
    case 'refused':
      return refusedBy(seen)
  }
}

/** RFC 6749 5.2 and RFC 8693 2.2.2: an error is 400, or 401 for the client; some issuers say 403. */
function refusedBy({ status, error, retryAfterSeconds = WAIT_SECONDS }: Extract<Seen, { stage: 'refused' }>): ExchangeOutcome {
  if (status === 429 || error === 'slow_down') return { result: 'too-many', retryAfterSeconds }
  if (error === undefined || status < 400 || status >= 500) return unavailable(`status_${status}`)
  switch (error) {
    case 'invalid_client':
    case 'unauthorized_client':
    case 'unsupported_grant_type':
      return { result: 'client-refused', reason: error }
    case 'interaction_required':
    case 'login_required':
    case 'consent_required':
    case 'account_selection_required':
    case 'unmet_authentication_requirements':
      return { result: 'needs-interaction', reason: error }
    case 'server_error':
    case 'temporarily_unavailable':
      return unavailable(error)
    default:
      return { result: 'refused', reason: error }
  }
}

function checked(answer: TokenEndpointResponse, at: number, wish: ExchangeWish, { issuer }: ProviderConfig): ExchangeOutcome {
  // `N_A` says of itself that it is not for presenting (RFC 8693 2.2.1).
  if (answer.token_type !== 'bearer') return unavailable('not_a_bearer')
  if (!ISSUED.includes(answer['issued_token_type'])) return unavailable('another_type_of_token')
  if (!B64TOKEN.test(answer.access_token)) return unavailable('not_a_b64token')
  // It would carry the whole of what the caller showed, and whatever else takes that would take it of the target.
  if (answer.access_token === wish.token.expose()) return { result: 'refused', reason: 'subject_token_returned' }
  const token = new Secret(answer.access_token)
  const until = at + Math.min(answer.expires_in ?? DEFAULT_SECONDS, MOST_SECONDS) * 1000
  if (!isJwt(answer.access_token)) return exchanged({ token, expiresAt: until, typ: undefined, audiences: [] }, at)
  const form = formOf(token)
  if (form === undefined) return unavailable('jwt_malformed')
  const { iss, sub, aud, exp } = form.claims
  // One that says nothing of either could be anybody's.
  if (iss !== issuer) return unavailable('another_issuer')
  // Whoever it speaks of, it is not the caller: their rights are not for this one, and Mandate's client's least of all.
  if (sub !== wish.subject) return { result: 'refused', reason: 'another_subject' }
  const audiences = (Array.isArray(aud) ? aud : [aud]).filter((one) => typeof one === 'string')
  const wanted = wish.audience === '' ? wish.resource : wish.audience
  if (wanted === undefined || !audiences.includes(wanted)) return { result: 'audience-wrong' }
  const expiresAt = typeof exp === 'number' ? Math.min(until, exp * 1000) : until
  return exchanged({ token, expiresAt, typ: form.typ, audiences }, at)
}

function exchanged(token: Omit<Extract<ExchangeOutcome, { result: 'exchanged' }>, 'result'>, at: number): ExchangeOutcome {
  return token.expiresAt > at ? { result: 'exchanged', ...token } : unavailable('already_expired')
}

/**
 * Whether others could read it as a signed JWT. Read leniently, so that a form which only we find malformed is not
 * taken for an opaque token whose claims nobody looked at.
 */
function isJwt(text: string): boolean {
  const [head = '', ...rest] = text.split('.')
  return rest.length === 2 && isObject(parseJson(Buffer.from(head, 'base64url').toString('utf8')))
}

function formOf(token: Secret): { readonly typ: string | undefined; readonly claims: Readonly<Record<string, unknown>> } | undefined {
  try {
    const { typ, unverified } = readJwtForm(token)
    return { typ, claims: unverified }
  } catch {
    return undefined
  }
}
