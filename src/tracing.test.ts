/** Traces: one span an attempt, exported over OTLP/HTTP when configured, and nothing secret in them. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, suite, test } from 'node:test'
import { trace } from '@opentelemetry/api'
import { setStage } from '../test/journeys/stage.ts'
import { standIns } from '../test/journeys/world.ts'
import { startTracing } from './tracing.ts'

interface Exported {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly { readonly key: string }[] }
    readonly scopeSpans: readonly {
      readonly spans: readonly {
        readonly name: string
        readonly attributes: readonly { readonly key: string; readonly value: { readonly stringValue?: string } }[]
      }[]
    }[]
  }[]
}

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

  test('an attempt is a span with its outcome, and no token, cookie or header is in it', async (t) => {
    collector.listen(0, '127.0.0.1')
    await once(collector, 'listening')
    const otlp = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`
    const tracing = await startTracing({ otlp })
    const stage = await setStage(t, standIns, {
      configure(config) {
        config['tracing'] = { otlp }
      },
    })
    const alice = await stage.browser('alice')
    assert.equal((await alice.get(`${stage.origin}/clusters/prod/api/v1/namespaces/team-a/pods`)).status, 200)
    const bearer = stage.world.issuer.mintAccessToken('alice')
    await alice.get(`${stage.origin}/clusters/nowhere/api`)
    await fetch(`${stage.origin}/clusters/named/api/v1/pods?secretish=value`, { headers: { Authorization: `Bearer ${bearer}` } })
    await tracing.stop()

    const spans = bodies
      .flatMap((body) => (JSON.parse(body) as Exported).resourceSpans)
      .flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans: all }) => all))
    assert.deepEqual(
      spans.map(({ name }) => name),
      ['cluster list', 'cluster list'],
    )
    const said = Object.fromEntries(spans[0]?.attributes.map(({ key, value }) => [key, value.stringValue]) ?? [])
    assert.equal(said['mandate.resource'], 'prod')
    assert.equal(said['mandate.provider'], 'corp')
    const everything = bodies.join('')
    for (const secret of [bearer, bearer.slice(-40), 'secretish', ...alice.cookies(`${stage.origin}/`).map(({ value }) => value)])
      assert.ok(!everything.includes(secret))
  })
})
