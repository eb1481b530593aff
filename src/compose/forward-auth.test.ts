import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type IncomingMessage, request } from 'node:http'
import { request as requestTls } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, type TestContext, test } from 'node:test'
import { type MemorySink, memorySink } from '../audit/audit-sink.fake.ts'
import { createFakeClock } from '../clock.fake.ts'
import type { Config } from '../config/config.ts'
import { bearerCredential, type Credential } from '../credential.ts'
import { createCertificateAuthority } from '../dev/certificate-authority.ts'
import type { HostSignIn } from '../gateway/host-sessions.ts'
import { createInFlight } from '../gateway/in-flight.ts'
import { createRouteHosts, type Route } from '../gateway/routes.ts'
import { Lifecycle } from '../lifecycle.ts'
import { createLog } from '../log.ts'
import { createMetrics } from '../metrics.ts'
import { bearerCaller } from '../principal.fake.ts'
import { Secret } from '../secret.ts'
import { composeForwardAuth } from './forward-auth.ts'

const ORIGIN = 'https://mandate.example'
const log = createLog(() => undefined)
const SAID = {
  'x-forwarded-method': 'POST',
  'x-forwarded-proto': 'https',
  'x-forwarded-host': 'app.example',
  'x-forwarded-uri': '/x',
  authorization: 'Bearer of-the-caller',
}

interface Made {
  readonly credential?: Credential
  readonly audit?: MemorySink
  readonly listen?: Partial<NonNullable<Config['listen']['forwardAuth']>>
}

/** A door before one route whose callers are all allowed; resolves to its port. */
async function open(t: TestContext, { credential, audit = memorySink(), listen }: Made = {}): Promise<number> {
  const lifecycle = new Lifecycle(1_000, () => undefined)
  t.after(() => lifecycle.stop())
  const none: Credential = { kind: 'identity', lines: [['X-Mandate-Subject', 'alice']], expiresAt: Number.POSITIVE_INFINITY }
  const route: Route = {
    name: 'app',
    host: 'app.example',
    path: '/**',
    methods: undefined,
    upstream: undefined,
    source: { assume: async () => ({ result: 'granted', credential: credential ?? none }) },
    sourceName: 'some',
    target: { id: 'route/app', audience: '', scopes: [] },
    persons: true,
    serviceWorkerOpen: false,
    bearerHeader: undefined,
    bodyLimit: 1,
    withheld: undefined,
  }
  const presentedAs = (self: string) => (_visit: unknown, writes: boolean) => ({
    method: 'POST',
    writes,
    cookie: undefined,
    authorization: undefined,
    self,
    origin: undefined,
    fetchSite: undefined,
  })
  const forwardAuth = { host: '127.0.0.1', port: 0, trusted: ['127.0.0.1/32'], headers: 'x-forwarded' as const, ...listen }
  const port = await composeForwardAuth(
    {
      listen: { behind: [], names: [], operations: { host: '127.0.0.1', port: 0 }, forwardAuth },
      limits: { connections: { plain: 10, tls: 10, perAddress: 10 } },
    },
    {
      steps: {
        authenticator: { authenticate: async () => ({ result: 'authenticated', caller: bearerCaller('of-the-caller') }) },
        authorizer: { authorize: async () => ({ effect: 'allow', rule: 'route/app' }) },
        audit,
        clock: createFakeClock(),
        log,
      },
      audit,
      metrics: createMetrics(),
      log,
      routeHosts: createRouteHosts([route], ORIGIN, presentedAs),
      origin: ORIGIN,
      hostSignIn: {} as HostSignIn,
      inFlight: createInFlight({ attempts: 10, streams: 10 }),
    },
    log,
    lifecycle,
    () => undefined,
  )
  return port ?? assert.fail('nothing listens')
}

async function ask(port: number, ca?: string) {
  const options = { host: '127.0.0.1', port, path: '/authorize', headers: SAID, agent: false as const }
  const sent = ca === undefined ? request(options) : requestTls({ ...options, ca })
  sent.end()
  const [answer] = (await once(sent, 'response')) as [IncomingMessage]
  return { status: answer.statusCode, headers: answer.headers, body: await text(answer) }
}

describe('a proxy that asks', () => {
  test('is refused when it is not listed', async (t) => {
    const { status, headers, body } = await ask(await open(t, { listen: { trusted: ['127.0.0.2/32', '::1/128'] } }))
    assert.deepEqual([status, JSON.parse(body).code, headers['x-mandate-subject']], [403, 'peer_refused', undefined])
  })

  test('is told nothing while the audit log takes no record, nor when it takes none of the effect', async (t) => {
    for (const event of ['granted', 'effect'] as const) {
      const audit = memorySink()
      audit.failing = new Set([event])
      const { status, headers, body } = await ask(await open(t, { audit }))
      assert.deepEqual([status, JSON.parse(body).code, headers['x-mandate-subject']], [503, 'audit_unavailable', undefined], event)
    }
  })

  test('is not understood in plain http where TLS is configured, and is answered over TLS', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'mandate-forward-auth-'))
    t.after(() => rm(folder, { recursive: true, force: true }))
    const authority = await createCertificateAuthority('Forward-auth authority')
    const leaf = await authority.issue({ commonName: 'mandate', ipAddresses: ['127.0.0.1'] })
    const [cert, key] = [join(folder, 'tls.pem'), join(folder, 'tls-key.pem')]
    await Promise.all([writeFile(cert, leaf.certificatePem), writeFile(key, leaf.privateKeyPem, { mode: 0o600 })])
    const port = await open(t, { listen: { cert: { file: cert }, key: { file: key } } })
    await assert.rejects(ask(port))
    assert.equal((await ask(port, authority.certificatePem)).status, 200)
  })

  test('gets the exchanged token and who asks, and nothing of what the caller sent', async (t) => {
    const token = bearerCredential(new Secret('exchanged'), Number.MAX_SAFE_INTEGER)
    const credential = { ...token, lines: [['X-Mandate-Subject', 'alice'] as const] }
    const { status, headers, body } = await ask(await open(t, { credential }))
    assert.deepEqual([status, headers['authorization'], headers['x-mandate-subject'], body], [200, 'Bearer exchanged', 'alice', ''])
    assert.match(headers['cache-control'] ?? '', /no-store/)
  })

  test('is recorded with what is about to be done', async (t) => {
    const audit = memorySink()
    await ask(await open(t, { audit }))
    assert.deepEqual(
      [...audit.recorded, ...audit.noted].map((event) => [event.event, event.event === 'effect' ? event.effect : undefined]),
      [
        ['granted', undefined],
        ['effect', 'POST /x'],
        ['completed', undefined],
      ],
    )
  })
})
