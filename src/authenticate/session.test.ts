import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Login } from '../logins/logins.ts'
import { principalOf } from '../principal.fake.ts'
import { Secret } from '../secret.ts'
import { StoreUnavailable } from '../store/store.ts'
import type { Presented } from './authenticator.ts'
import { createSessionAuthenticator, fromOurOrigin } from './session.ts'

const OURS = 'https://mandate.example'
const COOKIE = 'A'.repeat(43)
const APP = 'https://app.example'
const ON_APP = 'B'.repeat(43)
const ended = new AbortController().signal
const NO_SESSIONS = { find: async () => undefined }

function setStage() {
  const cookie = new Secret(COOKIE)
  const principal = principalOf()
  const login: Login = { loginId: cookie.digest(), principal, shown: {}, sid: undefined, signedInAt: 0, endsAt: 1, ended }
  const asked: string[] = []
  const logins = {
    async find(loginId: string) {
      asked.push(loginId)
      return loginId === login.loginId ? login : undefined
    },
  }
  const hostSessions = {
    find: async (digest: string, origin: string) => (digest === new Secret(ON_APP).digest() && origin === APP ? login.loginId : undefined),
  }
  const session = createSessionAuthenticator({ logins, hostSessions, origin: OURS })
  const authenticate = (shown: Partial<Presented>) =>
    session.authenticate({
      method: 'GET',
      writes: false,
      cookie,
      authorization: undefined,
      self: OURS,
      origin: undefined,
      fetchSite: undefined,
      ...shown,
    })
  const refusal = async (shown: Partial<Presented>) => {
    const answer = await authenticate(shown)
    return answer.result === 'rejected' ? answer.refusal.code : answer.result
  }
  return { authenticate, refusal, asked, login }
}

describe('a login cookie', () => {
  test('stands for the login and its person, and its value goes no further', async () => {
    const { authenticate, login, asked } = setStage()
    assert.deepEqual(await authenticate({}), {
      result: 'authenticated',
      caller: { principal: login.principal, proof: { kind: 'login', loginId: login.loginId }, ended },
    })
    assert.deepEqual(asked, [new Secret(COOKIE).digest()])
  })

  test('that was not sent is not our matter', async () => {
    const { refusal, asked } = setStage()
    assert.equal(await refusal({ cookie: undefined }), 'not-applicable')
    assert.deepEqual(asked, [])
  })

  for (const [what, value] of [
    ['empty', ''],
    ['one character short', COOKIE.slice(1)],
    ['one character long', `${COOKIE}A`],
    ['of another alphabet', `${COOKIE.slice(1)}+`],
    ['with a line break', `${COOKIE}\n`],
    ['with a null character', `${COOKIE.slice(1)}\0`],
    ['quoted', `"${COOKIE.slice(2)}"`],
    ['percent-encoded', `%41${COOKIE.slice(3)}`],
    ['a JWT', 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.'],
    ['a path', '../../login:admin'],
    ['of 1 MB', 'A'.repeat(1_048_576)],
    ['of 1 MB and one cookie', COOKIE.repeat(24_385)],
  ] as const) {
    test(`that is ${what} is refused without a look into the store`, async () => {
      const { refusal, asked } = setStage()
      const began = performance.now()
      assert.equal(await refusal({ cookie: new Secret(value) }), 'cookie_invalid')
      assert.ok(performance.now() - began < 100)
      assert.deepEqual(asked, [])
    })
  }

  test('that was tampered with, or whose login has ended, is login_ended', async () => {
    const { refusal } = setStage()
    assert.equal(await refusal({ cookie: new Secret(`B${COOKIE.slice(1)}`) }), 'login_ended')
  })

  test('that cannot be looked up is a throw, never "not signed in"', async () => {
    const away = new StoreUnavailable('away')
    const session = createSessionAuthenticator({ logins: { find: () => Promise.reject(away) }, hostSessions: NO_SESSIONS, origin: OURS })
    const shown = {
      method: 'GET',
      writes: false,
      cookie: new Secret(COOKIE),
      authorization: undefined,
      self: OURS,
      origin: undefined,
      fetchSite: undefined,
    }
    await assert.rejects(session.authenticate(shown), away)
  })
})

describe('the cookie of another host', () => {
  test('is refused there and everywhere but on its own host', async () => {
    const { refusal } = setStage()
    for (const self of [OURS, 'https://other.example', 'http://app.example', 'https://app.example:8443'])
      assert.equal(await refusal({ cookie: new Secret(ON_APP), self }), 'login_ended', self)
    assert.equal(await refusal({ self: APP }), 'login_ended', 'the login cookie itself')
    assert.equal(await refusal({ cookie: new Secret(ON_APP), self: APP }), 'authenticated')
  })

  test('writes from a page of its own host alone', async () => {
    const { refusal } = setStage()
    const cookie = new Secret(ON_APP)
    for (const origin of [OURS, 'https://other.example', 'null', undefined])
      assert.equal(await refusal({ cookie, self: APP, writes: true, origin }), 'origin_refused', String(origin))
    assert.equal(await refusal({ self: OURS, writes: true, origin: APP }), 'origin_refused')
    assert.equal(await refusal({ cookie, self: APP, writes: true, origin: APP }), 'authenticated')
  })
})

describe('a write with a login cookie', () => {
  const cases: ReadonlyArray<readonly [what: string, origin: string | undefined, fetchSite: string | undefined, passes: boolean]> = [
    ['from our origin', OURS, 'same-origin', true],
    ['from our origin, by an old browser', OURS, undefined, true],
    ['without Origin but same-origin', undefined, 'same-origin', true],
    ['without either', undefined, undefined, false],
    ['from nowhere (null)', 'null', undefined, false],
    ['from nowhere, in a frame that calls itself ours', 'null', 'same-origin', false],
    ['from another origin', 'https://evil.example', 'cross-site', false],
    ['from another origin that calls itself ours', 'https://evil.example', 'same-origin', false],
    ['from a neighbour', 'https://other.mandate.example', 'same-site', false],
    ['from our host by http', 'http://mandate.example', 'cross-site', false],
    ['from our host at another port', `${OURS}:8443`, 'same-site', false],
    ['from our origin with a slash', `${OURS}/`, undefined, false],
    ['from our origin in capitals', OURS.toUpperCase(), undefined, false],
    ['from a name that begins like ours', `${OURS}.evil.example`, undefined, false],
    ['from two origins', `${OURS} https://evil.example`, undefined, false],
    ['from an empty origin', '', undefined, false],
    ['without Origin, same-site', undefined, 'same-site', false],
    ['without Origin, cross-site', undefined, 'cross-site', false],
    ['without Origin, typed by the person', undefined, 'none', false],
    ['without Origin, with a word that is none', undefined, 'same-origin, cross-site', false],
  ]
  for (const [what, origin, fetchSite, passes] of cases) {
    test(`${what}: ${passes ? 'taken' : 'refused'}`, async () => {
      const { refusal } = setStage()
      assert.equal(await refusal({ method: 'POST', writes: true, origin, fetchSite }), passes ? 'authenticated' : 'origin_refused')
      assert.equal(fromOurOrigin({ origin, fetchSite }, OURS), passes)
      // Reading is open to wherever a link leads from; what it reads, only our pages can see.
      assert.equal(await refusal({ origin, fetchSite }), 'authenticated')
    })
  }

  test('of a login that has ended is told so, not where it came from', async () => {
    const { refusal } = setStage()
    assert.equal(await refusal({ writes: true, cookie: new Secret('B'.repeat(43)), origin: 'https://evil.example' }), 'login_ended')
  })
})
