/**
 * Signing in: /login and one /callback/{provider} each.
 *
 * Security: the callback path names the provider, the state is bound to that provider and this browser, and `iss` is
 * checked by the provider's part (RFC 9207), so an answer of one issuer is never redeemed at another. A login that the
 * browser already has is ended and a new id is made (no fixation, oauth2-proxy GHSA-f24x).
 */
import { randomBytes } from 'node:crypto'
import { type AuditEvent, whoOf } from '../audit/audit-event.ts'
import type { AuditSink } from '../audit/audit-sink.ts'
import { asRefusal, Refusal } from '../errors.ts'
import { callerOf } from '../logins/caller.ts'
import type { Logins } from '../logins/logins.ts'
import type { Metrics } from '../metrics.ts'
import type { Provider } from '../providers/provider.ts'
import { Secret } from '../secret.ts'
import type { Store } from '../store/store.ts'
import { networkOf } from './address.ts'
import { answerPage, answerRedirect } from './answers.ts'
import type { Cookies } from './cookies.ts'
import { page } from './page.ts'
import type { PendingSignIns } from './pending-sign-ins.ts'
import { readReturnTo } from './return-to.ts'
import { ledByAnotherSite, queryOf, requireMethod, type Visit } from './visit.ts'

export interface SignInParts {
  readonly origin: string
  readonly providers: Readonly<Record<string, Provider>>
  readonly cookies: Cookies
  readonly pending: PendingSignIns
  readonly logins: Logins
  readonly store: Store
  readonly audit: AuditSink
  readonly metrics: Metrics
  /** Sign-ins begun a minute and address. */
  readonly limit: number
}

const MINUTE_MS = 60_000
const LIVE_WITHIN_MS = 1_500
const BROWSER = /^[A-Za-z0-9_-]{43}$/

export interface SignInEndpoints {
  /** GET /login?provider=&return_to= */
  login(visit: Visit): Promise<void>
  /** GET /callback/{provider} */
  callback(visit: Visit, name: string): Promise<void>
}

export function createSignIn(parts: SignInParts): SignInEndpoints {
  const offered = Object.values(parts.providers).filter(({ config }) => config.signIn)

  const begin = async (visit: Visit, provider: Provider, returnTo: string): Promise<void> => {
    await limitSignIns(parts, visit.address)
    const sent = parts.cookies.browser(visit.head.values.get('cookie'))
    const browser = sent !== undefined && BROWSER.test(sent.expose()) ? sent : new Secret(randomBytes(32).toString('base64url'))
    const { secrets } = await parts.pending.begin(provider.config.name, returnTo, browser)
    const url = await provider.signIn.begin(secrets, callbackUri(parts.origin, provider.config.name))
    visit.response.setHeader('Set-Cookie', parts.cookies.setBrowser(browser))
    answerRedirect(visit.response, url.href, visit.requestId)
  }

  const choose = async (visit: Visit, returnTo: string): Promise<void> => {
    const live = await Promise.all(offered.map(liveSoon))
    const actions = offered.map(({ config }, index) => ({
      label: `Continue with ${config.title ?? config.name}`,
      href: `/login?${new URLSearchParams({ provider: config.name, return_to: returnTo })}`,
      ...(live[index] ? {} : { quiet: true, note: 'is not answering at the moment' }),
    }))
    const text = 'Mandate acts with exactly the rights you have, and with none of its own.'
    answerPage(
      visit.response,
      200,
      page({
        title: 'Sign in',
        body: [
          { kind: 'text', text },
          { kind: 'actions', actions },
        ],
      }),
      visit.requestId,
    )
  }

  const complete = async (visit: Visit, provider: Provider): Promise<void> => {
    const { name } = provider.config
    const cookie = visit.head.values.get('cookie')
    // Read before anything is made: a header that cannot be read must leave no login behind.
    const previous = parts.cookies.login(cookie)
    const query = queryOf(visit, ['state', 'code', 'iss', 'error'])
    const { secrets, returnTo } = await parts.pending.take(query.get('state') ?? '', name, parts.cookies.browser(cookie))
    const signedIn = await provider.signIn.complete(secrets, new URL(visit.target.search, callbackUri(parts.origin, name)))
    const { cookie: value, login } = await parts.logins.begin(signedIn)
    const who = whoOf(callerOf(login))
    const record: AuditEvent = {
      event: 'login',
      attempt: visit.requestId,
      address: visit.address,
      provider: name,
      who,
      login: login.loginId,
    }
    try {
      await parts.audit.record(record)
      if (previous !== undefined) await parts.logins.end(previous.digest())
    } catch (error) {
      // Nobody holds its cookie yet and nobody will, so it must not lie about until it expires.
      await parts.logins.end(login.loginId)
      throw error
    }
    visit.response.setHeader('Set-Cookie', parts.cookies.setLogin(value))
    // Whoever wrote the link to /login chose returnTo, and it was the issuer's site that led here: what opens a cluster
    // is seen and clicked first, and would be refused otherwise.
    if (returnTo.startsWith('/clusters/') && ledByAnotherSite(visit.head.values.get('sec-fetch-site'))) return goOn(visit, returnTo)
    answerRedirect(visit.response, returnTo, visit.requestId)
  }

  return {
    async login(visit) {
      requireMethod(visit, 'GET')
      const query = queryOf(visit, ['provider', 'return_to'])
      const returnTo = readReturnTo(query.get('return_to') ?? undefined, parts.origin)
      const named = query.get('provider')
      const only = offered.length === 1 ? offered[0] : undefined
      if (named === null && only === undefined) return choose(visit, returnTo)
      const provider = named === null ? only : offered.find(({ config }) => config.name === named)
      if (provider === undefined) throw new Refusal('provider_unknown')
      await counted(parts.metrics, provider, () => begin(visit, provider, returnTo), false)
    },
    async callback(visit, name) {
      requireMethod(visit, 'GET')
      const provider = offered.find(({ config }) => config.name === name)
      if (provider === undefined) throw new Refusal('provider_unknown')
      await counted(parts.metrics, provider, () => complete(visit, provider), true)
    },
  }
}

function goOn({ response, requestId }: Visit, returnTo: string): void {
  const actions = [{ label: 'Continue', href: returnTo }]
  const body = [
    { kind: 'text', text: `You asked for ${returnTo}` },
    { kind: 'actions', actions },
  ] as const
  answerPage(response, 200, page({ title: 'You are signed in', body }), requestId)
}

/** Where a provider sends the browser back to: one path each. */
export function callbackUri(origin: string, provider: string): string {
  return `${origin}/callback/${provider}`
}

/** Counts a sign-in by its result; the first half counts only when it fails. */
async function counted(metrics: Metrics, { config }: Provider, half: () => Promise<void>, countSuccess: boolean): Promise<void> {
  try {
    await half()
    if (countSuccess) metrics.count('mandate_logins_total', { provider: config.name, result: 'ok' })
  } catch (error) {
    metrics.count('mandate_logins_total', { provider: config.name, result: asRefusal(error).code })
    throw error
  }
}

/** Whether a provider answers, as far as that is known in a moment: one that is slow must not keep the page from people. */
async function liveSoon(provider: Provider): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const timer = setTimeout(() => resolve(false), LIVE_WITHIN_MS)
  try {
    return await Promise.race([provider.live(), promise])
  } finally {
    clearTimeout(timer)
  }
}

/**
 * An exact sliding window, shared by all replicas: each sign-in is a member of its network's set for a minute. It is
 * entered before it is counted, so that of many at once no more than the limit get through.
 */
async function limitSignIns({ store, limit }: SignInParts, address: string): Promise<void> {
  const set = `sign-ins/${new Secret(networkOf(address)).digest()}`
  const member = randomBytes(9).toString('base64url')
  await store.enrol(set, member, MINUTE_MS)
  if ((await store.count(set)) <= limit) return
  await store.withdraw(set, member)
  throw new Refusal('too_many_requests', { retryAfterSeconds: 60, detail: `at most ${limit} sign-ins a minute from one address` })
}
