/** One caller who asks for everything at once: what is left for the others. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { eventually, openRaw, startRawUpstream } from '../fakes/raw-http.ts'
import { askRaw, bearerOf, codeOf } from './asks.ts'
import { setStage } from './stage.ts'
import type { StartWorld } from './world.ts'

/** Runs the journey on a world. */
export function oneAmongMany(name: string, start: StartWorld): void {
  suite(`one among many, ${name}`, () => {
    test('a caller with too much under way is told to wait, and nobody else is', async (t) => {
      const silent = await startRawUpstream(() => undefined)
      t.after(() => silent.close())
      const stage = await setStage(t, start, {
        configure(config) {
          config['limits'] = { perPrincipal: { attempts: 3, streams: 2 } }
          config.clusters['slow'] = {
            server: silent.origin,
            allow: config.clusters['named']?.['allow'],
            as: config.clusters['named']?.['as'],
          }
        },
      })
      const { host, port } = new URL(stage.origin)
      const hang = async (target: string) => {
        const connection = await openRaw(Number(port))
        connection.send(`GET ${target} HTTP/1.1\r\nHost: ${host}\r\nAuthorization: ${bearerOf(stage, 'alice')}\r\n\r\n`)
        return connection
      }
      const pods = '/clusters/slow/api/v1/pods'
      const held = await Promise.all([pods, pods, pods, `${pods}?watch=1`, `${pods}?watch=1`].map(hang))
      await eventually(
        () => silent.heads().length,
        (arrived) => arrived === 5,
      )
      for (const target of [pods, `${pods}?watch=1`]) {
        const answer = await askRaw(stage, target, [`Authorization: ${bearerOf(stage, 'alice')}`])
        assert.deepEqual([answer.status, codeOf(answer)], [429, 'too_many_requests'], answer.all)
        assert.match(answer.head, /retry-after: 1/)
      }
      assert.equal(stage.audit('granted').length, 5)
      const bob = await askRaw(stage, '/clusters/named/version', [`Authorization: ${bearerOf(stage, 'bob')}`])
      assert.equal(bob.status, 200, bob.all)
      for (const { socket } of held) socket.destroy()
      await eventually(
        async () => (await askRaw(stage, '/clusters/named/version', [`Authorization: ${bearerOf(stage, 'alice')}`])).status,
        (status) => status === 200,
      )
    })

    test('a caller who is denied over and over fills counters and not the audit log', async (t) => {
      const stage = await setStage(t, start, {
        configure(config) {
          Object.assign(config.clusters['named'] ?? {}, { allow: { groups: ['nobody'] } })
        },
      })
      const authorization = `Authorization: ${bearerOf(stage, 'alice')}`
      const answers = await Promise.all(Array.from({ length: 100 }, () => askRaw(stage, '/clusters/named/version', [authorization])))
      assert.ok(answers.every(({ status }) => status === 403))
      const counted = () => stage.audit('refused').reduce((sum, { count }) => sum + count, 0)
      await eventually(counted, (count) => count === 100)
      assert.ok(stage.audit('refused').length < 50, 'a record each was written')
    })
  })
}
