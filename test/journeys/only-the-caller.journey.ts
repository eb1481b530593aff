/**
 * Whatever headers a caller invents, over HTTP, WebSocket and SPDY: what the API server's own audit log says arrived is the
 * caller and nobody else.
 */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { openRaw, readAnswer } from '../fakes/raw-http.ts'
import { arrivals, bearerOf } from './asks.ts'
import { setStage } from './stage.ts'
import { PREFIX, type StartWorld } from './world.ts'

const POD = '/api/v1/namespaces/team-a/pods/web'
const WEBSOCKET = ['Upgrade: websocket', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Version: 13']
const KINDS = {
  http: { method: 'GET', path: POD, lines: [], connection: 'close' },
  websocket: {
    method: 'GET',
    path: `${POD}/exec?command=true&stdout=true`,
    lines: [...WEBSOCKET, 'Sec-WebSocket-Protocol: v5.channel.k8s.io'],
    connection: 'Upgrade',
  },
  spdy: {
    method: 'POST',
    path: `${POD}/exec?command=true&stdout=true`,
    lines: ['Upgrade: SPDY/3.1', 'X-Stream-Protocol-Version: v4.channel.k8s.io'],
    connection: 'Upgrade',
  },
} as const

/** Names by which identity is told, believed or hidden somewhere between a browser and an API server. */
const NAMES = [
  'impersonate-user',
  'impersonate-group',
  'impersonate-uid',
  'impersonate-extra-mandate.dev%2fprovider',
  'x-remote-user',
  'x-remote-group',
  'x-remote-uid',
  'x-remote-extra-scopes',
  'authorization',
  'proxy-authorization',
  'x-forwarded-for',
  'x-forwarded-user',
  'x-real-ip',
  'forwarded',
  'audit-id',
  'x-mandate-subject',
  'cookie',
  'te',
  'trailer',
  'keep-alive',
  'proxy-connection',
  'host',
  'x-http-method-override',
  'x-original-url',
  'sec-websocket-protocol',
  'upgrade',
  'x-stream-protocol-version',
]
const VALUES = [
  'root',
  'system:masters',
  'corp:bob',
  'Bearer x',
  '203.0.113.9',
  'Impersonate-User',
  '',
  'a, b',
  'websocket',
  '\xff',
  '%00',
  'close',
]

const spelled = (name: string) =>
  fc.constantFrom(
    name,
    name.toUpperCase(),
    name.replaceAll('-', '_'),
    name.replace(/-/, '_'),
    name.replace(/(^|-)./g, (at) => at.toUpperCase()),
    `${name} `,
    ` ${name}`,
    `x-${name}`,
  )
const line = fc
  .constantFrom(...NAMES)
  .chain((name) => fc.tuple(spelled(name), fc.constantFrom(...VALUES)).map(([as, value]) => `${as}: ${value}`))
const request = fc.record({
  kind: fc.constantFrom(...(Object.keys(KINDS) as Array<keyof typeof KINDS>)),
  before: fc.array(line, { maxLength: 3 }),
  after: fc.array(line, { maxLength: 3 }),
  hops: fc.array(fc.constantFrom(...NAMES), { maxLength: 3 }),
})

/** Runs the journey on a world whose pods can be exec'd into. */
export function onlyTheCaller(name: string, start: StartWorld): void {
  suite(`only the caller arrives, ${name}`, () => {
    test('headers of every spelling, over HTTP, WebSocket and SPDY', async (t) => {
      const stage = await setStage(t, start)
      const { host, port } = new URL(stage.origin)
      const bearer = `Authorization: ${bearerOf(stage, 'alice')}`
      const seen = { passed: 0, refused: 0 }
      const ask = async ({ kind, before, after, hops }: typeof request extends fc.Arbitrary<infer T> ? T : never) => {
        const { method, path, lines, connection } = KINDS[kind]
        const named = `Connection: ${[connection, ...hops].join(', ')}`
        const head = [`${method} /clusters/named${path} HTTP/1.1`, ...before, `Host: ${host}`, bearer, named, ...lines, ...after, '', '']
        const raw = await openRaw(Number(port))
        raw.send(head.join('\r\n'))
        const all = await raw.until(/\r\n\r\n/).catch(() => raw.received())
        raw.socket.destroy()
        const { status } = readAnswer(all)
        if (status === 101 || status === 200) seen.passed += 1
        else seen.refused += 1
        assert.ok(status !== 500, all)
      }
      await fc.assert(fc.asyncProperty(request, ask), { numRuns: 150 })
      assert.ok(seen.passed > 10 && seen.refused > 10, JSON.stringify(seen))
      const arrived = await arrivals(stage.world, '/pods/web', seen.passed)
      assert.ok(arrived.length >= seen.passed, `${arrived.length} of ${seen.passed} are in the log`)
      for (const { user, impersonated, uri } of arrived) {
        assert.equal(user, 'system:serviceaccount:mandate:gateway')
        assert.equal(impersonated?.username, `${PREFIX}alice`)
        assert.deepEqual(
          (impersonated?.groups ?? []).filter((group) => group !== 'system:authenticated'),
          [`${PREFIX}team-a`],
        )
        assert.deepEqual(impersonated?.extra?.['mandate.dev/provider'], ['corp'])
        assert.match(uri, /^\/api\/v1\/namespaces\/team-a\/pods\/web(\/exec\?command=true&stdout=true)?$/)
      }
    })
  })
}
