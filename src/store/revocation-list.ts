/** The revocations that one replica knows, so arranged that a request costs at most three look-ups. */
import { IssuerMap } from './issuer-map.ts'
import type { DatedRevocation, Revocation, RevocationSubject, SessionSubject } from './revocation.ts'

interface NotBefore {
  readonly notBefore: number
  /** When it was last said; it is kept from then. */
  readonly at: number
}

export class RevocationList {
  readonly #logins = new Map<string, number>()
  readonly #sessions = new IssuerMap<{ readonly at: number; readonly also: SessionSubject | undefined }>()
  /** By subject: ends logins that know no session. */
  readonly #sessionless = new IssuerMap<NotBefore>()
  readonly #principals = new IssuerMap<NotBefore>()

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
        const { issuer, sid, also } = revocation
        const known = this.#sessions.get(issuer, sid)
        const further = also !== undefined && extend(this.#sessionless, issuer, also.subject, { notBefore: also.notBefore, at })
        if (known === undefined || at > known.at || further)
          this.#sessions.set(issuer, sid, { at: Math.max(at, known?.at ?? at), also: also ?? known?.also })
        return known === undefined || further
      }
      case 'principal': {
        const { issuer, subject, notBefore } = revocation
        return extend(this.#principals, issuer, subject, { notBefore, at })
      }
    }
  }

  revokes({ loginId, issuer, subject, sid, issuedAt }: RevocationSubject): boolean {
    if (loginId !== undefined && this.#logins.has(loginId)) return true
    if (sid !== undefined && this.#sessions.get(issuer, sid) !== undefined) return true
    const sessionless = loginId !== undefined && sid === undefined ? this.#sessionless.get(issuer, subject) : undefined
    if (sessionless !== undefined && issuedAt <= sessionless.notBefore) return true
    const principal = this.#principals.get(issuer, subject)
    return principal !== undefined && issuedAt <= principal.notBefore
  }

  /** Everything known, for a log that lost it. */
  *all(): Generator<DatedRevocation> {
    for (const [loginId, at] of this.#logins) yield { at, revocation: { kind: 'login', loginId } }
    for (const [issuer, sid, { at, also }] of this.#sessions.entries()) yield { at, revocation: { kind: 'session', issuer, sid, also } }
    for (const [issuer, subject, { notBefore, at }] of this.#principals.entries()) {
      const revocation: Revocation = { kind: 'principal', issuer, subject, notBefore }
      yield { at, revocation }
    }
  }

  /** Forgets what was revoked at or before a moment. Costs one pass over what is known; call it once a minute. */
  forget(until: number): void {
    for (const [loginId, at] of this.#logins) if (at <= until) this.#logins.delete(loginId)
    for (const [issuer, sid, { at }] of this.#sessions.entries()) if (at <= until) this.#sessions.delete(issuer, sid)
    for (const [issuer, subject, { at }] of this.#sessionless.entries()) if (at <= until) this.#sessionless.delete(issuer, subject)
    for (const [issuer, subject, { at }] of this.#principals.entries()) if (at <= until) this.#principals.delete(issuer, subject)
  }

  get size(): number {
    let size = this.#logins.size
    for (const _ of this.#sessions.entries()) size++
    for (const _ of this.#principals.entries()) size++
    return size
  }
}

/** Notes a not-before. The latest includes every earlier one and is kept as long as any. True when it says more than before. */
function extend(map: IssuerMap<NotBefore>, issuer: string, subject: string, { notBefore, at }: NotBefore): boolean {
  const known = map.get(issuer, subject)
  if (known && known.notBefore >= notBefore && known.at >= at) return false
  map.set(issuer, subject, { notBefore: Math.max(notBefore, known?.notBefore ?? notBefore), at: Math.max(at, known?.at ?? at) })
  return notBefore > (known?.notBefore ?? -Infinity)
}
