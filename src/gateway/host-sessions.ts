/**
 * Signing in on a host that is not the sign-in host: GET /.mandate/authorize there, GET /.mandate/session here.
 *
 * A page navigation without a login is led to the sign-in host with the digest of a binding that only this browser has
 * for this host; the sign-in host answers, after a sign-in where one is needed, with a code for that host and binding;
 * and the host turns the code into a cookie of its own (`logins/host-sessions.ts`).
 *
 * Security: a code is made for configured hosts alone, for who may use one of their routes, and leads to a path of that
 * host, read as a browser would read it. Both steps are page navigations and nothing else, where a browser says what it
 * fetches for: no frame, no image and no script of another host can take them on a person's behalf. Yet the binding is
 * chosen by whoever made the link, so a code must be seen by no page of its host: our answers cut the tie to the window
 * that opened them (Cross-Origin-Opener-Policy), a code that is refused is used up, and no service worker stands over
 * `/.mandate/` (`routes.ts`).
 */
import { randomBytes } from 'node:crypto'
import { whoOf } from '../audit/audit-event.ts'
import type { AuditSink } from '../audit/audit-sink.ts'
import type { Authorizer } from '../authorize/authorizer.ts'
import { Refusal } from '../errors.ts'
import { callerOf } from '../logins/caller.ts'
import type { HostSessions } from '../logins/host-sessions.ts'
import type { Logins } from '../logins/logins.ts'
import type { Caller } from '../principal.ts'
import { Secret } from '../secret.ts'
import type { Store } from '../store/store.ts'
import { answerRedirect } from './answers.ts'
import type { Cookies } from './cookies.ts'
import { readPathOn } from './return-to.ts'
import type { RouteHost } from './routes.ts'
import { queryOf, requireMethod, type Visit } from './visit.ts'

export interface HostSignInParts {
  /** Origin of the sign-in host. */
  readonly origin: string
  readonly hosts: ReadonlyMap<string, RouteHost>
  readonly cookies: Cookies
  readonly sessions: HostSessions
  readonly logins: Pick<Logins, 'find'>
  readonly authorizer: Authorizer
  readonly store: Pick<Store, 'enrol' | 'count' | 'withdraw'>
  readonly audit: AuditSink
}

export interface HostSignIn {
  /** Leads a browser without a login to the sign-in and back. */
  lead(visit: Visit, host: RouteHost): void
  /** Where a browser is led for that, as the answer binds it; for who answers in another way. */
  wayFor(visit: Visit, host: RouteHost): string
  /** GET /.mandate/authorize?host=&return_to=&browser= on the sign-in host */
  authorize(visit: Visit): Promise<void>
  /** GET /.mandate/session?code= on every other host */
  session(visit: Visit, host: RouteHost): Promise<void>
}

const RANDOM = /^[A-Za-z0-9_-]{43}$/
// What /login takes as the way back, with this path within it.
const LONGEST_WAY_BACK = 2_048
const MINUTE_MS = 60_000
/** Codes a minute and login: many tabs come back at once after a restart of a browser, and no person opens more. */
const MOST_CODES = 30

export function createHostSignIn(parts: HostSignInParts): HostSignIn {
  const { origin, hosts, cookies, sessions, logins, authorizer, store, audit } = parts

  /** Refuses who may use no route of the host: a cookie there would only say who they are. */
  const requireRoute = async (caller: Caller, host: RouteHost): Promise<void> => {
    for (const { name } of host.routes) {
      const resource = { type: 'route' as const, id: name, properties: {} }
      const { effect } = await authorizer.authorize({ caller, action: { name: 'get', writes: false }, resource })
      if (effect === 'allow') return
    }
    throw new Refusal('denied', { detail: 'no route of that host is for this caller' })
  }

  /** An exact sliding window, shared by all replicas, as that of sign-ins. */
  const limitCodes = async (loginId: string): Promise<void> => {
    const set = `host-codes/${loginId}`
    const member = randomBytes(9).toString('base64url')
    await store.enrol(set, member, MINUTE_MS)
    if ((await store.count(set)) <= MOST_CODES) return
    await store.withdraw(set, member)
    throw new Refusal('too_many_requests', { retryAfterSeconds: 60, detail: `at most ${MOST_CODES} hosts a minute with one login` })
  }

  /** The binding that was sent; none when several were: a page of the host may have added one, and the code must not outlive that. */
  const bindingOf = ({ head }: Visit): Secret | undefined => {
    try {
      return cookies.browser(head.values.get('cookie'))
    } catch (error) {
      if (error instanceof Refusal) return undefined
      throw error
    }
  }

  const wayFor: HostSignIn['wayFor'] = ({ head, target, response }, host) => {
    if (host.isSignInHost) return loginUrl(target.raw)
    const sent = cookies.browser(head.values.get('cookie'))
    // Several tabs may be on their way at once: they share a binding.
    const browser = sent !== undefined && RANDOM.test(sent.expose()) ? sent : new Secret(randomBytes(32).toString('base64url'))
    response.setHeader('Set-Cookie', cookies.setBrowser(browser))
    return origin + authorizePath(host, target.raw, browser)
  }

  return {
    lead(visit, host) {
      answerRedirect(visit.response, wayFor(visit, host), visit.requestId)
    },
    wayFor,

    async authorize(visit) {
      requireMethod(visit, 'GET')
      requireNavigation(visit)
      const query = queryOf(visit, ['host', 'return_to', 'browser'])
      const host = hosts.get(query.get('host') ?? '')
      if (host === undefined || host.isSignInHost || !host.persons)
        throw new Refusal('return_to_refused', { detail: 'it is not a host that people sign in to' })
      const returnTo = readPathOn(query.get('return_to') ?? undefined, host.origin)
      const browser = query.get('browser') ?? ''
      if (!RANDOM.test(browser)) throw new Refusal('session_code_unknown')
      const cookie = cookies.login(visit.head.values.get('cookie'))
      const login = cookie && (await logins.find(cookie.digest()))
      if (login === undefined) return answerRedirect(visit.response, loginUrl(visit.target.raw), visit.requestId)
      const caller = callerOf(login)
      await requireRoute(caller, host)
      await limitCodes(login.loginId)
      await audit.record({
        event: 'host-code',
        attempt: visit.requestId,
        address: visit.address,
        who: whoOf(caller),
        login: login.loginId,
        resource: `host/${host.hostname}`,
      })
      const code = await sessions.mint({ origin: host.origin, browser, loginId: login.loginId, returnTo })
      answerRedirect(visit.response, `${host.origin}/.mandate/session?code=${code.expose()}`, visit.requestId)
    },

    async session(visit, host) {
      requireMethod(visit, 'GET')
      requireNavigation(visit)
      const code = new Secret(queryOf(visit, ['code']).get('code') ?? '')
      const { loginId, returnTo } = await sessions.take(code, host.origin, bindingOf(visit))
      const login = await logins.find(loginId)
      if (login === undefined) throw new Refusal('login_ended')
      await audit.record({
        event: 'host-session',
        attempt: visit.requestId,
        address: visit.address,
        who: whoOf(callerOf(login)),
        login: loginId,
        resource: `host/${host.hostname}`,
      })
      const cookie = await sessions.begin(loginId, host.origin, login.endsAt)
      visit.response.setHeader('Set-Cookie', cookies.setLogin(cookie))
      answerRedirect(visit.response, returnTo, visit.requestId)
    },
  }
}

function authorizePath({ hostname }: RouteHost, returnTo: string, browser: Secret): string {
  const path = (back: string) =>
    `/.mandate/authorize?${new URLSearchParams({ host: hostname, return_to: back, browser: browser.digest() })}`
  const whole = path(returnTo)
  // A way back that is too long is better lost than the sign-in.
  return whole.length <= LONGEST_WAY_BACK ? whole : path('/')
}

function loginUrl(returnTo: string): string {
  return `/login?${new URLSearchParams({ return_to: returnTo.length <= LONGEST_WAY_BACK ? returnTo : '/' })}`
}

/** Fetch Metadata says what an answer is for (Sec-Fetch-Dest); old browsers and plain http off loopback say nothing. */
function requireNavigation({ head }: Visit): void {
  const destination = head.values.get('sec-fetch-dest')
  if (destination === undefined || destination === 'document') return
  throw new Refusal('origin_refused', { detail: 'it is opened as a page of its own and in no other way' })
}
