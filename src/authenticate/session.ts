/**
 * The login cookie as proof.
 *
 * Security: the cookie is 256 random bits; only its digest is looked up, so neither the store nor a log can give it
 * back. A browser sends it along by itself, so a write counts only when it comes from a page of our own origin:
 * Origin must be ours, or, where a browser leaves it out, Sec-Fetch-Site must say same-origin. "Not found" is 401;
 * "cannot tell" is thrown and becomes 503 with the cookie untouched (promise 3). Every host has cookies and an origin of
 * its own: one of another host is as good as none, and a page of another host is a stranger's.
 */
import { Refusal } from '../errors.ts'
import { callerOf } from '../logins/caller.ts'
import type { HostSessions } from '../logins/host-sessions.ts'
import type { Logins } from '../logins/logins.ts'
import type { Authenticator, Presented } from './authenticator.ts'

export interface SessionOptions {
  readonly logins: Pick<Logins, 'find'>
  readonly hostSessions: Pick<HostSessions, 'find'>
  /** Origin of the sign-in host. */
  readonly origin: string
}

/** The form of every cookie we have issued: 32 bytes as base64url. */
const COOKIE = /^[A-Za-z0-9_-]{43}$/

export function createSessionAuthenticator({ logins, hostSessions, origin }: SessionOptions): Authenticator {
  return {
    async authenticate(presented) {
      const { cookie, self } = presented
      if (cookie === undefined) return { result: 'not-applicable' }
      if (!COOKIE.test(cookie.expose())) return { result: 'rejected', refusal: new Refusal('cookie_invalid') }
      const loginId = self === origin ? cookie.digest() : await hostSessions.find(cookie.digest(), self)
      const login = loginId === undefined ? undefined : await logins.find(loginId)
      if (login === undefined) return { result: 'rejected', refusal: new Refusal('login_ended') }
      if (presented.writes && !fromOurOrigin(presented, self)) return { result: 'rejected', refusal: new Refusal('origin_refused') }
      return {
        result: 'authenticated',
        caller: callerOf(login),
      }
    },
  }
}

/** Origin of RFC 6454 decides; Fetch Metadata only where there is none. Neither: refused. */
export function fromOurOrigin({ origin, fetchSite }: Pick<Presented, 'origin' | 'fetchSite'>, ours: string): boolean {
  return origin === undefined ? fetchSite === 'same-origin' : origin === ours
}
