/** Who am I: the page at / and the JSON at /whoami. Both show an allow-list of claims, and never a token. */
import type { Authenticator, Presented } from '../authenticate/authenticator.ts'
import { Refusal } from '../errors.ts'
import type { Logins } from '../logins/logins.ts'
import type { Caller } from '../principal.ts'
import { answerJson, answerPage, answerRedirect } from './answers.ts'
import { page } from './page.ts'
import type { SignedIn } from './refusal-page.ts'
import { requireMethod, type Visit } from './visit.ts'

export interface YouAreParts {
  readonly authenticator: Authenticator
  readonly logins: Pick<Logins, 'find'>
  readonly clusters: readonly string[]
  /** What the sign-in page calls a provider. */
  readonly titleOf: (provider: string) => string
  readonly presentedOf: (visit: Visit, writes: boolean) => Presented
}

export interface YouAreEndpoints {
  /** GET / */
  home(visit: Visit): Promise<void>
  /** GET /whoami */
  whoami(visit: Visit): Promise<void>
  /** Who asks for a page, or undefined where that cannot be told. Never rejects. */
  asker(visit: Visit): Promise<Caller | undefined>
  /** What a page calls a caller who is signed in; undefined for a bearer, or where that cannot be told. Never rejects. */
  signedInAs(caller: Caller): Promise<SignedIn | undefined>
}

interface Shown {
  readonly kind: string
  readonly provider: string
  readonly issuer: string
  readonly subject: string
  readonly claims: Readonly<Record<string, unknown>>
  readonly signedInAt?: string
  readonly endsAt?: string
}

export function createYouAre({ authenticator, logins, clusters, titleOf, presentedOf }: YouAreParts): YouAreEndpoints {
  const shown = async (visit: Visit): Promise<Shown> => {
    const answer = await authenticator.authenticate(presentedOf(visit, false))
    if (answer.result === 'rejected') throw answer.refusal
    if (answer.result === 'not-applicable') throw new Refusal('not_signed_in')
    const { principal, proof } = answer.caller
    const { kind, provider, issuer, subject } = principal
    if (proof.kind === 'bearer') {
      return {
        kind,
        provider,
        issuer,
        subject,
        claims: { groups: principal.groups, scope: proof.scopes.join(' ') },
        endsAt: new Date(proof.expiresAt).toISOString(),
      }
    }
    const login = await logins.find(proof.loginId)
    if (login === undefined) throw new Refusal('login_ended')
    return {
      kind,
      provider,
      issuer,
      subject,
      claims: login.shown,
      signedInAt: new Date(login.signedInAt).toISOString(),
      endsAt: new Date(login.endsAt).toISOString(),
    }
  }

  return {
    async asker(visit) {
      try {
        const answer = await authenticator.authenticate(presentedOf(visit, false))
        return answer.result === 'authenticated' ? answer.caller : undefined
      } catch {
        return undefined
      }
    },
    async signedInAs({ principal, proof }) {
      if (proof.kind !== 'login') return undefined
      try {
        const login = await logins.find(proof.loginId)
        return login && { name: nameOf(login.shown, principal.subject), provider: titleOf(principal.provider) }
      } catch {
        return undefined
      }
    },
    async whoami(visit) {
      requireMethod(visit, 'GET')
      answerJson(visit.response, 200, await shown(visit), visit.requestId)
    },
    async home(visit) {
      requireMethod(visit, 'GET')
      let you: Shown
      try {
        you = await shown(visit)
      } catch (error) {
        if (error instanceof Refusal && error.status === 401) return answerRedirect(visit.response, '/login', visit.requestId)
        throw error
      }
      const facts = [
        ['Signed in with', titleOf(you.provider)] as const,
        ...Object.entries(you.claims).map(([name, value]) => [CLAIM_NAMES[name] ?? name, text(value)] as const),
        ['Issuer', you.issuer] as const,
        ['Ends', you.endsAt?.replace(/^(.{10})T(.{5}).*$/, '$1 $2 UTC') ?? ''] as const,
      ]
      // Discovery: what everybody who is signed in may read, whatever else they may.
      const links = clusters.map((name) => `/clusters/${name}/api/v1`).map((href) => ({ label: href, href }))
      answerPage(
        visit.response,
        200,
        page({
          title: `You are ${nameOf(you.claims, you.subject)}`,
          body: [
            { kind: 'facts', facts },
            { kind: 'links', title: 'Clusters', links },
            { kind: 'actions', actions: [{ label: 'Sign out', href: '/logout', quiet: true }] },
          ],
        }),
        visit.requestId,
      )
    },
  }
}

/** What people call the standard claims (OpenID Connect Core 5.1), and those of Cognito. */
const CLAIM_NAMES: Readonly<Record<string, string>> = {
  sub: 'Subject',
  name: 'Name',
  preferred_username: 'User name',
  'cognito:username': 'User name',
  email: 'E-mail',
  groups: 'Groups',
  'cognito:groups': 'Groups',
}

function nameOf(claims: Readonly<Record<string, unknown>>, subject: string): string {
  return text(claims['name'] ?? subject)
}

function text(value: unknown): string {
  return Array.isArray(value) ? value.map(String).join(', ') : typeof value === 'object' ? JSON.stringify(value) : String(value)
}
