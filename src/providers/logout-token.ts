/**
 * Checks a logout token (OpenID Connect Back-Channel Logout 1.0, section 2.6).
 *
 * Security: a token of another kind must not pass for one, nor a logout token for another kind: `typ` is `logout+jwt`
 * (or the plain JWT that older issuers send), `events` names the logout, and a `nonce`, which ID tokens have, is
 * forbidden. The caller refuses a `jti` that it has seen until `expiresAt`.
 */
import type { Clock } from '../clock.ts'
import type { ProviderConfig } from '../config/provider.ts'
import { Refusal } from '../errors.ts'
import { isObject } from './issuer-json.ts'
import type { IssuerKeys } from './keys.ts'
import type { LoggedOut, VerifyLogoutToken } from './provider.ts'
import { CLOCK_TOLERANCE_SECONDS, type VerifiedClaims, verifyJwt } from './verify.ts'

const EVENT = 'http://schemas.openid.net/event/backchannel-logout'
/** Section 2.4 RECOMMENDS at most two minutes; for an issuer that sends no `exp` (it became REQUIRED late) it is this. */
const LIFE_SECONDS = 120
const LONGEST_ID = 512

export function createVerifyLogoutToken(
  config: Pick<ProviderConfig, 'issuer' | 'clientId' | 'algorithms'>,
  { keys, clock }: { readonly keys: Pick<IssuerKeys, 'find'>; readonly clock: Clock },
): VerifyLogoutToken {
  const { issuer, clientId, algorithms } = config
  return async (token) => {
    try {
      const { claims } = await verifyJwt(token, {
        issuer,
        audience: clientId,
        algorithms,
        keys,
        clock,
        types: ['logout+jwt', 'jwt', undefined],
        requireClaims: ['iat', 'jti', 'events'],
      })
      return loggedOut(claims, clock.now() / 1000)
    } catch (error) {
      if (!(error instanceof Refusal) || error.code === 'issuer_unavailable' || error.code === 'logout_token_invalid') throw error
      throw new Refusal('logout_token_invalid', { detail: error.title })
    }
  }
}

function loggedOut(claims: VerifiedClaims, now: number): LoggedOut {
  const { events, jti, sid, sub, iat = 0, exp = iat + LIFE_SECONDS } = claims
  if (!isObject(events) || !isObject(events[EVENT])) throw invalid('events does not name a back-channel logout')
  if ('nonce' in claims) throw invalid('it has a nonce')
  if (claims['typ'] !== undefined && claims['typ'] !== 'Logout') throw invalid('its claims say that it is no logout token')
  if (!isId(jti)) throw invalid('jti is not text of 1 to 512 characters')
  if (sid !== undefined && !isId(sid)) throw invalid('sid is not text of 1 to 512 characters')
  if (sub === undefined && sid === undefined) throw invalid('it names neither a subject nor a session')
  if (exp + CLOCK_TOLERANCE_SECONDS <= now) throw invalid('it has expired')
  // A replay is possible until the leeway is over, so that is how long the caller must remember it.
  return { issuer: claims.iss, subject: sub, sid, tokenId: jti, expiresAt: (exp + CLOCK_TOLERANCE_SECONDS) * 1000 }
}

function invalid(detail: string): Refusal {
  return new Refusal('logout_token_invalid', { detail })
}

function isId(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= LONGEST_ID
}
