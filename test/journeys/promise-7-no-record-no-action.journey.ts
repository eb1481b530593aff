/** Promise 7: every attempt leaves an audit record, allow or deny, streams at start and end; no record, no action. */
import assert from 'node:assert/strict'
import { suite, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { LineTarget } from '../../src/audit/line-target.ts'
import { eventually, openRaw, startRawUpstream } from '../fakes/raw-http.ts'
import { arrivals, askRaw, bearerOf, codeOf } from './asks.ts'
import { type Stage, type StageOptions, setStage } from './stage.ts'
import { PREFIX, type StartWorld } from './world.ts'

const PODS = '/api/v1/namespaces/team-a/pods'

async function stageWithRecorder(t: TestContext, start: StartWorld, options: StageOptions = {}) {
  const recorder = await startRawUpstream()
  t.after(() => recorder.close())
  const stage = await setStage(t, start, {
    ...options,
    configure(config) {
      config.clusters['recorder'] = { server: recorder.origin, allow: { callers: ['person'] }, as: config.clusters['named']?.['as'] }
      config.clusters['closed'] = { server: recorder.origin, allow: { callers: ['machine'] }, as: config.clusters['named']?.['as'] }
    },
  })
  return { stage, recorder }
}

const idsOf = (stage: Stage) => stage.audit().flatMap((event) => ('attempt' in event ? [event.attempt] : []))

/** Runs the journey on a world. */
export function promise7(name: string, start: StartWorld): void {
  suite(`promise 7: no record, no action, ${name}`, () => {
    for (const [what, target, method, more, events] of [
      ['a read', `/clusters/named${PODS}`, 'GET', 'bearer', ['granted', 'completed']],
      [
        'a write',
        '/clusters/named/api/v1/namespaces/team-a/configmaps/nothing-of-this-name',
        'DELETE',
        'bearer',
        ['granted', 'effect', 'completed'],
      ],
      ['what the cluster refuses', '/clusters/named/api/v1/namespaces/team-b/pods', 'GET', 'bearer', ['granted', 'completed']],
      ['what a rule refuses', '/clusters/closed/api', 'GET', 'bearer', ['refused']],
      ['an attempt of nobody', `/clusters/named${PODS}`, 'GET', '', ['refused']],
      ['an attempt with a bad token', `/clusters/named${PODS}`, 'GET', 'bad', ['refused']],
      ['an unknown cluster', '/clusters/nowhere/api', 'GET', 'bearer', ['refused']],
      ['an ambiguous path', '/clusters/named//api', 'GET', 'bearer', ['refused']],
      ['impersonation', `/clusters/named${PODS}`, 'GET', 'impersonate', ['refused']],
      ['an upgrade elsewhere', '/whoami', 'GET', 'upgrade', ['refused']],
      ['an upgrade that the cluster refuses', `/clusters/named${PODS}/gone/exec`, 'GET', 'upgrade', ['granted', 'effect', 'completed']],
      ['another host', `/clusters/named${PODS}`, 'GET', 'host', ['refused']],
      ['no HTTP', 'x y z', 'GET', '', ['refused']],
      ['too many headers', '/whoami', 'GET', 'many', ['refused']],
      ['an unknown path', '/nowhere', 'GET', 'bearer', ['refused']],
    ] as const) {
      test(`${what} leaves ${events.join(', ')}, with one id and in this order`, async (t) => {
        const { stage } = await stageWithRecorder(t, start)
        const bearer = `Authorization: ${bearerOf(stage, 'alice')}`
        const lines = {
          '': [],
          bearer: [bearer],
          bad: ['Authorization: Bearer a.b.c'],
          impersonate: [bearer, 'Impersonate-User: x'],
          upgrade: [bearer, 'Connection: Upgrade', 'Upgrade: websocket'],
          host: [bearer, 'Host: evil.example'],
          many: Array.from({ length: 2_000 }, (_, i) => `X-${i}: ${'v'.repeat(20)}`),
        }[more]
        await askRaw(stage, target, lines, method)
        const found = await eventually(
          () => stage.audit(),
          (all) => all.length >= events.length,
        )
        await sleep(150)
        assert.deepEqual(
          stage.audit().map(({ event }) => event),
          events,
        )
        assert.equal(new Set(idsOf(stage)).size, 1)
        const [first] = found
        if (first !== undefined && 'address' in first) assert.equal(first.address, '127.0.0.1')
        if (first?.event === 'granted') assert.deepEqual([first.who?.subject, first.credential], ['alice', 'impersonate'])
      })
    }

    test("the record names what the API server's own log names: the two can be laid side by side", async (t) => {
      const { stage } = await stageWithRecorder(t, start)
      await askRaw(stage, `/clusters/named${PODS}`, [`Authorization: ${bearerOf(stage, 'alice')}`])
      const [completed] = await eventually(
        () => stage.audit('completed'),
        (all) => all.length === 1,
      )
      // The API server answers first and writes its own line when it comes to it.
      const [arrived] = await eventually(
        async () => (await arrivals(stage.world, '/pods')).filter(({ auditId }) => auditId === completed?.upstreamAuditId),
        (all) => all.length === 1,
      )
      assert.equal(arrived?.impersonated?.username, PREFIX + completed?.who?.subject)
    })

    test('a stream is recorded when it begins and when it ends', async (t) => {
      const { stage } = await stageWithRecorder(t, start)
      const { host, port } = new URL(stage.origin)
      const connection = await openRaw(Number(port))
      connection.send(`GET /clusters/named${PODS}?watch=1 HTTP/1.1\r\nHost: ${host}\r\nAuthorization: ${bearerOf(stage, 'alice')}\r\n\r\n`)
      await connection.until(/"ADDED"/)
      assert.deepEqual(
        stage.audit().map(({ event }) => event),
        ['granted', 'stream-opened'],
      )
      connection.socket.destroy()
      const [closed] = await eventually(
        () => stage.audit('stream-closed'),
        (all) => all.length === 1,
      )
      assert.equal(closed?.upstreamAuditId, stage.audit('stream-opened')[0]?.upstreamAuditId)
      assert.ok((closed?.bytes ?? 0) > 0)
      assert.equal(new Set(idsOf(stage)).size, 1)
    })

    test('nothing is sent before its record has been accepted', async (t) => {
      const gate = Promise.withResolvers<void>()
      const lines: string[] = []
      const slow: LineTarget = {
        async write(part) {
          await gate.promise
          lines.push(part.toString('utf8'))
        },
        close: async () => undefined,
      }
      const { stage, recorder } = await stageWithRecorder(t, start, { auditTarget: slow })
      const asking = askRaw(stage, '/clusters/recorder/api', [`Authorization: ${bearerOf(stage, 'alice')}`])
      await sleep(300)
      assert.deepEqual(recorder.heads(), [])
      gate.resolve()
      assert.equal((await asking).status, 200)
      assert.match(lines.join(''), /"event":"granted"/)
    })

    test('no effect is tried that could not be recorded, although the attempt was', async (t) => {
      const lines: string[] = []
      const refusing: LineTarget = {
        async write(part) {
          if (part.includes('"event":"effect"')) throw new Error('full')
          lines.push(part.toString('utf8'))
        },
        close: async () => undefined,
      }
      const { stage, recorder } = await stageWithRecorder(t, start, { auditTarget: refusing })
      const answer = await askRaw(stage, '/clusters/recorder/api/v1/namespaces/x', [`Authorization: ${bearerOf(stage, 'alice')}`], 'DELETE')
      assert.deepEqual([answer.status, codeOf(answer)], [503, 'audit_unavailable'])
      assert.deepEqual(recorder.heads(), [])
    })

    test('a flood of nobody fills a count and not the disk, and not one attempt is missing from it', async (t) => {
      const { stage } = await stageWithRecorder(t, start)
      const { host, port } = new URL(stage.origin)
      const flood = 400
      await Promise.all(
        Array.from({ length: 40 }, async (_, part) => {
          const connection = await openRaw(Number(port))
          for (let i = 0; i < flood / 40; i += 1)
            connection.send(`GET /clusters/named${PODS}?n=${part}-${i} HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
          await eventually(
            () => connection.received().match(/HTTP\/1\.1 401/g)?.length ?? 0,
            (count) => count === flood / 40,
          )
          connection.socket.destroy()
        }),
      )
      const counted = () => stage.audit('refused').reduce((sum, { count }) => sum + count, 0)
      await eventually(counted, (sum) => sum === flood, 6_000)
      assert.ok(stage.audit('refused').length < 100, `${stage.audit('refused').length} lines`)
      assert.deepEqual(await arrivals(stage.world, '/pods'), [])
    })

    test('a flood of nobody hides nothing of somebody', async (t) => {
      const { stage } = await stageWithRecorder(t, start)
      for (let i = 0; i < 30; i += 1) await askRaw(stage, '/whoami')
      for (let i = 0; i < 10; i += 1) await askRaw(stage, '/clusters/closed/api', [`Authorization: ${bearerOf(stage, 'alice')}`])
      const refused = stage.audit('refused').filter(({ who }) => who !== undefined)
      assert.deepEqual(
        refused.map(({ code, count }) => `${code} ${count}`),
        Array.from({ length: 10 }, () => 'denied 1'),
      )
    })
  })
}
