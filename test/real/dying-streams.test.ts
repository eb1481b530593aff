/**
 * What dies under an open stream: the pod, and then the node. kubectl through Mandate ends, or goes on, as it does at the API
 * server itself, and in bounded time.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { dirname } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { eventually } from './eventually.ts'
import { locate } from './parts/locate.ts'
import { type Child, startChild } from './parts/process.ts'
import { PLACES, type Place, setPlaces } from './places.ts'

const HOW = {
  WebSocket: {},
  SPDY: { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'false', KUBECTL_PORT_FORWARD_WEBSOCKETS: 'false' },
} as const
/** kubectl itself takes five seconds to notice over WebSocket; the rest is for a machine that has much else to do. */
const ENDED_WITHIN_MS = 60_000

interface Streams {
  /** By what they do, how, and where. */
  readonly all: ReadonlyMap<string, Child>
  /** A connection through each port that is forwarded. */
  readonly connections: ReadonlyMap<string, Socket>
}

async function open(t: TestContext, pod: string, alice: Readonly<Record<Place, string>>): Promise<Streams> {
  const all = new Map<string, Child>()
  const connections = new Map<string, Socket>()
  const program = await locate('kubectl')
  for (const place of PLACES)
    for (const [how, more] of Object.entries(HOW)) {
      const begin = async (args: readonly string[], first: string) => {
        const env = { ...more, HOME: dirname(alice[place]), KUBECONFIG: alice[place] }
        const ready = async (logs: string) => logs.includes(first)
        const child = await startChild({ name: `kubectl ${args[0]}`, program, args: ['--namespace=team-a', ...args], env, ready })
        t.after(() => child.kill())
        all.set(`${args[0]} ${how} ${place}`, child)
        return child
      }
      // It ends when nobody reads it any more: kwok does not end what it runs.
      await begin(['exec', pod, '--', 'sh', '-c', 'while echo tick; do sleep 0.2; done'], 'tick')
      await begin(['attach', pod], 'pressing enter')
      const forward = await begin(['port-forward', `pod/${pod}`, ':80'], 'Forwarding from 127.0.0.1:')
      const connection = connect(Number(/127\.0\.0\.1:(\d+)/.exec(forward.logs())?.[1]), '127.0.0.1')
      connection.on('error', () => undefined)
      t.after(() => connection.destroy())
      connections.set(`port-forward ${how} ${place}`, connection)
      assert.equal(await echoed(connection, 'hello'), 'hello')
    }
  return { all, connections }
}

async function echoed(connection: Socket, word: string): Promise<string> {
  connection.write(word)
  const [text] = (await once(connection, 'data', { signal: AbortSignal.timeout(10_000) })) as [Buffer]
  return text.toString()
}

test('what dies under open streams', { timeout: 240_000 }, async (t) => {
  const { stage, kwok, kubernetes, podsServe, alice } = await setPlaces(t)
  podsServe((connection) => void connection.pipe(connection))

  await t.test('a pod of kwok that is deleted: its streams go on, here as there', async (t) => {
    const { all, connections } = await open(t, 'worker', alice)
    const path = '/api/v1/namespaces/team-a/pods/worker'
    assert.equal((await kubernetes.ask(`${path}?gracePeriodSeconds=0`, { method: 'DELETE' })).status, 200)
    await eventually('the pod is gone', async () => (await kubernetes.ask(path)).status === 404)
    for (const [key, connection] of connections) assert.equal(await echoed(connection, key), key)
    await kwok.writeLog('said after the end')
    for (const [key, child] of all) {
      const ticks = () => child.logs().split('tick').length
      const before = ticks()
      if (key.startsWith('exec')) await eventually(`${key} goes on`, () => ticks() > before)
      if (key.startsWith('attach')) await eventually(`${key} goes on`, () => child.logs().includes('said after the end'))
      assert.ok(child.running, key)
    }
    assert.deepEqual(stage.audit('stream-closed'), [])
  })

  await t.test('the node: every stream ends in time', async (t) => {
    const { all, connections } = await open(t, 'web', alice)
    const cut = [...connections.values()].map((connection) => once(connection, 'close'))
    await kwok.stop()
    const timer = new AbortController()
    const late = sleep(ENDED_WITHIN_MS, undefined, { signal: timer.signal }).then(() => {
      const left = [...all].filter(([, { running }]) => running).map(([key]) => key)
      assert.fail(`after ${ENDED_WITHIN_MS} ms there go on: ${left.join(', ')}`)
    })
    await Promise.race([Promise.all([...[...all.values()].map(({ ended }) => ended), ...cut]), late])
    timer.abort()
    for (const [key, child] of all) {
      // What a dying kwok still says of a command is of each stream by itself: kubectl ends with 0 or 1, here and there.
      assert.match(await child.ended, /^ended with exit code [01]$/, key)
      if (key.startsWith('port-forward')) assert.match(child.logs(), /lost connection to pod/, key)
    }
    // Each of the second lot, and by then those of the first, whose kubectl was ended.
    await eventually('each end is recorded', () => stage.audit('stream-closed').length === stage.audit('stream-opened').length)
    await eventually('none is counted as open', async () => /mandate_live_streams\{route="cluster\/named"\} 0/.test(await stage.metrics()))
  })
})
