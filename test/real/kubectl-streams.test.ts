/** exec, attach, cp and port-forward by real kubectl through Mandate, over WebSocket as kubectl does it now and over SPDY as it did. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { on } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { WebSocket } from 'ws'
import { brought } from '../fakes/raw-http.ts'
import { eventually } from './eventually.ts'
import { type KubectlStage, setKubectlStage, type Tool } from './kubectl-stage.ts'

const HOW = {
  WebSocket: {},
  SPDY: { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'false', KUBECTL_PORT_FORWARD_WEBSOCKETS: 'false' },
} as const

async function execs(alice: Tool): Promise<void> {
  assert.equal(await alice.ok(['exec', 'web', '--', 'echo', 'hello']), 'hello\n')
  const both = await alice.run(['exec', 'web', '--', 'sh', '-c', 'echo out; echo err >&2'])
  assert.deepEqual([both.stdout, both.stderr], ['out\n', 'err\n'])
  assert.equal(await alice.ok(['exec', '-i', 'web', '--', 'head', '-c', '5'], 'hello and more'), 'hello')
  const failed = await alice.run(['exec', 'web', '--', 'false'])
  assert.notEqual(failed.code, 0)
  assert.match(failed.stderr, /exit (code|status) 1/)
}

async function isRefused(alice: Tool): Promise<void> {
  const gone = await alice.run(['exec', 'gone', '--', 'id'])
  assert.match(gone.stderr, /pods "gone" not found/)
  const forbidden = await alice.run(['exec', '-n', 'team-b', 'api', '--', 'id'])
  assert.match(forbidden.stderr, /Forbidden|forbidden/)
  const as = await alice.run(['exec', '--as=corp:bob', 'web', '--', 'id'])
  assert.match(as.stderr, /Impersonation headers are not accepted from callers/)
}

async function attaches(alice: Tool, { kwok }: KubectlStage, word: string): Promise<void> {
  const attached = await alice.follow(['attach', 'web'], 'pressing enter')
  await eventually('what the container says arrives', async () => {
    await kwok.writeLog(word)
    return attached.logs().includes(word)
  })
  await attached.stop()
}

async function copies(alice: Tool, { kwok }: KubectlStage, name: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'mandate-cp-'))
  try {
    const content = randomBytes(3_000_000)
    await writeFile(join(folder, 'there'), content)
    await alice.ok(['cp', join(folder, 'there'), `web:${kwok.workFolder}/${name}`])
    assert.ok(content.equals(await readFile(join(kwok.workFolder, name))))
    await alice.ok(['cp', `web:${kwok.workFolder}/${name}`, join(folder, 'back')])
    assert.ok(content.equals(await readFile(join(folder, 'back'))))
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** The local port that kubectl says it listens on. */
async function forwarded(alice: Tool): Promise<{ readonly port: number; stop(): Promise<void> }> {
  const child = await alice.follow(['port-forward', 'pod/web', ':80'], 'Forwarding from 127.0.0.1:')
  return { port: Number(/127\.0\.0\.1:(\d+)/.exec(child.logs())?.[1]), stop: () => child.stop() }
}

async function forwardsPorts(alice: Tool, { podsServe }: KubectlStage): Promise<void> {
  podsServe((connection) => void connection.pipe(connection))
  const { port, stop } = await forwarded(alice)
  try {
    const several = await Promise.all(
      [1, 2, 3].map(async (nth) => {
        const connection = connect(port, '127.0.0.1')
        connection.write(`hello ${nth}`)
        const first = await brought(connection, /hello \d/)
        connection.destroy()
        return first
      }),
    )
    assert.deepEqual(several, ['hello 1', 'hello 2', 'hello 3'])
  } finally {
    await stop()
  }
}

/** Far below what a real one carries, so that every run can afford it; `bench/gateway` sends a gigabyte. */
const MUCH = 64 << 20

async function forwardsMuch(alice: Tool, { podsServe }: KubectlStage): Promise<void> {
  podsServe((connection) => {
    const piece = Buffer.alloc(65_536, 'x')
    Readable.from(
      (function* () {
        for (let sent = 0; sent < MUCH; sent += piece.length) yield piece
      })(),
    ).pipe(connection)
  })
  const { port, stop } = await forwarded(alice)
  try {
    let received = 0
    for await (const part of connect(port, '127.0.0.1')) {
      received += (part as Buffer).length
      // kwok does not pass the end of a connection on.
      if (received >= MUCH) break
    }
    assert.equal(received, MUCH)
  } finally {
    await stop()
  }
}

/** What a WebSocket brings until it has brought `word`. */
async function heard(url: string, protocol: string, { token, ca }: KubectlStage, word: string): Promise<string> {
  const socket = new WebSocket(url, [protocol], { ca, headers: { authorization: `Bearer ${token}`, origin: 'https://any.example' } })
  let all = ''
  try {
    for await (const [part] of on(socket, 'message')) {
      all += String(part)
      if (all.includes(word)) return all
    }
    return all
  } finally {
    socket.terminate()
  }
}

test('followed logs and a watch over WebSocket, as browsers have them', { timeout: 120_000 }, async (t) => {
  const all = await setKubectlStage(t)
  await (await all.tool('named')).ok(['wait', '--for=condition=Ready', 'pod/web', '--timeout=20s'])
  await all.kwok.writeLog('said to a browser')
  const pods = `${all.origin.replace('https:', 'wss:')}/clusters/named/api/v1/namespaces/team-a/pods`
  assert.match(await heard(`${pods}/web/log?follow=true`, 'binary.k8s.io', all, 'said to a browser'), /said to a browser/)
  assert.match(await heard(`${pods}?watch=true`, 'base64.binary.k8s.io', all, 'ADDED'), /"ADDED"/)
})

test('kubectl streams', { timeout: 300_000 }, async (t) => {
  const all = await setKubectlStage(t)
  for (const [how, env] of Object.entries(HOW)) {
    const alice = await all.tool('named', env)
    await alice.ok(['wait', '--for=condition=Ready', 'pod/web', '--timeout=20s'])
    await t.test(`exec over ${how}`, () => execs(alice))
    await t.test(`exec that is refused, over ${how}`, () => isRefused(alice))
    await t.test(`attach over ${how}`, () => attaches(alice, all, `said over ${how}`))
    await t.test(`port-forward over ${how}`, () => forwardsPorts(alice, all))
    await t.test(`port-forward of much over ${how}`, () => forwardsMuch(alice, all))
    await t.test(`cp both ways over ${how}`, () => copies(alice, all, `copied-${how}`))
  }
})
