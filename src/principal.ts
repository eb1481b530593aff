/**
 * Who asks. A principal is issuer + subject and nothing else: e-mail, name and groups are attributes that an issuer
 * said of it. A caller is a principal together with what they showed, because a narrow proof must never obtain what a
 * fuller proof of the same person obtained.
 */
import { hash } from 'node:crypto'
import type { Secret } from './secret.ts'

export type PrincipalKind = 'person' | 'machine'

/** One identity of one issuer (OpenID Connect Core 2: `iss` and `sub` together are unique and never reassigned). */
export interface Principal {
  readonly kind: PrincipalKind
  /** Name of the provider in the configuration that vouches for this principal. */
  readonly provider: string
  readonly issuer: string
  readonly subject: string
  /** Groups as the issuer names them, without any prefix of ours. */
  readonly groups: readonly string[]
  readonly name?: string
  /** Present only when the issuer said `email_verified: true`. */
  readonly email?: string
  /** The user name for clusters that are impersonated to: the text of the claim the provider's configuration names. */
  readonly kubernetesUser?: string
  /** What the issuer says in the claims that rules of routes speak of, as text. */
  readonly claims?: Readonly<Record<string, readonly string[]>>
  /** Who acts for the principal, where that is somebody else (RFC 8693 `act`). */
  readonly actor?: Principal
}

/** A sign-in whose upstream tokens Mandate holds. */
export interface LoginProof {
  readonly kind: 'login'
  /** SHA-256 of the cookie's random id: the login's name in stores, caches and audit. */
  readonly loginId: string
}

/** A token that the caller sent with this request. */
export interface BearerProof {
  readonly kind: 'bearer'
  readonly token: Secret
  readonly digest: string
  readonly audiences: readonly string[]
  readonly scopes: readonly string[]
  /** The client that the token was issued to (`client_id`, `azp`), where it says so. */
  readonly client?: string
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
}

export type Proof = LoginProof | BearerProof

export interface Caller {
  readonly principal: Principal
  readonly proof: Proof
  /** Fires when the proof stops holding: logout, revocation, or a replica that can no longer tell. */
  readonly ended: AbortSignal
}

/** What a verified token says whose bearer is nobody here. For the audit record alone: it is no caller. */
export interface Stranger {
  readonly provider: string
  readonly issuer: string
  readonly subject: string
  readonly client?: string
  readonly scopes: readonly string[]
  /** Of the token. */
  readonly digest: string
}

/** Digest that stands for a principal where its text is not wanted (labels, shared keys). */
export function principalKey(principal: Pick<Principal, 'issuer' | 'subject'>): string {
  let key = keys.get(principal)
  if (key === undefined) {
    key = hash('sha256', JSON.stringify([principal.issuer, principal.subject]), 'base64url')
    keys.set(principal, key)
  }
  return key
}

// Principals are frozen and asked for theirs at every request.
const keys = new WeakMap<object, string>()

/**
 * Names a proof: two callers with different proof have different keys, and so never share a cache entry or a flight.
 * The parts are JSON-encoded, so no choice of issuer or subject can imitate another caller's key.
 */
export function callerKey(caller: Caller): string {
  const { principal, proof } = caller
  const shown = proof.kind === 'login' ? ['login', proof.loginId] : ['bearer', proof.digest]
  return JSON.stringify([...chainOf(principal), ...shown])
}

/** The principal and, within it, everybody who acts for it. */
function chainOf({ issuer, subject, actor }: Principal): unknown[] {
  return [issuer, subject, actor === undefined ? null : chainOf(actor)]
}
