/** Who wants to be told when a subject is revoked: found by what the revocation names, without a look at the others. */
import { IssuerMap } from './issuer-map.ts'
import type { Revocation, RevocationSubject } from './revocation.ts'

export interface Watcher {
  readonly subject: RevocationSubject
  readonly end: (why: 'revoked' | 'blind') => void
}

export class RevocationWatchers {
  readonly #all = new Set<Watcher>()
  readonly #logins = new Map<string, Set<Watcher>>()
  readonly #sessions = new IssuerMap<Set<Watcher>>()
  readonly #principals = new IssuerMap<Set<Watcher>>()

  get size(): number {
    return this.#all.size
  }

  add(watcher: Watcher): void {
    const { loginId, issuer, subject, sid } = watcher.subject
    this.#all.add(watcher)
    if (loginId !== undefined) this.#logins.set(loginId, (this.#logins.get(loginId) ?? new Set()).add(watcher))
    if (sid !== undefined) this.#sessions.set(issuer, sid, (this.#sessions.get(issuer, sid) ?? new Set()).add(watcher))
    this.#principals.set(issuer, subject, (this.#principals.get(issuer, subject) ?? new Set()).add(watcher))
  }

  /** False when it was not there any more. */
  remove(watcher: Watcher): boolean {
    if (!this.#all.delete(watcher)) return false
    const { loginId, issuer, subject, sid } = watcher.subject
    if (loginId !== undefined && without(this.#logins.get(loginId), watcher)) this.#logins.delete(loginId)
    if (sid !== undefined && without(this.#sessions.get(issuer, sid), watcher)) this.#sessions.delete(issuer, sid)
    if (without(this.#principals.get(issuer, subject), watcher)) this.#principals.delete(issuer, subject)
    return true
  }

  /** A copy of those whom a revocation may concern. */
  concerned(revocation: Revocation): Watcher[] {
    switch (revocation.kind) {
      case 'login':
        return [...(this.#logins.get(revocation.loginId) ?? [])]
      case 'session':
        return [
          ...(this.#sessions.get(revocation.issuer, revocation.sid) ?? []),
          ...((revocation.also && this.#principals.get(revocation.issuer, revocation.also.subject)) ?? []),
        ]
      case 'principal':
        return [...(this.#principals.get(revocation.issuer, revocation.subject) ?? [])]
    }
  }

  all(): Watcher[] {
    return [...this.#all]
  }
}

/** Removes from a set; true when the set is empty now. */
function without(set: Set<Watcher> | undefined, watcher: Watcher): boolean {
  set?.delete(watcher)
  return set?.size === 0
}
