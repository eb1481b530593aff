/** Promise 3: an outage of the store or an issuer is never read as "not signed in" or "allowed". */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { eventually } from '../fakes/raw-http.ts'
import { askRaw, bearerOf, codeOf, cookieOf } from './asks.ts'
import { stageFaultyLab } from './faulty-lab.ts'
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

    test('a replica that starts without the store keeps the cookie, and serves as soon as the store is there', async (t) => {
      const stage = await setStage(t, start)
      const cookie = cookieOf(await stage.browser('alice'), stage)
      await stage.world.storeDown()
      const late = await stage.addReplica()
      const ask = () => fetch(`${late}${PODS}`, { headers: { cookie } })
      const refused = await ask()
      assert.deepEqual([refused.status, refused.headers.get('set-cookie')], [503, null])
      assert.equal(codeOf({ body: await refused.text() }), 'store_unavailable')
      await stage.world.storeUp()
      await eventually(ask, ({ status }) => status === 200, 20_000)
    })

    test('an issuer that is down while tokens need renewing: they serve to their end, then 503, and the login is back with it', async (t) => {
      const { stage, faulty, dora } = await stageFaultyLab(t, start, { lifetimes: { accessToken: 5, idToken: 5 } })
      const cookie = cookieOf(await dora(), stage)
      const ask = () => fetch(`${stage.origin}/clusters/lab/api/v1/pods`, { headers: { cookie } })
      await faulty.refuse()
      let answer = await ask()
      assert.equal(answer.status, 200)
      while (answer.status === 200) answer = await ask()
      for (let at = 0; at < 5; at += 1) {
        assert.deepEqual([answer.status, answer.headers.get('set-cookie')], [503, null])
        assert.match(answer.headers.get('retry-after') ?? '', /^\d+$/)
        assert.equal(codeOf({ body: await answer.text() }), 'issuer_unavailable')
        answer = await ask()
      }
      assert.equal((await fetch(`${stage.origin}/whoami`, { headers: { cookie } })).status, 200)
      await faulty.accept()
      await eventually(ask, ({ status }) => status === 200, 10_000)
      assert.deepEqual(new Set(stage.audit('refresh').map(({ result }) => result)), new Set(['not-sent', 'renewed']))
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
