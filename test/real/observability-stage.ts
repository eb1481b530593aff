/**
 * Two replicas with everything in them that has a metric: two providers, clusters by both ways, a broker that cleans up,
 * routes with pools, limits and scopes, and TLS; oauth2-proxy before the same service; and a Prometheus that scrapes all.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { freePort } from '../../src/dev/free-port.ts'
import { type Issuer, startIssuer } from '../../src/dev/issuer/issuer.ts'
import { ruleGroups } from '../house/observability-series.ts'
import type { ConfigDraft } from '../journeys/stage.ts'
import { ALICE, AUDIENCE, CLIENT } from '../journeys/world.ts'
import { type BrokeredStage, setBrokeredStage } from './brokered-stage.ts'
import { startService } from './observability-service.ts'
import { makeLoopbackCertificate } from './parts/certificates.ts'
import { redirectUriOf, startOAuth2Proxy } from './parts/oauth2-proxy.ts'
import { freePorts, temporaryFolder } from './parts/process.ts'
import { type Prometheus, startPrometheus } from './parts/prometheus.ts'

const SECRET = 'client-secret-of-the-test'
/** Seconds; so short that whoever stays is renewed while the test looks. */
const SHORT = { accessToken: 6, idToken: 6 }

/** How scrape jobs are called; dashboards let their reader choose among such names. */
export const JOBS = { mandate: 'gateway', proxy: 'browsers' } as const

export interface ObservedStage {
  readonly brokered: BrokeredStage
  /** The issuer of the provider `people`, whose tokens are short. */
  readonly people: Issuer
  readonly prometheus: Prometheus
  /** `http://localhost:<port>` of oauth2-proxy. */
  readonly proxy: string
}

/** Sets it up; all of it is struck when the test ends. */
export async function setObservedStage(t: TestContext): Promise<ObservedStage> {
  const [proxyPort = 0, metricsPort = 0] = await freePorts(2)
  const [service, folder] = await Promise.all([startService(t), temporaryFolder('observed')])
  t.after(() => folder.remove())
  const file = async (name: string, content: string) => {
    await writeFile(join(folder.path, name), content, { mode: 0o600 })
    return { file: join(folder.path, name) }
  }
  const { certPem, keyPem } = await makeLoopbackCertificate('gateway')
  const served = { cert: await file('tls.pem', certPem), key: await file('tls-key.pem', keyPem) }
  const secret = await file('secret', SECRET)
  const gone = `http://127.0.0.1:${await freePort(0)}`
  let people: Issuer | undefined
  const brokered = await setBrokeredStage(t, {
    async configure(config, { sessions }) {
      people ??= await startPeople(String(config['publicUrl']), redirectUriOf(proxyPort))
      config.listen['https'] = { host: '127.0.0.1', port: await freePort(0), ...served }
      config.providers['people'] = {
        kind: 'oidc',
        issuer: people.issuer,
        clientId: CLIENT,
        clientAuth: { method: 'secret', secret },
        audience: AUDIENCE,
        kubernetes: { prefix: 'people:' },
      }
      sessions.cleanup = { mode: 'delete', every: '1s', most: 20, lease: { namespace: 'mandate' } }
      config['routes'] = routesOf(service, gone)
    },
  })
  if (people === undefined) throw new Error('nobody asked for the configuration')
  const { close } = people
  t.after(close)
  await brokered.stage.addReplica()
  const proxy = await startOAuth2Proxy({
    upstream: service,
    port: proxyPort,
    metricsPort,
    issuer: people.issuer,
    clientId: 'proxy',
    clientSecret: SECRET,
  })
  t.after(() => proxy.stop())
  const prometheus = await startPrometheus({
    jobs: {
      [JOBS.mandate]: brokered.stage.replicas.map(({ ports }) => `127.0.0.1:${ports.operations}`),
      [JOBS.proxy]: [`127.0.0.1:${metricsPort}`],
    },
    groups: ruleGroups(),
  })
  t.after(() => prometheus.stop())
  return { brokered, people, prometheus, proxy: `http://localhost:${proxyPort}` }
}

function startPeople(origin: string, proxyRedirect: string): Promise<Issuer> {
  const clients = [
    { id: CLIENT, secret: SECRET, redirectUris: [`${origin}/callback/people`] },
    { id: 'proxy', secret: SECRET, redirectUris: [proxyRedirect] },
  ]
  return startIssuer({ users: [ALICE], clients, audience: AUDIENCE, lifetimes: SHORT })
}

/** `gone` is an origin where nobody listens. */
function routesOf(service: string, gone: string): ConfigDraft[string] {
  const route = (name: string, upstream: unknown, more: object = {}) => ({
    name,
    match: { host: `${name}.localhost`, path: '/**' },
    allow: { callers: ['person', 'machine'] },
    upstream,
    ...more,
  })
  const health = { path: '/healthz', every: '1s', within: '1s', downAfter: 1, upAfter: 1 }
  return [
    route('app', service),
    route('scoped', service, { allow: { callers: ['machine'], scopes: ['read'] } }),
    route('limited', service, { limit: { perPrincipal: '1/minute' } }),
    route('pool', { servers: [service, gone], health }),
    route('gone', gone),
  ]
}
