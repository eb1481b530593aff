/** Signing in and out: by several issuers, against people who want to be somebody else. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { OPEN_REDIRECTS } from '../fakes/hostile/redirects.ts'
import { askRaw, codeOf, cookieOf, untilCallback } from './asks.ts'
import { type Stage, setStage } from './stage.ts'
import { DORA, MALLORY, stageTwoIssuers } from './two-issuers.ts'
import type { StartWorld } from './world.ts'

type Browser = Awaited<ReturnType<Stage['browser']>>

const whoami = async (browser: Browser, { origin }: Stage) => {
  const answer = await browser.get(`${origin}/whoami`, { headers: { accept: 'application/json' } })
  return { status: answer.status, ...JSON.parse(answer.body) }
}

const loginCookie = (browser: Browser, stage: Stage) => /mandate-\d+=([\w-]+)/.exec(cookieOf(browser, stage))?.[1]

/** Runs the journey on a world. */
export function signIn(name: string, start: StartWorld): void {
  suite(`sign-in, ${name}`, () => {
    test('several issuers are live at once, and each vouches for its own people', async (t) => {
      const { stage, lab } = await stageTwoIssuers(t, start)
      const page = await (await stage.browser()).get(`${stage.origin}/login?return_to=/whoami`)
      assert.match(page.body, /Continue with Corp<[\s\S]*Continue with Lab</)
      const [alice, dora] = [await stage.browser(), await stage.browser()]
      await alice.signIn(`${stage.origin}/login?provider=corp&return_to=/whoami`, 'alice')
      await dora.signIn(`${stage.origin}/login?provider=lab&return_to=/whoami`, 'dora')
      const [a, d] = [await whoami(alice, stage), await whoami(dora, stage)]
      assert.deepEqual([a.provider, a.issuer, a.subject], ['corp', stage.world.issuer.issuer, 'alice'])
      assert.deepEqual([d.provider, d.issuer, d.subject], ['lab', lab.issuer, DORA.sub])
    })

    test('with one issuer /login goes straight on, by code, PKCE S256, state and nonce', async (t) => {
      const stage = await setStage(t, start)
      const answer = await (await stage.browser()).get(`${stage.origin}/login`)
      assert.equal(answer.status, 303)
      const { searchParams } = new URL(answer.headers.location ?? '')
      assert.deepEqual(
        ['response_type', 'code_challenge_method', 'redirect_uri'].map((key) => searchParams.get(key)),
        ['code', 'S256', `${stage.origin}/callback/corp`],
      )
      for (const key of ['state', 'nonce', 'code_challenge']) assert.match(searchParams.get(key) ?? '', /^[\w-]{43}$/)
      assert.equal(new Set(['state', 'nonce', 'code_challenge'].map((key) => searchParams.get(key))).size, 3)
    })

    test('it leads back to where it began', async (t) => {
      const stage = await setStage(t, start)
      const end = await (await stage.browser()).signIn(
        `${stage.origin}/login?return_to=${encodeURIComponent('/clusters/prod/version?x=1')}`,
        'alice',
      )
      assert.equal(end.url, `${stage.origin}/clusters/prod/version?x=1`)
    })

    test('it leads to no other site', async (t) => {
      const stage = await setStage(t, start)
      const browser = await stage.browser()
      for (const value of OPEN_REDIRECTS) {
        const answer = await browser.get(`${stage.origin}/login?return_to=${encodeURIComponent(value)}`, {
          headers: { accept: 'application/json' },
        })
        assert.deepEqual([answer.status, answer.headers.location], [400, undefined], value)
        // A NUL is refused before anybody asks what it is for.
        assert.equal(codeOf(answer), value.includes('\u0000') ? 'path_ambiguous' : 'return_to_refused', value)
      }
    })

    test('a callback works once, in the browser it was begun in, for the provider it was begun with, with its own state', async (t) => {
      const { stage } = await stageTwoIssuers(t, start)
      const mine = await stage.browser()
      const begin = () => untilCallback(mine, `${stage.origin}/login?provider=corp`, 'alice')
      const refused = async (url: string, browser = mine) => {
        const answer = await browser.get(url)
        assert.deepEqual([answer.status, codeOf(answer)], [400, 'sign_in_state_unknown'], answer.body)
        assert.equal(answer.headers['set-cookie'], undefined)
        for (const secret of [...new URL(url).searchParams.values()].filter((value) => value.length > 20 && !value.startsWith('http')))
          assert.ok(!answer.body.includes(secret))
      }
      const altered = (url: string, change: (url: URL) => void) => {
        const copy = new URL(url)
        change(copy)
        return copy.href
      }
      const other = await stage.browser()
      await other.get(`${stage.origin}/login?provider=corp`)
      await refused(await begin(), other)
      await refused(await begin(), await stage.browser())
      await refused(altered(await begin(), (url) => url.searchParams.set('state', 'x'.repeat(43))))
      await refused(altered(await begin(), (url) => url.searchParams.delete('state')))
      await refused(
        altered(await begin(), (url) => {
          url.pathname = '/callback/lab'
        }),
      )
      const good = await begin()
      assert.equal((await mine.get(good)).status, 303)
      await refused(good)
      assert.equal((await whoami(mine, stage)).subject, 'alice')
    })

    for (const [what, change, status, code] of [
      [
        'an error of the issuer',
        (query) =>
          query.delete('code') === undefined &&
          query.set('error', 'access_denied') === undefined &&
          query.set('error_description', 'SECRET-DESCRIPTION'),
        403,
        'sign_in_refused',
      ],
      ['an invented error', (query) => query.set('error', '<script>SECRET-DESCRIPTION'), 403, 'sign_in_refused'],
      ["another issuer's name", (query) => query.set('iss', 'https://evil.example'), 400, 'sign_in_issuer_mismatch'],
      ["no issuer's name where one is promised", (query) => query.delete('iss'), 400, 'sign_in_issuer_mismatch'],
      ['a code that is not one', (query) => query.set('code', 'SECRET-DESCRIPTION'), 403, 'sign_in_refused'],
      ['no code', (query) => query.delete('code'), 502, 'sign_in_token_invalid'],
      ['the state twice', (query) => query.append('state', 'x'), 400, 'path_ambiguous'],
      ['the code twice', (query) => query.append('code', 'x'), 400, 'path_ambiguous'],
      ['the issuer twice', (query) => query.append('iss', 'x'), 400, 'path_ambiguous'],
    ] as ReadonlyArray<readonly [string, (query: URLSearchParams) => unknown, number, string]>) {
      test(`an answer with ${what} makes no login`, async (t) => {
        const stage = await setStage(t, start)
        const browser = await stage.browser()
        const url = new URL(await untilCallback(browser, `${stage.origin}/login`, 'alice'))
        change(url.searchParams)
        const answer = await browser.get(url.href)
        assert.deepEqual([answer.status, codeOf(answer), answer.headers['set-cookie']], [status, code, undefined], answer.body)
        assert.doesNotMatch(answer.body + stage.logged(), /SECRET-DESCRIPTION/)
        assert.equal(loginCookie(browser, stage), undefined)
        assert.equal(stage.audit('refused').at(-1)?.code, code)
      })
    }

    for (const [target, code] of [
      ['/login?provider=nobody', 'provider_unknown'],
      ['/login?provider=constructor', 'provider_unknown'],
      ['/callback/nobody?state=x', 'provider_unknown'],
      ['/callback/?state=x', 'provider_unknown'],
      ['/login?provider=corp&provider=corp', 'path_ambiguous'],
      ['/login?return_to=/&return_to=/', 'path_ambiguous'],
      ['/login/', 'not_found'],
      ['/callback/corp/x', 'not_found'],
      ['/.well-known/x', 'not_found'],
      ['/metrics', 'not_found'],
      ['/health', 'not_found'],
    ] as const) {
      test(`${target} is refused as ${code}, as a page and as a problem`, async (t) => {
        const stage = await setStage(t, start)
        const [page, problem] = [await askRaw(stage, target, ['Accept: text/html']), await askRaw(stage, target)]
        assert.deepEqual([codeOf(page), codeOf(problem)], [code, code])
        assert.match(page.head, /content-type: text\/html/)
        assert.match(problem.head, /content-type: application\/problem\+json/)
      })
    }

    test('a new login has a new id: a planted cookie becomes nobody, and the login before it ends', async (t) => {
      const stage = await setStage(t, start)
      const browser = await stage.browser()
      const planted = 'A'.repeat(43)
      const cookieName = `mandate-${new URL(stage.origin).port}`
      browser.jar.put({
        name: cookieName,
        value: planted,
        domain: 'localhost',
        hostOnly: true,
        path: '/',
        secure: false,
        httpOnly: true,
        sameSite: 'lax',
        expiresAt: Number.POSITIVE_INFINITY,
      })
      await browser.signIn(`${stage.origin}/login?return_to=/whoami`, 'alice')
      const first = loginCookie(browser, stage)
      await browser.signIn(`${stage.origin}/login?return_to=/whoami`, 'alice')
      const second = loginCookie(browser, stage)
      assert.equal(new Set([planted, first, second]).size, 3)
      for (const dead of [planted, first]) {
        const answer = await askRaw(stage, '/whoami', [`Cookie: ${cookieName}=${dead}`])
        assert.deepEqual([answer.status, codeOf(answer)], [401, 'login_ended'])
      }
      assert.equal((await whoami(browser, stage)).subject, 'alice')
    })

    test('the cookie is set once, by the callback alone, for our host and no script', async (t) => {
      const stage = await setStage(t, start)
      const browser = await stage.browser()
      const { headers, status } = await browser.get(await untilCallback(browser, `${stage.origin}/login`, 'alice'))
      assert.equal(status, 303)
      assert.equal(headers['set-cookie']?.length, 1)
      assert.match(headers['set-cookie']?.[0] ?? '', /^mandate-\d+=[\w-]{43}; Max-Age=28800; Path=\/; HttpOnly; SameSite=Lax$/)
      assert.match(headers['cache-control'] ?? '', /no-store/)
      assert.equal((await browser.get(`${stage.origin}/whoami`)).headers['set-cookie'], undefined)
    })

    test('/whoami shows the listed claims and nothing else, in whatever way one is known', async (t) => {
      const stage = await setStage(t, start)
      const alice = await whoami(await stage.browser('alice'), stage)
      assert.deepEqual(Object.keys(alice).sort(), ['claims', 'endsAt', 'issuer', 'kind', 'provider', 'signedInAt', 'status', 'subject'])
      assert.deepEqual(Object.keys(alice.claims).sort(), ['email', 'groups', 'name', 'preferred_username', 'sub'])
      const bearer = JSON.parse(
        (await askRaw(stage, '/whoami', [`Authorization: Bearer ${stage.world.issuer.mintAccessToken('alice')}`])).body,
      )
      assert.deepEqual(Object.keys(bearer).sort(), ['claims', 'endsAt', 'issuer', 'kind', 'provider', 'subject'])
      assert.deepEqual(Object.keys(bearer.claims).sort(), ['groups', 'scope'])
      assert.equal((await askRaw(stage, '/whoami')).status, 401)
    })

    test('names as hostile as names get are text on every page, and no page runs a script', async (t) => {
      const { stage } = await stageTwoIssuers(t, start)
      const browser = await stage.browser()
      const you = await browser.signIn(`${stage.origin}/login?provider=lab`, MALLORY.name)
      const pages = [
        you,
        await browser.get(`${stage.origin}/logout`),
        await browser.get(`${stage.origin}/login`),
        await browser.get(`${stage.origin}/login?provider=x`),
      ]
      assert.match(you.body, /&lt;img src=x onerror=alert\(2\)&gt;/)
      for (const { body, headers } of pages) {
        assert.match(
          headers['content-security-policy'] as string,
          /^default-src 'none'; style-src 'sha256-[\w+/=]+'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'$/,
        )
        assert.deepEqual(
          [headers['x-content-type-options'], headers['x-frame-options'], headers['cross-origin-opener-policy']],
          ['nosniff', 'DENY', 'same-origin'],
        )
        // With `no-referrer` browsers would send `Origin: null` from our own forms.
        assert.equal(headers['referrer-policy'], 'same-origin')
        assert.doesNotMatch(body, /<script|<img|\son\w+=["']/i)
      }
    })

    test('sign-ins of one address are limited, however many come at once', async (t) => {
      const stage = await setStage(t, start, {
        configure: (config) => {
          config['limits'] = { signIns: 3 }
        },
      })
      const browser = await stage.browser()
      const answers = await Promise.all(
        Array.from({ length: 20 }, () => browser.get(`${stage.origin}/login`, { headers: { accept: 'application/json' } })),
      )
      const begun = answers.filter(({ status }) => status === 303).length
      assert.ok(begun <= 3, `${begun} were begun`)
      const late = await browser.get(`${stage.origin}/login`)
      if (begun === 3) assert.deepEqual([late.status, codeOf(late), Number(late.headers['retry-after'])], [429, 'too_many_requests', 60])
      assert.ok(answers.some(({ status }) => status === 429))
    })

    test('many people sign in at once, each as themselves', async (t) => {
      const stage = await setStage(t, start)
      const people = await Promise.all(
        Array.from({ length: 20 }, async (_, i) => {
          const user = i % 2 === 0 ? 'alice' : 'bob'
          return [user, await stage.browser(user)] as const
        }),
      )
      const seen = await Promise.all(people.map(async ([user, browser]) => [user, (await whoami(browser, stage)).subject] as const))
      for (const [user, subject] of seen) assert.equal(subject, user)
      assert.equal(stage.audit('login').length, 20)
      assert.equal(new Set(stage.audit('login').map(({ login }) => login)).size, 20)
    })

    test('a huge cookie and thousands of headers are refused at the door', async (t) => {
      const stage = await setStage(t, start)
      for (const lines of [[`Cookie: a=${'x'.repeat(1_000_000)}`], Array.from({ length: 10_000 }, (_, i) => `X-${i}: v`)]) {
        assert.equal((await askRaw(stage, '/login', lines)).status, 431)
      }
      assert.equal((await askRaw(stage, '/whoami')).status, 401)
    })
  })
}
