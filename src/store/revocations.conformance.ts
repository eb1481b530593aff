/** Promise 4 over any store, with real time: what holds between two replicas that share it. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { systemClock } from '../clock.ts'
import { createLog, type Log } from '../log.ts'
import { Secret } from '../secret.ts'
import { eventually } from './calls.conformance.ts'
import type { RevocationSubject } from './revocation.ts'
import { createRevocations, type Revocations } from './revocations.ts'
import { createKeyRing, type KeyRing } from './sealed.ts'
import type { OpenStores } from './store.conformance.ts'
import type { Store } from './store.ts'

/** A ring with one key made for this run. */
export function testRing(): KeyRing {
  return createKeyRing([{ id: 'test', key: new Secret(randomBytes(32).toString('base64')) }])
}

/** A log that says nothing. */
export const silent: Log = createLog(() => {}, 'silent')

/** Somebody with a login, issued a moment ago; parts may be replaced. */
export function somebody(parts: Partial<RevocationSubject> = {}): RevocationSubject {
  const id = randomBytes(8).toString('hex')
  return {
    loginId: `login-${id}`,
    issuer: 'https://issuer.example',
    subject: `subject-${id}`,
    sid: `sid-${id}`,
    issuedAt: Date.now() - 1000,
    ...parts,
  }
}

/** Registers the suite: `open` gives two clients of one state that holds no revocations yet. */
export function revocationsConformance(name: string, open: () => Promise<OpenStores>): void {
  describe(`revocations over ${name}`, () => {
    let opened: OpenStores
    let here: Revocations
    let there: Revocations
    const ring = testRing()
    const replica = (store: Store) => createRevocations({ store, ring, clock: systemClock, log: silent })
    before(async () => {
      opened = await open()
      here = replica(opened.store)
      there = replica(opened.second)
      await Promise.all([here.start(), there.start()])
    })
    after(async () => {
      await Promise.all([here.stop(), there.stop()])
      await opened.close()
    })

    test('both replicas see', () => assert.deepEqual([here.blind, there.blind], [false, false]))

    test('each kind of revocation ends exactly its subjects on the other replica within 2 s', async () => {
      const [loggedOut, signedOutEverywhere, loggedOutAtIssuer, other] = [somebody(), somebody(), somebody(), somebody()]
      const ended: string[] = []
      for (const [what, subject] of Object.entries({ loggedOut, signedOutEverywhere, loggedOutAtIssuer, other })) {
        there.watch(subject, (why) => ended.push(`${what} ${why}`))
      }
      const { issuer, subject } = signedOutEverywhere
      await Promise.all([
        here.revoke({ kind: 'login', loginId: loggedOut.loginId ?? '' }),
        here.revoke({ kind: 'principal', issuer, subject, notBefore: Date.now() }),
        here.revoke({ kind: 'session', issuer, sid: loggedOutAtIssuer.sid ?? '' }),
      ])
      for (const subject of [loggedOut, signedOutEverywhere, loggedOutAtIssuer]) assert.ok(here.check(subject), 'in force here at once')
      await eventually('all three end', () => ended.length >= 3, 2000)
      assert.deepEqual(ended.toSorted(), ['loggedOut revoked', 'loggedOutAtIssuer revoked', 'signedOutEverywhere revoked'])
      for (const subject of [loggedOut, signedOutEverywhere, loggedOutAtIssuer]) assert.ok(there.check(subject))
      assert.equal(there.check(other) || here.check(other), false)
      assert.equal(there.check({ ...signedOutEverywhere, issuedAt: Date.now() + 1 }), false, 'a sign-in after the not-before holds')
    })

    test('a replica that starts later knows what was revoked before', async () => {
      const gone = somebody()
      await there.revoke({ kind: 'login', loginId: gone.loginId ?? '' })
      const late = replica(opened.store)
      assert.ok(late.blind)
      await late.start()
      assert.deepEqual([late.blind, late.check(gone)], [false, true])
      await late.stop()
      assert.ok(late.blind)
    })

    test('2,000 revocations at once reach the other replica', async () => {
      const many = Array.from({ length: 2000 }, () => somebody())
      let ended = 0
      for (const subject of many) there.watch(subject, () => ended++)
      await Promise.all(many.map(({ loginId = '' }) => here.revoke({ kind: 'login', loginId })))
      await eventually('all end', () => ended === many.length)
      assert.ok(!there.blind)
    })
  })
}
