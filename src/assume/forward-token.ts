/**
 * The cluster trusts the caller's issuer: it gets the caller's own token.
 *
 * Security: a token is sent only when its `aud` names this cluster, so that a token for somebody else is never handed
 * to it; and only when Mandate itself would not take it as a bearer, so that the cluster cannot come back with it as that
 * person. From a login that is one of its sealed upstream tokens, as configured. A caller's bearer was issued for
 * Mandate. What Mandate takes is sent on only with the key `passThroughOpen`, and only when its `aud` names both.
 */
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { bearerCredential } from '../credential.ts'
import { Refusal } from '../errors.ts'
import type { LoginTokens } from '../logins/login-tokens.ts'
import type { Caller } from '../principal.ts'
import type { Secret } from '../secret.ts'
import type { Assumption, CredentialSource } from './credential-source.ts'

export interface ForwardTokenOptions {
  readonly token: 'id-token' | 'access-token'
  readonly passThroughOpen: boolean
  readonly logins: LoginTokens
  /** The audience the target requires of principals of this provider. */
  readonly audienceFor: (provider: string) => string
  /** Whether Mandate could take a token of this provider as a bearer. `typ` is in lower case, without `application/`. */
  readonly takenAsBearer: (provider: string, token: { readonly typ: string | undefined; readonly audiences: readonly string[] }) => boolean
}

export function createForwardToken(options: ForwardTokenOptions): CredentialSource {
  return {
    async assume(caller) {
      try {
        return caller.proof.kind === 'login' ? await fromLogin(options, caller.proof.loginId, caller) : fromBearer(options, caller)
      } catch (error) {
        if (!(error instanceof Refusal)) throw error
        return { result: error.status === 503 ? 'unavailable' : error.status === 401 ? 'needs-interaction' : 'refused', refusal: error }
      }
    },
  }
}

async function fromLogin(options: ForwardTokenOptions, loginId: string, caller: Caller): Promise<Assumption> {
  const { token: which, passThroughOpen, logins, audienceFor, takenAsBearer } = options
  const { provider } = caller.principal
  const { token, expiresAt } = await logins.fresh(loginId, which)
  const form = formOf(token)
  const name = `the ${which === 'id-token' ? 'ID' : 'access'} token of provider ${provider}`
  if (!names(form.audiences, audienceFor(provider))) throw new Refusal('credential_audience_wrong', { detail: `${name} does not name it` })
  if (!passThroughOpen && takenAsBearer(provider, form))
    throw new Refusal('credential_not_offered', { detail: `${name} is one that Mandate itself takes as a bearer` })
  return { result: 'granted', credential: bearerCredential(token, expiresAt) }
}

function fromBearer({ passThroughOpen, audienceFor }: ForwardTokenOptions, { principal, proof }: Caller): Assumption {
  if (proof.kind !== 'bearer') throw new Refusal('credential_not_offered')
  if (!passThroughOpen)
    throw new Refusal('credential_not_offered', { detail: 'bearer tokens for Mandate are not passed on to this cluster' })
  if (!names(proof.audiences, audienceFor(principal.provider))) throw new Refusal('credential_audience_wrong')
  return { result: 'granted', credential: bearerCredential(proof.token, proof.expiresAt) }
}

/** A target of which no audience is known is named by no token, not by every one with an empty `aud`. */
function names(audiences: readonly string[], audience: string): boolean {
  return audience !== '' && audiences.includes(audience)
}

/** `typ` and `aud` of a token that was verified when it was obtained; an opaque token names no audience. */
function formOf(token: Secret): { readonly typ: string | undefined; readonly audiences: readonly string[] } {
  try {
    const { aud } = decodeJwt(token.expose())
    const { typ } = decodeProtectedHeader(token.expose())
    return { typ: typ?.toLowerCase().replace(/^application\//, ''), audiences: aud === undefined ? [] : [aud].flat() }
  } catch {
    return { typ: undefined, audiences: [] }
  }
}
