/**
 * The caller's issuer exchanges their token for one for the target (RFC 8693): the target trusts the issuer and gets a
 * token that names it and no other target of this configuration. What takes tokens of the issuer elsewhere is not known
 * here: a token may name audiences besides (`account` of Keycloak), and an opaque one says nothing of whom it is for.
 *
 * Security: the subject is the caller's own proof and nothing else, a bearer as it came or a sealed token of their
 * login, so a narrow bearer obtains what the issuer gives for it and never what a login of the same person obtains. The
 * caller's bearer goes to their issuer, never to the target. What comes back is not sent on if Mandate itself would take
 * it as a bearer, or another target would take it: whoever controls this one could come back, or go there, as that
 * person. There is no second way: what the issuer refuses is refused, and an issuer that cannot be asked is 503.
 */
import { bearerCredential } from '../credential.ts'
import { Refusal } from '../errors.ts'
import type { Log } from '../log.ts'
import type { LoginTokens, Which } from '../logins/login-tokens.ts'
import type { Caller } from '../principal.ts'
import type { ExchangeOutcome, ExchangeToken } from '../providers/provider.ts'
import type { Secret } from '../secret.ts'
import type { Assumption, CredentialSource } from './credential-source.ts'

/** What of a provider exchanging needs. */
export interface ExchangingIssuer {
  readonly exchange: ExchangeToken
  /** Which token its bearers are. */
  readonly accept: Which
}

export interface TokenExchangeOptions {
  /** Which token of a login is exchanged. */
  readonly token: Which
  readonly logins: LoginTokens
  readonly issuerOf: (provider: string) => ExchangingIssuer | undefined
  /** Whether Mandate could take a token of this provider as a bearer. `typ` is in lower case, without `application/`. */
  readonly takenAsBearer: (provider: string, token: { readonly typ: string | undefined; readonly audiences: readonly string[] }) => boolean
  /** Whether a token of this provider with these audiences names another target that is configured. */
  readonly namesAnother: (provider: string, audiences: readonly string[]) => boolean
  readonly log: Log
}

export function createTokenExchangeSource(options: TokenExchangeOptions): CredentialSource {
  const { token, logins, issuerOf, takenAsBearer, namesAnother, log } = options
  // What the operator was told of a provider since its last good exchange: one line, not one for each request.
  const told = new Map<string, Set<string>>()
  const tell = (provider: string, reason: string) => {
    const before = told.get(provider) ?? new Set()
    if (!before.has(reason)) log.warn('an issuer does not exchange tokens for Mandate', { provider, reason })
    told.set(provider, before.add(reason))
  }

  const assumed = (provider: string, outcome: ExchangeOutcome): Assumption => {
    switch (outcome.result) {
      case 'exchanged':
        told.delete(provider)
        if (takenAsBearer(provider, outcome))
          return refused('credential_not_offered', 'the token is one that Mandate itself takes as a bearer')
        if (namesAnother(provider, outcome.audiences))
          return refused('credential_audience_wrong', 'the issuer exchanged the token for one that names another target as well')
        return { result: 'granted', credential: bearerCredential(outcome.token, outcome.expiresAt) }
      case 'refused':
        return refused('credential_not_offered', `the issuer does not exchange the token: ${outcome.reason}`)
      case 'audience-wrong':
        return refused('credential_audience_wrong', 'the issuer exchanged the token for one that does not name it')
      case 'needs-interaction':
        return { result: 'needs-interaction', refusal: new Refusal('consent_needed', { detail: `the issuer says ${outcome.reason}` }) }
      case 'too-many':
        return { result: 'too-many', retryAfterSeconds: outcome.retryAfterSeconds }
      case 'client-refused':
        tell(provider, outcome.reason)
        return { result: 'unavailable', refusal: new Refusal('credential_unavailable') }
      case 'unavailable':
        tell(provider, outcome.reason)
        return { result: 'unavailable', refusal: new Refusal('issuer_unavailable') }
    }
  }

  return {
    async assume(caller, { audience, resource, scopes }) {
      const { provider, subject } = caller.principal
      const issuer = issuerOf(provider)
      if (issuer === undefined) return refused('credential_not_offered', 'its provider exchanges no tokens')
      try {
        const shown = await shownBy(caller, token, issuer, logins)
        return assumed(provider, await issuer.exchange({ ...shown, subject, audience, resource, scopes }))
      } catch (error) {
        if (!(error instanceof Refusal)) throw error
        return { result: error.status === 503 ? 'unavailable' : error.status === 401 ? 'needs-interaction' : 'refused', refusal: error }
      }
    },
  }
}

function refused(code: 'credential_not_offered' | 'credential_audience_wrong', detail: string): Assumption {
  return { result: 'refused', refusal: new Refusal(code, { detail }) }
}

/** The token that the caller's proof holds. Throws what LoginTokens throws. */
async function shownBy(
  { proof }: Caller,
  which: Which,
  { accept }: ExchangingIssuer,
  logins: LoginTokens,
): Promise<{ readonly token: Secret; readonly type: Which }> {
  if (proof.kind === 'bearer') return { token: proof.token, type: accept }
  const { token } = await logins.fresh(proof.loginId, which)
  return { token, type: which }
}
