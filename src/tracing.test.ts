/** Traces: one span an attempt, exported over OTLP/HTTP when configured, and nothing secret in them. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, suite, test } from 'node:test'
import { trace } from '@opentelemetry/api'
import { askRaw } from '../test/journeys/asks.ts'
import { stageWithService } from '../test/journeys/route-stage.ts'
import { standIns } from '../test/journeys/world.ts'
import { startTracing } from './tracing.ts'

interface Exported {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly { readonly key: string }[] }
    readonly scopeSpans: readonly {
      readonly spans: readonly {
        readonly name: string
        readonly traceId: string
        readonly parentSpanId?: string
        readonly attributes: readonly { readonly key: string; readonly value: { readonly stringValue?: string } }[]
      }[]
    }[]
  }[]
}

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const SPAN = 'b7ad6b7169203331'

suite('tracing', () => {
  const bodies: string[] = []
  const collector = createServer((request, response) => {
    let body = ''
    request.on('data', (part: Buffer) => {
      body += part.toString('utf8')
    })
    request.on('end', () => {
      bodies.push(body)
      response.writeHead(200, { 'Content-Type': 'application/json' }).end('{}')
    })
  })
  after(() => collector.close())

  test('without configuration nothing is exported and spans are no-ops', async () => {
    const tracing = await startTracing(undefined)
    assert.equal(trace.getTracer('mandate').startSpan('x').isRecording(), false)
    await tracing.stop()
  })

  test('an attempt is a span below that of its sender, with its outcome, and no token, cookie or header is in it', async (t) => {
    collector.listen(0, '127.0.0.1')
    await once(collector, 'listening')
    const otlp = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`
    const tracing = await startTracing({ otlp })
    const { stage, service, host } = await stageWithService(t, standIns, undefined, {
      configure(config) {
        config['tracing'] = { otlp }
      },
    })
    const alice = await stage.browser('alice')
    assert.equal((await alice.get(`${stage.origin}/clusters/prod/api/v1/namespaces/team-a/pods`)).status, 200)
    const bearer = stage.world.issuer.mintAccessToken('alice')
    await alice.get(`${stage.origin}/clusters/nowhere/api`)
    await fetch(`${stage.origin}/clusters/named/api/v1/pods?secretish=value`, { headers: { Authorization: `Bearer ${bearer}` } })
    // One after the other: spans are exported in the order in which they end.
    const ask = async (traceparent: string) => {
      const lines = [
        `Host: ${host('app.localhost')}`,
        `Authorization: Bearer ${bearer}`,
        `traceparent: ${traceparent}`,
        'tracestate: a=statetext',
      ]
      assert.equal((await askRaw(stage, '/x', lines)).status, 200)
    }
    const senders = [`00-${TRACE}-${SPAN}-01`, `00-${TRACE}-${SPAN}-00`, `00-${'0'.repeat(32)}-${SPAN}-01`, 'no trace at all', '']
    for (const sender of senders) await ask(sender)
    await tracing.stop()

    const heads = service.heads().map((head) => [/\r\ntraceparent: (.*)\r\n/i.exec(head)?.[1], /\r\ntracestate: (.*)\r\n/i.exec(head)?.[1]])
    assert.deepEqual(
      heads,
      senders.map((sender) => [sender, 'a=statetext']),
    )
    const spans = bodies
      .flatMap((body) => (JSON.parse(body) as Exported).resourceSpans)
      .flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans: all }) => all))
    assert.deepEqual(
      spans.map(({ name }) => name),
      // Whoever says that it does not record its trace gets no span in it.
      ['cluster list', 'cluster list', 'route get', 'route get', 'route get', 'route get'],
    )
    const [, , child, ...others] = spans
    assert.deepEqual([child?.traceId, child?.parentSpanId], [TRACE, SPAN])
    for (const other of others) assert.ok(other.traceId !== TRACE && !other.parentSpanId)
    const said = Object.fromEntries(spans[0]?.attributes.map(({ key, value }) => [key, value.stringValue]) ?? [])
    assert.equal(said['mandate.resource'], 'prod')
    assert.equal(said['mandate.provider'], 'corp')
    const everything = bodies.join('')
    for (const secret of [
      bearer,
      bearer.slice(-40),
      'secretish',
      'statetext',
      ...alice.cookies(`${stage.origin}/`).map(({ value }) => value),
    ])
      assert.ok(!everything.includes(secret))
  })
})
