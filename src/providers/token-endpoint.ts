/**
 * Presents a refresh token, once (RFC 6749 section 6), and says exactly how that ended.
 *
 * Security: `not-sent` gives the right to present the token back, so it is said only when certainly nothing left this
 * process (exchange.ts). `refused` ends the login, so it is said only on the issuer's own `invalid_grant` with 400 or
 * 401, and when the renewed ID token is not the same person's (OpenID Connect Core 12.2). Everything else is `unknown`:
 * the token may be used up, and is not presented again. There is no retry here, and none below (issuer-http.ts).
 */
import { refreshTokenGrant, type TokenEndpointResponse } from 'openid-client'
import type { ProviderConfig } from '../config/provider.ts'
import { Refusal } from '../errors.ts'
import type { Log } from '../log.ts'
import { Secret } from '../secret.ts'
import { type Exchange, type ExchangeParts, faultIn, openExchange, type Seen } from './exchange.ts'
import type { VerifyIdToken } from './id-token.ts'
import type { IssuerFault } from './issuer-fault.ts'
import { signedInOf } from './signed-in.ts'
import { tokenSetOf } from './token-answer.ts'
import type { Redeem, RefreshOutcome } from './tokens.ts'
import type { VerifiedJwt } from './verify.ts'

export interface RedeemParts extends ExchangeParts {
  readonly verifyIdToken: VerifyIdToken
  readonly log: Log
}

export function createRedeem(config: ProviderConfig, parts: RedeemParts): Redeem {
  const { clock, log, verifyIdToken } = parts
  const resource = config.resource === undefined ? {} : { resource: config.resource }
  const noted = <O extends RefreshOutcome>(outcome: O, why: string | IssuerFault): O => {
    const fault = typeof why === 'string' ? { reason: why } : why
    log.warn('a refresh did not give new tokens', { provider: config.name, outcome: outcome.result, ...fault })
    return outcome
  }

  return async (refreshToken, subject) => {
    let exchange: Exchange
    try {
      exchange = await openExchange(config, parts)
    } catch {
      return noted({ result: 'not-sent' }, 'metadata')
    }
    const at = clock.now()
    try {
      const answer = await refreshTokenGrant(exchange.configuration, refreshToken.expose(), resource)
      return await renewed(answer, at, refreshToken, subject)
    } catch {
      return outcomeOf(exchange.seen())
    }
  }

  function outcomeOf(seen: Seen): RefreshOutcome {
    switch (seen.stage) {
      case 'not-sent':
        return noted({ result: 'not-sent' }, faultIn(seen))
      case 'no-answer':
        return noted({ result: 'unknown' }, faultIn(seen))
      case 'refused':
        if (seen.error === 'invalid_grant' && (seen.status === 400 || seen.status === 401))
          return noted({ result: 'refused' }, 'invalid_grant')
        return noted({ result: 'unknown' }, seen.error ?? `status_${seen.status}`)
      case 'answered':
        // Tokens came, and openid-client refused the ID token's claims; without one the answer itself was no good.
        return noted({ result: seen.withIdToken ? 'refused' : 'unknown' }, 'answer_invalid')
    }
  }

  async function renewed(answer: TokenEndpointResponse, at: number, presented: Secret, subject: string): Promise<RefreshOutcome> {
    const id = answer.id_token === undefined ? undefined : await checked(new Secret(answer.id_token), new Secret(answer.access_token))
    if (id === 'invalid') return noted({ result: 'refused' }, 'id_token_invalid')
    if (id !== undefined && id.verified?.claims.sub !== undefined && id.verified.claims.sub !== subject)
      return noted({ result: 'refused' }, 'other_subject')
    const { verified } = id ?? {}
    const tokens = tokenSetOf(
      answer,
      at,
      verified && id ? { token: id.token, expiresAt: (verified.claims.exp ?? 0) * 1000 } : undefined,
      presented,
    )
    if (tokens === undefined) return noted({ result: 'unknown' }, 'not_a_bearer')
    return { result: 'renewed', tokens, signedIn: verified && signedInOf(verified, tokens, config) }
  }

  async function checked(
    token: Secret,
    accessToken: Secret,
  ): Promise<{ readonly token: Secret; readonly verified: VerifiedJwt | undefined } | 'invalid'> {
    try {
      return { token, verified: await verifyIdToken(token, { accessToken }) }
    } catch (error) {
      if (!(error instanceof Refusal) || error.code !== 'issuer_unavailable') return 'invalid'
      // The keys cannot be had now, but the refresh token is used up: losing the new one would end the login for
      // nothing. The tokens are kept; the ID token, which cannot be proven, is not.
      log.warn('a renewed ID token could not be verified and is left out', { provider: config.name })
      return { token, verified: undefined }
    }
  }
}
