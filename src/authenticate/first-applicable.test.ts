import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Refusal } from '../errors.ts'
import { loginCaller } from '../principal.fake.ts'
import { Secret } from '../secret.ts'
import { StoreUnavailable } from '../store/store.ts'
import type { Authentication, Authenticator, Presented } from './authenticator.ts'
import { firstApplicable } from './first-applicable.ts'

const NOTHING: Presented = {
  method: 'GET',
  writes: false,
  cookie: undefined,
  authorization: undefined,
  self: 'https://mandate.example',
  origin: undefined,
  fetchSite: undefined,
}
const AUTHENTICATED: Authentication = { result: 'authenticated', caller: loginCaller() }
const REJECTED: Authentication = { result: 'rejected', refusal: new Refusal('login_ended') }

/** Authenticators that give these answers, and how often each was asked. */
function asking(...answers: ReadonlyArray<Authentication | Error>) {
  const asked = answers.map(() => 0)
  const authenticators = answers.map(
    (answer, at): Authenticator => ({
      async authenticate() {
        asked[at] = (asked[at] ?? 0) + 1
        if (answer instanceof Error) throw answer
        return answer
      },
    }),
  )
  return { authenticator: firstApplicable(authenticators), asked }
}

test('the first that applies decides', async () => {
  const { authenticator, asked } = asking({ result: 'not-applicable' }, AUTHENTICATED, REJECTED)
  assert.equal(await authenticator.authenticate(NOTHING), AUTHENTICATED)
  assert.deepEqual(asked, [1, 1, 0])
})

test('a cookie alone is asked about, and a bearer alone', async () => {
  for (const shown of [{ cookie: new Secret('cookie') }, { authorization: new Secret('Bearer token') }]) {
    const { authenticator } = asking(AUTHENTICATED)
    assert.equal(await authenticator.authenticate({ ...NOTHING, ...shown }), AUTHENTICATED)
  }
})

test('a rejection is final: nothing falls through to a weaker proof', async () => {
  const { authenticator, asked } = asking(REJECTED, AUTHENTICATED)
  assert.equal(await authenticator.authenticate(NOTHING), REJECTED)
  assert.deepEqual(asked, [1, 0])
})

test('"cannot tell" is final too, and stays a throw', async () => {
  const away = new StoreUnavailable('away')
  const { authenticator, asked } = asking(away, AUTHENTICATED)
  await assert.rejects(authenticator.authenticate(NOTHING), away)
  assert.deepEqual(asked, [1, 0])
})

test('nobody applies: not-applicable', async () => {
  const { authenticator } = asking({ result: 'not-applicable' })
  assert.deepEqual(await authenticator.authenticate(NOTHING), { result: 'not-applicable' })
  assert.deepEqual(await firstApplicable([]).authenticate(NOTHING), { result: 'not-applicable' })
})

test('a cookie and a bearer together are refused before anybody is asked, empty ones too', async () => {
  for (const [cookie, authorization] of [
    ['cookie', 'Bearer token'],
    ['', ''],
  ] as const) {
    const { authenticator, asked } = asking(AUTHENTICATED, AUTHENTICATED)
    const answer = await authenticator.authenticate({ ...NOTHING, cookie: new Secret(cookie), authorization: new Secret(authorization) })
    assert.equal(answer.result === 'rejected' && answer.refusal.code, 'two_credentials')
    assert.deepEqual(asked, [0, 0])
  }
})
