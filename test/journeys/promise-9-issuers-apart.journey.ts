/** Promise 9: an issuer that fails harms no other, and its own good keys outlive a failed refresh. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Fault } from '../fakes/faulty-issuer.ts'
import { askRaw, bearerOf, codeOf, cookieOf } from './asks.ts'
import { stageFaultyLab } from './faulty-lab.ts'
import type { StartWorld } from './world.ts'

const PODS = '/clusters/named/api/v1/namespaces/team-a/pods'
/** What a failing neighbour may cost at most, generously: its own time-outs are ten seconds and more. */
const UNHARMED_MS = 3_000

const BAD_DAYS: ReadonlyArray<readonly [what: string, fault: Fault]> = [
  ['hangs', { kind: 'hang' }],
  ['resets', { kind: 'reset' }],
  ['answers 500', { kind: 'status', status: 500 }],
  ['answers 429', { kind: 'status', status: 429, retryAfter: '3600' }],
  ['answers HTML', { kind: 'html' }],
  ['breaks off', { kind: 'half-body' }],
  ['never stops', { kind: 'huge-body', bytes: 50_000_000 }],
  ['leads away', { kind: 'redirect', location: 'https://evil.example/' }],
  ['has no keys', { kind: 'rewrite', rewrite: () => ({ keys: [] }) }],
]

/** Runs the journey on a world. */
export function promise9(name: string, start: StartWorld): void {
  suite(`promise 9: issuers apart, ${name}`, () => {
    for (const [what, fault] of BAD_DAYS) {
      test(`an issuer that ${what} harms no sign-in, login or bearer of another`, async (t) => {
        const { stage, lab, faulty, dora } = await stageFaultyLab(t, start)
        const [alice, bob, known] = [await stage.browser(), await stage.browser(), await dora()]
        await alice.signIn(`${stage.origin}/login?provider=corp&return_to=/whoami`, 'alice')
        const doras = `Authorization: Bearer ${lab.mintAccessToken('dora')}`
        assert.equal((await askRaw(stage, '/whoami', [doras])).status, 200)
        faulty.inject('all', fault)
        // Makes Mandate ask the failing issuer for keys, as often as a hostile sender could.
        await lab.rotateKeys()
        const unknown = () => askRaw(stage, '/whoami', [`Authorization: Bearer ${lab.mintAccessToken('dora')}`]).catch(() => undefined)
        const flood = Array.from({ length: 20 }, unknown)

        const began = performance.now()
        assert.equal((await alice.get(stage.origin + PODS)).status, 200)
        assert.equal((await askRaw(stage, PODS, [`Authorization: ${bearerOf(stage, 'alice')}`])).status, 200)
        await bob.signIn(`${stage.origin}/login?provider=corp&return_to=/whoami`, 'bob')
        assert.equal((await bob.get(`${stage.origin}/whoami`)).status, 200)
        assert.ok(performance.now() - began < UNHARMED_MS, `${performance.now() - began} ms`)

        // Its own people who are known already are served on: their keys were good.
        const another = `Authorization: Bearer ${lab.mintAccessToken('dora', { header: { kid: undefined } })}`
        assert.equal((await askRaw(stage, '/whoami', [doras])).status, 200)
        assert.equal((await askRaw(stage, '/whoami', [`Cookie: ${cookieOf(known, stage)}`])).status, 200)
        assert.notEqual((await askRaw(stage, '/whoami', [another]).catch(() => undefined))?.status, 200)
        faulty.heal()
        await Promise.all(flood)
      })
    }

    test('good keys outlive a failed refresh, and an unknown key is then "cannot tell", not "no"', async (t) => {
      const { stage, lab, faulty } = await stageFaultyLab(t, start)
      const good = () => `Authorization: Bearer ${lab.mintAccessToken('dora')}`
      assert.equal((await askRaw(stage, '/whoami', [good()])).status, 200)
      // Minted before the rotation and shown first after it: verified anew by a key that was kept.
      const older = Array.from({ length: 5 }, good)
      await lab.rotateKeys()
      await faulty.refuse()
      const refused = await askRaw(stage, '/whoami', [good()])
      assert.deepEqual([refused.status, codeOf(refused)], [503, 'issuer_unavailable'])
      assert.match(refused.head, /\r\nretry-after: \d/)
      for (const token of older) assert.equal((await askRaw(stage, '/whoami', [token])).status, 200)
    })
  })
}
