/**
 * The only file that names implementations: Config -> running parts.
 *
 * Adding an implementation is one file, one member of a union in the configuration, and one `case` here; the switches
 * are exhaustive, so forgetting it does not compile.
 */
import { setMaxListeners } from 'node:events'
import type { Steps } from './access.ts'
import { type CacheObserver, cached } from './assume/cached.ts'
import type { CredentialSource } from './assume/credential-source.ts'
import { createForwardToken } from './assume/forward-token.ts'
import { createKubernetesImpersonation } from './assume/kubernetes-impersonation.ts'
import type { AuditSink } from './audit/audit-sink.ts'
import { JsonLinesSink } from './audit/json-lines.ts'
import { fileTarget, type LineTarget, standardOutput } from './audit/line-target.ts'
import { summed } from './audit/summed.ts'
import { createBearerAuthenticator } from './authenticate/bearer-jwt.ts'
import { firstApplicable } from './authenticate/first-applicable.ts'
import { createSessionAuthenticator } from './authenticate/session.ts'
import { takenAsBearer } from './authenticate/taken-as-bearer.ts'
import { createRouteRules } from './authorize/route-rules.ts'
import { type Clock, systemClock } from './clock.ts'
import type { ClusterConfig } from './config/cluster.ts'
import type { Config } from './config/config.ts'
import { secretSource } from './config/references.ts'
import { isLoopbackHost } from './config/values.ts'
import { Refusal } from './errors.ts'
import { createHttpUpstream } from './forward/http.ts'
import { addressReader, networkOf, peerCheck } from './gateway/address.ts'
import type { Cluster } from './gateway/clusters.ts'
import { createCookies } from './gateway/cookies.ts'
import { createGateway, presentedBy } from './gateway/gateway.ts'
import { readGauges } from './gateway/gauges.ts'
import { createInFlight } from './gateway/in-flight.ts'
import { listenOperations } from './gateway/operations.ts'
import { createPendingSignIns } from './gateway/pending-sign-ins.ts'
import { type Listener, listen } from './gateway/server.ts'
import { createSignIn } from './gateway/sign-in.ts'
import { createSignOut } from './gateway/sign-out.ts'
import { createYouAre } from './gateway/you-are.ts'
import { Lifecycle } from './lifecycle.ts'
import type { Log } from './log.ts'
import { createLoginTokens, type LoginTokens } from './logins/login-tokens.ts'
import { createLogins } from './logins/logins.ts'
import { createLoginRecords } from './logins/records.ts'
import { createRefreshing } from './logins/refresh.ts'
import { createMetrics, type Metrics } from './metrics.ts'
import { createOidcProvider, type OidcProvider } from './providers/oidc.ts'
import { randomKey } from './store/key.ts'
import { createMemoryStore } from './store/memory.ts'
import { createRevocations, type Revocations } from './store/revocations.ts'
import { createKeyRing, type KeyRing, sealedStore } from './store/sealed.ts'
import type { Store } from './store/store.ts'

/** What the world outside the configuration gives: replaced in tests, real in `main.ts`. */
export interface Surroundings {
  readonly log: Log
  readonly clock?: Clock
  /** Where audit lines go instead of where the configuration says. */
  readonly auditTarget?: LineTarget
  /** The shared state instead of what the configuration says; the caller closes it. */
  readonly state?: SharedState
}

export interface SharedState {
  readonly store: Store
  readonly ring: KeyRing
}

export interface RunningGateway {
  /** Ports bound; undefined for a listener that is not configured. */
  readonly ports: { readonly http: number | undefined; readonly https: number | undefined; readonly operations: number }
  readonly revocations: Revocations
  /** Stops accepting, lets answers finish, ends streams, writes the last audit lines. */
  stop(): Promise<void>
}

const STREAM_GRACE_MS = 5_000
const STOP_WITHIN_MS = 10_000
const KEEP_REVOCATIONS_BEYOND_MS = 24 * 3_600_000

/** Starts door 1. Rejects when an address cannot be bound or a secret not be read. */
export async function composeGateway(config: Config, surroundings: Surroundings): Promise<RunningGateway> {
  const { log, clock = systemClock } = surroundings
  const lifecycle = new Lifecycle(STOP_WITHIN_MS, (part, problem) => log.warn('a part did not stop', { part, problem }))
  try {
    return await startGateway(config, { ...surroundings, log, clock }, lifecycle)
  } catch (error) {
    await lifecycle.stop()
    throw error
  }
}

async function startGateway(config: Config, surroundings: Surroundings & { clock: Clock }, lifecycle: Lifecycle): Promise<RunningGateway> {
  const { log, clock } = surroundings
  const metrics = createMetrics()
  const audit = composeAudit(config, surroundings, metrics, lifecycle)
  const { store, ring } = surroundings.state ?? (await composeState(config, log, clock, lifecycle))
  const sealed = sealedStore(store, ring)
  const revocations = createRevocations({
    store,
    ring,
    clock,
    log,
    blindForMs: config.streams.blindFor,
    keepMs: keepRevocationsMs(config),
  })
  lifecycle.add(revocations)
  // Early in this list, so late to stop: the platform goes on hearing that this replica is not ready any more.
  const readiness = () => [...(revocations.blind ? ['the shared store'] : []), ...(lifecycle.stopping ? ['this replica is stopping'] : [])]
  const operations = await listenOperations({ ...config.listen.operations, metrics, readiness })
  lifecycle.onStop('operations', () => operations.close(0))
  const providers = composeProviders(config, log, clock, lifecycle)
  const records = createLoginRecords({ store, sealed, idleMs: config.sessions.idle, now: () => clock.now(), log })
  const logins = createLogins({
    records,
    revocations,
    issuerOf: (name) => (Object.hasOwn(config.providers, name) ? config.providers[name]?.issuer : undefined),
    clock,
    idleMs: config.sessions.idle,
    absoluteMs: config.sessions.absolute,
    streamsMs: config.streams.maxAge,
  })
  const refreshing = createRefreshing({
    records,
    providers,
    audit,
    clock,
    observe: (provider, result) => metrics.count('mandate_refreshes_total', { provider, result }),
  })
  // After the providers in this list, so before them when it stops: a refresh that was begun is finished and stored.
  lifecycle.onStop('refreshes', () => refreshing.close())
  const loginTokens = createLoginTokens({ records, refreshing, clock })
  const bearers = createBearerAuthenticator({
    providers: Object.values(providers),
    revocations,
    clock,
    oldestMs: keepRevocationsMs(config),
    streamsMaxAgeMs: config.streams.maxAge,
    observe: (issuer, result, hit, seconds) =>
      metrics.observe('mandate_token_validation_seconds', { issuer, result, cached: String(hit) }, seconds),
  })
  lifecycle.onStop('bearers', () => bearers.close())
  const authenticator = firstApplicable([createSessionAuthenticator({ logins, origin: config.publicUrl }), bearers])
  const stopping = new AbortController()
  // Thousands of watches wait for it.
  setMaxListeners(0, stopping.signal)
  const clusters = new Map(
    Object.values(config.clusters).map((cluster) => [
      cluster.name,
      composeCluster(cluster, config, { loginTokens, clock, log, metrics, lifecycle, stopping: stopping.signal }),
    ]),
  )
  const authorizer = createRouteRules(new Map(Object.values(config.clusters).map(({ name, allow }) => [`cluster/${name}`, allow])))
  const steps: Steps = { authenticator, authorizer, audit, clock, log }
  const cookies = createCookies(config.publicUrl, config.sessions.absolute)
  const origin = config.publicUrl
  const gateway = createGateway({
    steps,
    audit,
    metrics,
    log,
    cookies,
    clusters,
    signIn: createSignIn({
      origin,
      providers,
      cookies,
      pending: createPendingSignIns(sealed),
      logins,
      store,
      audit,
      metrics,
      limit: config.limits.signIns,
    }),
    signOut: createSignOut({ origin, providers, cookies, logins, records, revocations, store, audit, clock }),
    youAre: createYouAre({
      authenticator,
      logins,
      clusters: [...clusters.keys()],
      titleOf: (provider) => config.providers[provider]?.title ?? provider,
      presentedOf: presentedBy(cookies),
    }),
    hostnames: hostnamesOf(config),
    addressOf: addressReader(config.listen.behind),
    bodyLimit: config.limits.body,
    inFlight: createInFlight(config.limits.perPrincipal),
  })
  readGauges(metrics, { revocations, providers, active: () => logins.active(), clock })
  await revocations.start()
  const listeners = await composeListeners(config, gateway, log, lifecycle)
  // After the listeners in this list, so before them when it stops: what goes on is ended, then waited for.
  lifecycle.onStop('streams', () => stopping.abort())
  return { ports: { ...listeners, operations: operations.port }, revocations, stop: () => lifecycle.stop() }
}

/** How long revocations are kept, and so how old a bearer may be at most: longer than any login lives. */
export function keepRevocationsMs({ sessions }: Pick<Config, 'sessions'>): number {
  return sessions.absolute + KEEP_REVOCATIONS_BEYOND_MS
}

/** The shared store and the keys its values are sealed with. */
export async function composeState(config: Config, log: Log, clock: Clock, lifecycle: Lifecycle): Promise<SharedState> {
  if ('memory' in config.store) {
    const store = createMemoryStore(clock)
    lifecycle.onStop('store', () => store.close())
    return { store, ring: createKeyRing([{ id: 'process', key: randomKey() }]) }
  }
  const { url, ca, keys, plaintextOpen } = config.store.redis
  // Loading the client takes a tenth of a second, which `mandate dev` need not pay.
  const { connectRedis } = await import('./store/redis.ts')
  const store = await connectRedis({
    url: secretSource(url).read(),
    ca: ca && secretSource(ca).read().expose(),
    plaintextOpen,
    log,
    clock,
  })
  lifecycle.onStop('store', () => store.close())
  return { store, ring: createKeyRing(keys.map(({ id, key }) => ({ id, key: secretSource(key).read() }))) }
}

function composeAudit(
  config: Config,
  { clock, log, auditTarget }: Surroundings & { clock: Clock },
  metrics: Metrics,
  lifecycle: Lifecycle,
): AuditSink {
  const target = auditTarget ?? (config.audit.file === '-' ? standardOutput() : fileTarget(config.audit.file))
  const sink = new JsonLinesSink({
    target,
    clock,
    onHealth(healthy) {
      metrics.set('mandate_audit_up', {}, healthy ? 1 : 0)
      if (healthy) log.info('the audit log can be written again')
      else log.warn('the audit log cannot be written: every attempt is refused')
    },
    onLost: (notes) => log.warn('records of attempts that had ended were lost while the audit log could not be written', { notes }),
  })
  metrics.set('mandate_audit_up', {}, 1)
  const sums = summed(sink, clock, networkOf)
  lifecycle.onStop('audit', () => {
    sums.settle()
    return sink.close()
  })
  return sums
}

function composeProviders(config: Config, log: Log, clock: Clock, lifecycle: Lifecycle): Readonly<Record<string, OidcProvider>> {
  const made = Object.values(config.providers).map((provider): [string, OidcProvider] => {
    switch (provider.kind) {
      case 'oidc':
        return [provider.name, createOidcProvider(provider, { clock, log })]
    }
  })
  for (const [name, provider] of made) lifecycle.onStop(`provider ${name}`, () => provider.close())
  return Object.fromEntries(made)
}

interface ClusterSurroundings {
  readonly loginTokens: LoginTokens
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly lifecycle: Lifecycle
  readonly stopping: AbortSignal
}

function composeCluster(
  cluster: ClusterConfig,
  config: Config,
  { loginTokens, clock, log, metrics, lifecycle, stopping }: ClusterSurroundings,
): Cluster {
  const { ca } = cluster
  const upstream = createHttpUpstream({
    origin: cluster.server,
    ...(ca === undefined ? {} : { ca: () => secretSource(ca).read().expose() }),
  })
  lifecycle.onStop(`cluster ${cluster.name}`, () => upstream.close())
  const source = cluster.as.kind
  const observer: CacheObserver = {
    hit: () => metrics.count('mandate_credential_cache_hits_total', { source }),
    acquired: (result) => metrics.count('mandate_credential_acquisitions_total', { source, result }),
  }
  const route = `cluster/${cluster.name}`
  return {
    name: cluster.name,
    upstream: {
      upstream,
      streamMaxAgeMs: config.streams.maxAge,
      answerWithinMs: config.limits.answerWithin,
      liveStreams: (change) => metrics.add('mandate_live_streams', { route }, change),
      stopping,
    },
    source: cached(composeSource(cluster, config, loginTokens, clock, log), clock, observer),
    sourceName: source,
    target: { id: route, audience: cluster.as.kind === 'forward-token' ? (cluster.as.audience ?? '') : '', scopes: [] },
  }
}

function composeSource({ as }: ClusterConfig, { providers }: Config, logins: LoginTokens, clock: Clock, log: Log): CredentialSource {
  switch (as.kind) {
    case 'forward-token':
      return createForwardToken({
        token: as.token,
        passThroughOpen: as.passThroughOpen,
        logins,
        audienceFor: (provider) => as.audience ?? providers[provider]?.clientId ?? '',
        takenAsBearer: (provider, token) => takenAsBearer(providers[provider], token),
      })
    case 'impersonate':
      return createKubernetesImpersonation(
        {
          token: secretSource(as.token),
          prefixOf: (provider) => {
            const found = providers[provider]
            // A made-up prefix could be one that the cluster has bound rights to.
            if (found === undefined) throw new Refusal('identity_unusable')
            return found.prefix
          },
          prefixes: Object.values(providers).map((provider) => provider.prefix),
          reservedAllowed: as.reservedAllowed,
          log,
        },
        () => clock.now(),
      )
  }
}

function hostnamesOf(config: Config): ReadonlySet<string> {
  const { hostname } = new URL(config.publicUrl)
  return new Set([hostname, ...config.listen.names, ...(isLoopbackHost(hostname) ? ['localhost', '127.0.0.1', '[::1]'] : [])])
}

async function composeListeners({ listen: on }: Config, gateway: Parameters<typeof listen>[0], log: Log, lifecycle: Lifecycle) {
  const start = async (name: string, options: Parameters<typeof listen>[1]): Promise<number> => {
    const listener: Listener = await listen(gateway, options, log)
    lifecycle.onStop(name, () => listener.close(STREAM_GRACE_MS))
    return listener.port
  }
  return {
    http: on.http && (await start('http', { ...on.http, ...(isLoopbackHost(on.http.host) ? {} : { from: peerCheck(on.behind) }) })),
    https:
      on.https &&
      (await start('https', {
        host: on.https.host,
        port: on.https.port,
        tls: { cert: secretSource(on.https.cert), key: secretSource(on.https.key) },
      })),
  }
}
