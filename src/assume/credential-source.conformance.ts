/** The contract of `credential-source.ts`, run against every implementation. Refusals first. */
import assert from 'node:assert/strict'
import { beforeEach, describe, test } from 'node:test'
import type { FakeClock } from '../clock.fake.ts'
import { bearerCredential, present } from '../credential.ts'
import { Refusal } from '../errors.ts'
import type { Caller } from '../principal.ts'
import { Secret } from '../secret.ts'
import type { CredentialSource, Target } from './credential-source.ts'

export interface SourceUnderTest {
  readonly source: CredentialSource
  readonly clock: FakeClock
  readonly target: Target
  /** Two people whom the source can serve. */
  readonly alice: Caller
  readonly bob: Caller
  /** Somebody whom it must refuse for what they are or showed. */
  readonly unfit: Caller
  /** Makes what the source depends on unreachable until the returned function is called; absent for one that depends on nothing. */
  readonly breakDown?: () => () => void
}

export function credentialSourceConformance(name: string, open: () => SourceUnderTest): void {
  describe(`the contract of a credential source: ${name}`, () => {
    let under: SourceUnderTest
    beforeEach(() => {
      under = open()
    })
    const linesOf = async (caller: Caller) => {
      const answer = await under.source.assume(caller, under.target)
      assert.equal(answer.result, 'granted')
      return JSON.stringify(answer.result === 'granted' && present(answer.credential))
    }

    test('refuses whom it cannot serve by an answer with a frozen Refusal of 4xx, not by a throw', async () => {
      const answer = await under.source.assume(under.unfit, under.target)
      assert.ok(answer.result === 'refused' || answer.result === 'needs-interaction', answer.result)
      assert.ok(answer.refusal instanceof Refusal && Object.isFrozen(answer.refusal))
      assert.ok(answer.refusal.status >= 400 && answer.refusal.status < 500)
    })

    test('refuses them each time, also after it served somebody else', async () => {
      await linesOf(under.alice)
      for (let i = 0; i < 3; i++) assert.notEqual((await under.source.assume(under.unfit, under.target)).result, 'granted')
    })

    const { breakDown } = open()
    if (breakDown === undefined) {
      test('needs nothing that could be out of reach: it answers at once', async () => {
        const began = under.clock.now()
        await linesOf(under.alice)
        assert.equal(under.clock.now(), began)
      })
    } else
      test('is unavailable with a 503 when it cannot reach what it needs, and serves again after that', async () => {
        const mend = under.breakDown?.() ?? (() => assert.fail())
        const answer = await under.source.assume(under.alice, under.target)
        assert.ok(answer.result === 'unavailable', answer.result)
        assert.equal(answer.refusal.status, 503)
        assert.ok((answer.refusal.retryAfterSeconds ?? 0) > 0)
        mend()
        await linesOf(under.alice)
      })

    test('grants what dresses a request and lives beyond now', async () => {
      const answer = await under.source.assume(under.alice, under.target)
      assert.ok(answer.result === 'granted')
      assert.ok(present(answer.credential).length > 0)
      for (const [header, value] of present(answer.credential)) assert.ok(header !== '' && value !== '' && !value.endsWith(' '))
      assert.ok(answer.credential.expiresAt > under.clock.now())
      assert.ok(Object.isFrozen(answer.credential))
    })

    test('never gives two people one credential, whoever asks first and however they overlap', async () => {
      const [a, b] = await Promise.all([linesOf(under.alice), linesOf(under.bob)])
      assert.notEqual(a, b)
      assert.deepEqual(await Promise.all([linesOf(under.bob), linesOf(under.alice)]), [b, a])
    })

    test('gives the same person the same again', async () => {
      assert.equal(await linesOf(under.alice), await linesOf(under.alice))
    })

    test('forgets without harm, also what it never gave', async () => {
      const never = bearerCredential(new Secret('never-given'), under.clock.now() + 60_000)
      under.source.evict?.(under.bob, under.target, never)
      const before = await linesOf(under.alice)
      under.source.evict?.(under.alice, under.target, never)
      assert.equal(await linesOf(under.alice), before)
      const answer = await under.source.assume(under.alice, under.target)
      assert.ok(answer.result === 'granted')
      for (let i = 0; i < 3; i++) under.source.evict?.(under.alice, under.target, answer.credential)
      assert.equal(await linesOf(under.alice), before)
    })
  })
}
