/** Promise 3: an outage of the store or an issuer is never read as "not signed in" or "allowed". */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { eventually } from '../fakes/raw-http.ts'
import { askRaw, bearerOf, codeOf, cookieOf } from './asks.ts'
import { setStage } from './stage.ts'
import type { StartWorld } from './world.ts'

const PODS = '/clusters/prod/api/v1/namespaces/team-a/pods'

/** Runs the journey on a world. */
export function promise3(name: string, start: StartWorld): void {
  suite(`promise 3: an outage is not absence, ${name}`, () => {
    test('a lost store is 503 with Retry-After and the cookie untouched, and the login is back with the store', async (t) => {
      const stage = await setStage(t, start)
      const alice = await stage.browser('alice')
      const cookie = cookieOf(alice, stage)
      const ask = () => fetch(`${stage.origin}${PODS}`, { headers: { cookie } })
      assert.equal((await ask()).status, 200)

      await stage.world.storeDown()
      // Within the bound of blindness even a cached login is not believed any more.
      const refused = await eventually(ask, ({ status }) => status === 503, 8_000)
      assert.equal(refused.headers.get('retry-after'), '5')
      assert.equal(refused.headers.get('set-cookie'), null)
      const body = (await refused.json()) as { kind: string; details: { causes: { reason: string }[] } }
      assert.equal(body.kind, 'Status')
      assert.equal(body.details.causes[0]?.reason, 'store_unavailable')
      for (const path of ['/whoami', '/', '/logout']) {
        const answer = await fetch(`${stage.origin}${path}`, { headers: { cookie }, redirect: 'manual' })
        assert.equal(answer.status, 503, path)
        assert.equal(answer.headers.get('set-cookie'), null, path)
      }
      await stage.world.storeUp()
      await eventually(ask, ({ status }) => status === 200, 20_000)
    })

    test('a lost store lets no bearer in either: whether it was revoked cannot be told', async (t) => {
      const stage = await setStage(t, start)
      const line = `Authorization: ${bearerOf(stage, 'alice')}`
      assert.equal((await askRaw(stage, PODS.replace('prod', 'named'), [line])).status, 200)
      await stage.world.storeDown()
      const refused = await eventually(
        () => askRaw(stage, PODS.replace('prod', 'named'), [line]),
        ({ status }) => status === 503,
        8_000,
      )
      assert.equal(codeOf(refused), 'store_unavailable')
      const before = (await stage.world.cluster.acted()).length
      await askRaw(stage, PODS.replace('prod', 'named'), [line])
      assert.equal((await stage.world.cluster.acted()).length, before)
      await stage.world.storeUp()
    })

    test('a sign-in cannot be begun without the store, and says so', async (t) => {
      const stage = await setStage(t, start)
      await stage.world.storeDown()
      const answer = await fetch(`${stage.origin}/login?provider=corp`, { redirect: 'manual' })
      assert.equal(answer.status, 503)
      assert.equal(answer.headers.get('set-cookie'), null)
      await stage.world.storeUp()
    })

    test('a replica that is blind says that it is not ready, and is ready again by itself', async (t) => {
      const stage = await setStage(t, start)
      const ready = () => fetch(`http://127.0.0.1:${stage.replicas[0]?.ports.operations}/ready`)
      assert.equal((await ready()).status, 200)
      await stage.world.storeDown()
      await eventually(ready, ({ status }) => status === 503, 8_000)
      await stage.world.storeUp()
      await eventually(ready, ({ status }) => status === 200, 20_000)
    })
  })
}
