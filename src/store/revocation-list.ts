/** The revocations that one replica knows, so arranged that a request costs at most three look-ups. */
import { IssuerMap } from './issuer-map.ts'
import type { DatedRevocation, Revocation, RevocationSubject } from './revocation.ts'

export class RevocationList {
  readonly #logins = new Map<string, number>()
  readonly #sessions = new IssuerMap<number>()
  readonly #principals = new IssuerMap<{ readonly notBefore: number; readonly at: number }>()

  /** Adds a revocation, or notes a later date of a known one. False when nothing new was said. */
  add({ revocation, at }: DatedRevocation): boolean {
    switch (revocation.kind) {
      case 'login': {
        const known = this.#logins.get(revocation.loginId)
        if (known !== undefined && known >= at) return false
        this.#logins.delete(revocation.loginId)
        this.#logins.set(revocation.loginId, at)
        return known === undefined
      }
      case 'session': {
        const { issuer, sid } = revocation
        const known = this.#sessions.get(issuer, sid)
        if (known !== undefined && known >= at) return false
        this.#sessions.set(issuer, sid, at)
        return known === undefined
      }
      case 'principal': {
        const { issuer, subject, notBefore } = revocation
        const known = this.#principals.get(issuer, subject)
        if (known && known.notBefore >= notBefore && known.at >= at) return false
        // The latest not-before includes every earlier one, and it is kept as long as any of them.
        const merged = { notBefore: Math.max(notBefore, known?.notBefore ?? notBefore), at: Math.max(at, known?.at ?? at) }
        this.#principals.set(issuer, subject, merged)
        return notBefore > (known?.notBefore ?? -Infinity)
      }
    }
  }

  revokes({ loginId, issuer, subject, sid, issuedAt }: RevocationSubject): boolean {
    if (loginId !== undefined && this.#logins.has(loginId)) return true
    if (sid !== undefined && this.#sessions.get(issuer, sid) !== undefined) return true
    const principal = this.#principals.get(issuer, subject)
    return principal !== undefined && issuedAt <= principal.notBefore
  }

  /** Everything known, for a log that lost it. */
  *all(): Generator<DatedRevocation> {
    for (const [loginId, at] of this.#logins) yield { at, revocation: { kind: 'login', loginId } }
    for (const [issuer, sid, at] of this.#sessions.entries()) yield { at, revocation: { kind: 'session', issuer, sid } }
    for (const [issuer, subject, { notBefore, at }] of this.#principals.entries()) {
      const revocation: Revocation = { kind: 'principal', issuer, subject, notBefore }
      yield { at, revocation }
    }
  }

  /** Forgets what was revoked at or before a moment. Costs one pass over what is known; call it once a minute. */
  forget(until: number): void {
    for (const [loginId, at] of this.#logins) if (at <= until) this.#logins.delete(loginId)
    for (const [issuer, sid, at] of this.#sessions.entries()) if (at <= until) this.#sessions.delete(issuer, sid)
    for (const [issuer, subject, { at }] of this.#principals.entries()) if (at <= until) this.#principals.delete(issuer, subject)
  }

  get size(): number {
    let size = this.#logins.size
    for (const _ of this.#sessions.entries()) size++
    for (const _ of this.#principals.entries()) size++
    return size
  }
}
