/**
 * Signing out: /logout here and at the issuer, everywhere, and by the issuer's back channel.
 *
 * Security: what ends a login goes into the revocation log before anything else is tried, so every replica knows even
 * if the rest fails. Forms carry a token bound to the login, besides the Origin check.
 */
import { whoOf } from '../audit/audit-event.ts'
import type { AuditSink } from '../audit/audit-sink.ts'
import { fromOurOrigin } from '../authenticate/session.ts'
import type { Clock } from '../clock.ts'
import { Refusal } from '../errors.ts'
import { callerOf } from '../logins/caller.ts'
import type { Login, Logins } from '../logins/logins.ts'
import type { LoginRecords } from '../logins/records.ts'
import type { Provider } from '../providers/provider.ts'
import { Secret } from '../secret.ts'
import type { Revocations } from '../store/revocations.ts'
import type { Store } from '../store/store.ts'
import { answerJson, answerPage } from './answers.ts'
import type { Cookies } from './cookies.ts'
import { createFormReader } from './form-body.ts'
import { page } from './page.ts'
import { requireMethod, type Visit } from './visit.ts'

export interface SignOutParts {
  readonly origin: string
  readonly providers: Readonly<Record<string, Provider>>
  readonly cookies: Cookies
  readonly logins: Logins
  readonly records: LoginRecords
  readonly revocations: Revocations
  readonly store: Store
  readonly audit: AuditSink
  readonly clock: Clock
}

export interface SignOutEndpoints {
  /** GET shows the choice, POST ends this login, or all of the person's with `everywhere=yes`. */
  logout(visit: Visit): Promise<void>
  /** POST of an issuer: OpenID Connect Back-Channel Logout 1.0. */
  backChannel(visit: Visit, name: string): Promise<void>
}

/** The hidden token of forms: bound to the login, so that no other page can know it. */
export function formToken(cookie: Secret): string {
  return new Secret(`form\n${cookie.expose()}`).digest()
}

export function createSignOut(parts: SignOutParts): SignOutEndpoints {
  const readForm = createFormReader()
  const current = async (visit: Visit): Promise<{ cookie: Secret; login: Login } | undefined> => {
    const cookie = parts.cookies.login(visit.head.values.get('cookie'))
    const login = cookie && (await parts.logins.find(cookie.digest()))
    return cookie && login && { cookie, login }
  }

  const show = (visit: Visit, cookie: Secret) => {
    const token = formToken(cookie)
    const actions = [
      { label: 'Sign out', href: '/logout', post: { token } },
      { label: 'Sign out everywhere', href: '/logout', post: { token, everywhere: 'yes' }, quiet: true },
    ]
    const text = 'Signing out everywhere ends all your logins and refuses every token issued to you before now.'
    answerPage(
      visit.response,
      200,
      page({
        title: 'Sign out?',
        body: [
          { kind: 'text', text },
          { kind: 'actions', actions },
        ],
      }),
      visit.requestId,
    )
  }

  const end = async (visit: Visit, login: Login, everywhere: boolean): Promise<URL | undefined> => {
    const { principal, loginId } = login
    const caller = callerOf(login)
    const tokens = await parts.records.tokens(loginId)
    if (everywhere)
      await parts.revocations.revoke({
        kind: 'principal',
        issuer: principal.issuer,
        subject: principal.subject,
        notBefore: parts.clock.now(),
      })
    await parts.logins.end(loginId)
    const provider = parts.providers[principal.provider]
    // Before the record: a log that cannot be written must not keep the issuer from hearing that the login is over.
    if (tokens?.value.refreshToken !== undefined) void provider?.signOut.revoke(tokens.value.refreshToken)
    await parts.audit.record({
      event: 'logout',
      address: visit.address,
      who: whoOf(caller),
      provider: principal.provider,
      issuer: principal.issuer,
      subject: principal.subject,
      login: loginId,
      cause: everywhere ? 'everywhere' : 'person',
    })
    return provider?.signOut.url(tokens?.value.idToken, `${parts.origin}/logout`)
  }

  return {
    async logout(visit) {
      requireMethod(visit, 'GET', 'POST')
      const found = await current(visit)
      visit.response.setHeader('Clear-Site-Data', '"cache"')
      if (found !== undefined && visit.request.method === 'GET') return show(visit, found.cookie)
      let upstream: URL | undefined
      if (found !== undefined) {
        const { values } = visit.head
        if (!fromOurOrigin({ origin: values.get('origin'), fetchSite: values.get('sec-fetch-site') }, parts.origin))
          throw new Refusal('origin_refused')
        const form = await readForm(visit)
        if (!new Secret(form.get('token') ?? '').equals(new Secret(formToken(found.cookie)))) throw new Refusal('csrf_refused')
        upstream = await end(visit, found.login, form.get('everywhere') === 'yes')
      }
      visit.response.setHeader('Set-Cookie', parts.cookies.clearLogin())
      const again = { kind: 'actions', actions: [{ label: 'Sign in again', href: '/login', quiet: true }] } as const
      // A page and not a redirect: the form's policy allows our own origin alone, and browsers apply it to redirects.
      const content = upstream === undefined ? {} : { continueTo: upstream.href }
      answerPage(
        visit.response,
        200,
        page({ title: 'You are signed out', body: [{ kind: 'text', text: 'This browser holds no login any more.' }, again], ...content }),
        visit.requestId,
      )
    },

    async backChannel(visit, name) {
      requireMethod(visit, 'POST')
      // Of the path: every object has a `constructor`.
      const provider = Object.hasOwn(parts.providers, name) ? parts.providers[name] : undefined
      if (provider === undefined) throw new Refusal('provider_unknown')
      const form = await readForm(visit)
      const ended = await provider.verifyLogoutToken(new Secret(form.get('logout_token') ?? ''))
      const { issuer, subject, sid, tokenId, expiresAt } = ended
      // Remembered only once it has taken effect: an issuer repeats a token that an outage here kept from it.
      const used = `logout-token:${new Secret(JSON.stringify([issuer, tokenId])).digest()}`
      if ((await parts.store.get(used)) !== undefined) throw new Refusal('logout_token_invalid', { detail: 'it was used before' })
      // Section 2.7: with a sid that session ends, without one all of the subject's. A login that was not told its session
      // may be of that one, so it ends as well; a bearer without a sid is its client's, and ends with the subject alone.
      const notBefore = parts.clock.now()
      const also = subject === undefined ? undefined : { subject, notBefore }
      if (sid !== undefined) await parts.revocations.revoke({ kind: 'session', issuer, sid, also })
      else if (subject !== undefined) await parts.revocations.revoke({ kind: 'principal', issuer, subject, notBefore })
      await parts.store.put(used, Buffer.from('1'), { ifVersion: 0, ttlMs: Math.max(60_000, expiresAt + 60_000 - parts.clock.now()) })
      await parts.audit.record({
        event: 'logout',
        address: visit.address,
        who: undefined,
        provider: name,
        issuer,
        subject,
        login: '',
        cause: 'back-channel',
      })
      answerJson(visit.response, 200, {}, visit.requestId)
    },
  }
}
