/**
 * Signing a person in: authorization code with PKCE S256, state, nonce and the issuer's name in the answer.
 *
 * Security:
 * - The callback proves where it comes from before anything of it is used: `state` must be the one of this browser,
 *   `iss` (RFC 9207) must be this issuer whenever it is there, and must be there when the metadata promises it. Else a
 *   code of one issuer could be taken to another (mix-up, RFC 9700 4.4).
 * - Each parameter may come once: a proxy and we could otherwise read different ones.
 * - Of an error answer only a registered error word is repeated; `error_description` is written by whoever made the
 *   link. openid-client then checks the answer and the ID token's claims, and id-token.ts the signature and all again.
 */
import { authorizationCodeGrant, buildAuthorizationUrl, calculatePKCECodeChallenge, type TokenEndpointResponse } from 'openid-client'
import type { ProviderConfig } from '../config/provider.ts'
import { Refusal } from '../errors.ts'
import { describeError, type Log } from '../log.ts'
import { Secret } from '../secret.ts'
import { type Exchange, type ExchangeParts, faultIn, openExchange, registeredError, UNREGISTERED } from './exchange.ts'
import type { VerifyIdToken } from './id-token.ts'
import type { SignIn, SignInSecrets } from './provider.ts'
import { signedInOf } from './signed-in.ts'
import { tokenSetOf } from './token-answer.ts'

export interface SignInParts extends ExchangeParts {
  readonly verifyIdToken: VerifyIdToken
  readonly log: Log
}

/** The redirect URI of the second half is the callback without its query, as it was given to `begin`. */
export function createSignIn(config: ProviderConfig, parts: SignInParts): SignIn {
  const { clock, log, verifyIdToken } = parts
  const resource = config.resource === undefined ? {} : { resource: config.resource }
  return {
    async begin(secrets, redirectUri, claims) {
      const { configuration } = await openExchange(config, parts)
      return buildAuthorizationUrl(configuration, {
        response_type: 'code',
        redirect_uri: redirectUri,
        scope: config.scopes.join(' '),
        state: secrets.state,
        nonce: secrets.nonce,
        code_challenge: await calculatePKCECodeChallenge(secrets.verifier.expose()),
        code_challenge_method: 'S256',
        ...resource,
        ...(claims === undefined ? {} : { claims }),
      })
    },

    async complete(secrets, callback) {
      requireOurState(secrets, callback)
      const exchange = await openExchange(config, parts)
      requireOurIssuer(config, exchange, callback)
      requireCode(callback)
      const at = clock.now()
      const checks = {
        expectedState: secrets.state,
        expectedNonce: secrets.nonce,
        pkceCodeVerifier: secrets.verifier.expose(),
        idTokenExpected: true,
      }
      let answer: TokenEndpointResponse
      try {
        answer = await authorizationCodeGrant(exchange.configuration, callback, checks, resource)
      } catch (error) {
        throw refusalOf(exchange, error)
      }
      const idToken = new Secret(answer.id_token ?? '')
      try {
        const verified = await verifyIdToken(idToken, { nonce: secrets.nonce, accessToken: new Secret(answer.access_token) })
        const tokens = tokenSetOf(answer, at, { token: idToken, expiresAt: (verified.claims.exp ?? 0) * 1000 }, undefined)
        if (tokens === undefined) throw new Refusal('sign_in_token_invalid', { detail: 'the access token is not a bearer' })
        return signedInOf(verified, tokens, config)
      } catch (error) {
        if (!(error instanceof Refusal) || error.code === 'issuer_unavailable') throw error
        log.warn('an ID token of an issuer does not hold', { provider: config.name, reason: error.code, detail: error.detail })
        throw new Refusal('sign_in_token_invalid')
      }
    },
  }

  /** What a failed redemption of the code means, by what was seen of it. */
  function refusalOf(exchange: Exchange, error: unknown): Refusal {
    const seen = exchange.seen()
    if (seen.stage === 'answered') {
      log.warn("the token endpoint's answer to a sign-in does not hold", { provider: config.name, ...describeError(error) })
      return new Refusal('sign_in_token_invalid')
    }
    if (seen.stage === 'refused') {
      log.warn('the token endpoint refused a sign-in', { provider: config.name, status: seen.status, error: seen.error })
      // Without an OAuth error it is an error page, a redirect or an overload: nothing about this sign-in.
      return seen.error === undefined || seen.status >= 500
        ? new Refusal('issuer_unavailable')
        : new Refusal('sign_in_refused', { detail: DETAILS[seen.error] ?? `the issuer said ${seen.error}` })
    }
    log.warn('the token endpoint of an issuer cannot be used', { provider: config.name, ...describeError(error), ...faultIn(seen) })
    return new Refusal('issuer_unavailable')
  }
}

/** What is not that person's doing, and what they can do about it. */
const DETAILS: Readonly<Record<string, string>> = {
  // Keycloak answers so when the person lacks the role for a scope that was asked for, `offline_access` above all.
  [UNREGISTERED]: 'the issuer named an error of its own; it may not grant this person a scope that is asked for, such as offline_access',
  invalid_client: "the issuer refused Mandate's own client: its operator must correct clientAuth",
}

function requireOurState({ state }: SignInSecrets, callback: URL): void {
  const given = callback.searchParams.getAll('state')
  const [only = ''] = given
  if (given.length !== 1 || !new Secret(only).equals(new Secret(state))) throw new Refusal('sign_in_state_unknown')
}

function requireOurIssuer({ issuer }: ProviderConfig, { configuration }: Exchange, callback: URL): void {
  const given = callback.searchParams.getAll('iss')
  const promised = configuration.serverMetadata().authorization_response_iss_parameter_supported === true
  if (given.length > 1 || given.some((value) => value !== issuer) || (promised && given.length === 0))
    throw new Refusal('sign_in_issuer_mismatch')
}

function requireCode({ searchParams }: URL): void {
  const errors = searchParams.getAll('error')
  if (errors.length > 0) {
    const word = errors.length === 1 ? registeredError(errors[0]) : undefined
    throw new Refusal('sign_in_refused', word === undefined ? {} : { detail: `the issuer said ${word}` })
  }
  const foreign = ['response', 'id_token', 'token', 'access_token'].some((name) => searchParams.has(name))
  const codes = searchParams.getAll('code')
  if (foreign || codes.length !== 1 || codes[0] === '')
    throw new Refusal('sign_in_token_invalid', { detail: 'the answer is not one authorization code' })
}
