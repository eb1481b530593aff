import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Complaint } from '../../complaint.ts'
import type { RefreshOutcome, TokenSet } from '../../providers/tokens.ts'
import { Secret } from '../../secret.ts'
import { dueTokens, GATEWAY, keptTokens, spentTokens, testFolder } from './kept-tokens.fake.ts'
import { type KeptTokens, placeFor } from './kept-tokens.ts'
import { tryLock } from './lock.ts'
import { type Source, tokensFor, type Wanted } from './renew.ts'

const refused = (words: RegExp) => (error: unknown) => error instanceof Complaint && words.test(error.message)
const RENEWED: RefreshOutcome = { result: 'renewed', tokens: {} as TokenSet, signedIn: undefined }
const SIGNED_IN = keptTokens({ token: new Secret('token-of-sign-in') })

/** A place and an issuer that answers as told, and what was asked of it. */
function setStage(t: TestContext, kept: KeptTokens | undefined, outcome: RefreshOutcome = RENEWED, changed = false) {
  const place = placeFor(GATEWAY, 'corp', () => undefined, testFolder(t))
  if (kept !== undefined) place.write(kept)
  const asked: string[] = []
  const said: string[] = []
  const source: Source = {
    requireUnchanged() {
      if (changed) throw new Complaint('another client since the last sign-in')
    },
    async redeem(token) {
      // What a killed presenter would leave behind.
      asked.push(`redeem ${token.expose()} ${place.read()?.presenting} ${place.read()?.refreshToken}`)
      return outcome
    },
    renewed: () => keptTokens({ token: new Secret('token-2'), refreshToken: new Secret('refresh-2') }),
    async signIn(before) {
      asked.push(before === undefined ? 'sign in' : `sign in as ${before.subject}`)
      return SIGNED_IN
    },
    close: async () => void asked.push('close'),
  }
  const want = (change: Partial<Wanted> = {}) =>
    tokensFor({ place, interactive: true, open: async () => source, say: (line) => void said.push(line), waitMs: 5_000, ...change })
  return { place, asked, said, want }
}

const PRESENTED = 'redeem refresh-1 true undefined'

test('a killed presenter leads to a new sign-in, never to a second presentation', async (t) => {
  const { want, asked, said, place } = setStage(t, spentTokens({ refreshToken: undefined, presenting: true }))
  await assert.rejects(want({ interactive: false }), refused(/nobody is signed in/))
  assert.equal((await want()).token.expose(), 'token-of-sign-in')
  assert.deepEqual(asked, ['sign in as alice', 'close'])
  assert.match(said.join(), /An earlier renewal was broken off/)
  assert.equal(place.read()?.presenting, false)
})

test('nobody signed in and nobody to ask: a complaint, at once and without asking anybody', async (t) => {
  for (const kept of [undefined, spentTokens({ refreshToken: undefined })]) {
    const { want, asked } = setStage(t, kept)
    await assert.rejects(want({ interactive: false }), refused(/nobody is signed in/))
    assert.deepEqual(asked, [])
  }
})

for (const [result, words] of [
  ['refused', /has ended this sign-in/],
  ['unknown', /cannot be tried twice/],
] as const) {
  test(`a renewal that is ${result} is not tried again: a sign-in, or a complaint`, async (t) => {
    const { want, asked, said, place } = setStage(t, spentTokens(), { result })
    await assert.rejects(want({ interactive: false }), refused(/nobody is signed in/))
    assert.equal(place.read()?.refreshToken, undefined)
    assert.match(said.join(), words)
    assert.equal((await want()).token.expose(), 'token-of-sign-in')
    assert.deepEqual(asked, [PRESENTED, 'close', 'sign in as alice', 'close'])
  })

  test(`a renewal that is ${result} leaves the old token in use to its end`, async (t) => {
    const { want, asked } = setStage(t, dueTokens(), { result })
    assert.equal((await want()).token.expose(), 'token-1')
    assert.equal((await want()).token.expose(), 'token-1')
    assert.deepEqual(asked, [PRESENTED, 'close'])
  })
}

test('an issuer that is not reached: the old token while it lives, then a complaint, and the refresh token is kept', async (t) => {
  const due = setStage(t, dueTokens(), { result: 'not-sent' })
  assert.equal((await due.want()).token.expose(), 'token-1')
  assert.equal(due.place.read()?.refreshToken?.expose(), 'refresh-1')
  const spent = setStage(t, spentTokens(), { result: 'not-sent' })
  await assert.rejects(spent.want(), refused(/cannot be reached/))
  assert.deepEqual([spent.place.read()?.refreshToken?.expose(), spent.place.read()?.presenting], ['refresh-1', false])
})

test('a gateway that is not reached: the old token while it lives, then its complaint', async (t) => {
  const open = async () => {
    throw new Complaint('the gateway cannot be reached')
  }
  assert.equal((await setStage(t, dueTokens()).want({ open })).token.expose(), 'token-1')
  const { want, place } = setStage(t, spentTokens())
  await assert.rejects(want({ open }), refused(/the gateway cannot be reached/))
  assert.equal(place.read()?.refreshToken?.expose(), 'refresh-1')
})

test('a gateway that names another issuer or client: a complaint, no refresh token shown, and no sign-in', async (t) => {
  for (const kept of [spentTokens(), dueTokens()]) {
    const { want, asked, place } = setStage(t, kept, RENEWED, true)
    await assert.rejects(want(), refused(/another client since the last sign-in/))
    assert.deepEqual(asked, ['close'])
    assert.equal(place.read()?.refreshToken?.expose(), 'refresh-1')
  }
})

test('a sign-in that is refused changes nothing of what is kept', async (t) => {
  const { want, place } = setStage(t, spentTokens({ refreshToken: undefined }))
  const open = async () => ({
    requireUnchanged: () => undefined,
    redeem: async () => RENEWED,
    renewed: () => SIGNED_IN,
    signIn: async () => assert.fail('it was somebody else'),
    close: async () => undefined,
  })
  await assert.rejects(want({ open }), /somebody else/)
  assert.equal(place.read()?.token.expose(), 'token-1')
})

test('a due token is used while somebody else renews it, a spent one waits for what they bring', async (t) => {
  const { want, asked, place } = setStage(t, dueTokens())
  const lock = await tryLock(place.lock)
  assert.equal((await want()).token.expose(), 'token-1')
  place.write(spentTokens({ refreshToken: undefined, presenting: true }))
  const waiting = want({ interactive: false })
  place.write(keptTokens({ token: new Secret('token-of-the-other') }))
  assert.equal((await waiting).token.expose(), 'token-of-the-other')
  assert.deepEqual(asked, [])
  lock?.release()
})

test('waiting for the sign-in of somebody else has an end', async (t) => {
  const { want, said, place } = setStage(t, undefined)
  const lock = await tryLock(place.lock)
  await assert.rejects(want({ waitMs: 100 }), refused(/another mandate login/))
  lock?.release()
  assert.deepEqual(said, ['Another sign-in is under way; this waits for it.'])
})

test('a fresh token asks nobody; a spent one is renewed and kept', async (t) => {
  const fresh = setStage(t, keptTokens())
  assert.equal((await fresh.want()).token.expose(), 'token-1')
  const { want, asked, place } = setStage(t, spentTokens())
  const all = await Promise.all(Array.from({ length: 16 }, () => want({ interactive: false })))
  assert.deepEqual([...new Set(all.map(({ token }) => token.expose()))], ['token-2'])
  assert.deepEqual(asked, [PRESENTED, 'close'])
  assert.equal(place.read()?.refreshToken?.expose(), 'refresh-2')
})

test('of many who find nobody signed in one signs in', async (t) => {
  const { want, asked } = setStage(t, undefined)
  await Promise.all(Array.from({ length: 16 }, () => want()))
  assert.deepEqual(asked, ['sign in', 'close'])
})
