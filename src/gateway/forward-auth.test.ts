/** What becomes of a question besides its answer: whose place it takes, and what is counted and recorded of it. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { memorySink } from '../audit/audit-sink.fake.ts'
import type { Authentication } from '../authenticate/authenticator.ts'
import { createFakeClock } from '../clock.fake.ts'
import { Refusal } from '../errors.ts'
import { createLog } from '../log.ts'
import { createMetrics } from '../metrics.ts'
import { loginCaller } from '../principal.fake.ts'
import { createForwardAuth } from './forward-auth.ts'
import type { HostSignIn } from './host-sessions.ts'
import { createInFlight } from './in-flight.ts'
import { createRouteHosts, type Route } from './routes.ts'

const ORIGIN = 'https://mandate.example'
const SIGN_IN = `${ORIGIN}/login?return_to=x`
const STRANGER: Authentication = { result: 'rejected', refusal: new Refusal('not_signed_in') }
const PAGE = { accept: 'text/html', 'sec-fetch-mode': 'navigate' }

/** A door before one route for people, that answers whoever is `known`, and what it is asked about GET /x of that. */
async function open(t: TestContext, known: Authentication = { result: 'authenticated', caller: loginCaller() }) {
  const [audit, metrics, log] = [memorySink(), createMetrics(), createLog(() => undefined)]
  const route: Route = {
    name: 'app',
    host: 'app.example',
    path: '/**',
    methods: undefined,
    upstream: undefined,
    source: {
      assume: async () => ({ result: 'granted', credential: { kind: 'identity', lines: [], expiresAt: Number.POSITIVE_INFINITY } }),
    },
    sourceName: 'none',
    target: { id: 'route/app', audience: '', scopes: [] },
    persons: true,
    serviceWorkerOpen: false,
    bearerHeader: undefined,
    bodyLimit: 1,
    withheld: undefined,
  }
  const presentedAs = (self: string) => (_visit: unknown, writes: boolean) => ({
    method: 'GET',
    writes,
    cookie: undefined,
    authorization: undefined,
    self,
    origin: undefined,
    fetchSite: undefined,
  })
  const hostSignIn: Pick<HostSignIn, 'wayFor'> = { wayFor: () => SIGN_IN }
  const door = createForwardAuth({
    steps: {
      authenticator: { authenticate: async () => known },
      authorizer: { authorize: async () => ({ effect: 'allow', rule: 'route/app' }) },
      audit,
      clock: createFakeClock(),
      log,
    },
    audit,
    metrics,
    log,
    routeHosts: createRouteHosts([route], ORIGIN, presentedAs),
    origin: ORIGIN,
    hostSignIn: hostSignIn as HostSignIn,
    // A question is over once it is answered: it needs no place among streams.
    inFlight: createInFlight({ attempts: 1, streams: 0 }),
    headers: 'x-forwarded',
    addressOf: (peer, forwardedFor) => forwardedFor ?? peer ?? '',
  })
  const server = createServer((asked, answer) => void door.answer(asked, answer)).listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const ask = async (headers: Record<string, string> = {}, path = '/authorize') => {
    const said = {
      'x-forwarded-method': 'GET',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'app.example',
      'x-forwarded-uri': '/x',
      'x-forwarded-for': '192.0.2.7',
      ...headers,
    }
    const sent = request({ host: '127.0.0.1', port, path, headers: said, agent: false })
    sent.end()
    const [answer] = (await once(sent, 'response')) as [IncomingMessage]
    return { status: answer.statusCode, headers: answer.headers, body: await text(answer) }
  }
  const refused = () => audit.recorded.map((event) => event.event === 'refused' && [event.code, event.action, event.address])
  const counted = async (series: string) => {
    const { body } = await metrics.expose()
    return body.split('\n').filter((line) => line.startsWith(series))
  }
  return { ask, refused, counted }
}

test('refuses what no route is for as the method and by the address that the proxy told of', async (t) => {
  const { ask, refused } = await open(t)
  const { status } = await ask({ 'x-forwarded-method': 'DELETE', 'x-forwarded-uri': '/.mandate/x' })
  assert.equal(status, 404)
  assert.deepEqual(refused(), [['not_found', 'delete', '192.0.2.7']])
})

test('refuses a browser that opens a page by a page, and anything else by problem details', async (t) => {
  const { ask } = await open(t)
  const uri = { 'x-forwarded-uri': '/.mandate/x' }
  assert.match((await ask({ ...uri, ...PAGE })).headers['content-type'] ?? '', /^text\/html/)
  assert.match((await ask(uri)).headers['content-type'] ?? '', /^application\/problem\+json/)
  assert.match((await ask({ ...uri, ...PAGE, 'x-forwarded-method': 'POST' })).headers['content-type'] ?? '', /^application\/problem\+json/)
})

test('refuses a stranger once, by the count as well, whether the proxy is told so or redirects', async (t) => {
  for (const [path, expected] of [
    ['/authorize', 401],
    ['/authorize?sign-in=redirect', 303],
  ] as const) {
    const { ask, counted } = await open(t, STRANGER)
    const { status, headers } = await ask(PAGE, path)
    assert.equal(headers.location, SIGN_IN)
    assert.equal(status, expected)
    assert.deepEqual(await counted('mandate_refusals_total{'), ['mandate_refusals_total{reason="not_signed_in",route="route/app"} 1'])
  }
})

test('a question takes no place among streams, whatever is asked about, and is timed', async (t) => {
  const { ask, counted } = await open(t)
  assert.equal((await ask()).status, 200)
  assert.equal((await ask({ 'sec-websocket-key': 'x', 'sec-fetch-mode': 'websocket' })).status, 200)
  assert.deepEqual(await counted('mandate_request_duration_seconds_count{'), [
    'mandate_request_duration_seconds_count{route="route/app"} 2',
  ])
})
