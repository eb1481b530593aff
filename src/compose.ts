/**
 * Config -> running parts. This file and the folder beside it are the only ones that name implementations.
 *
 * Adding an implementation is one file, one member of a union in the configuration, and one `case` here; the switches
 * are exhaustive, so forgetting it does not compile.
 */
import { setMaxListeners } from 'node:events'
import type { Steps } from './access.ts'
import { createBearerAuthenticator } from './authenticate/bearer-jwt.ts'
import { firstApplicable } from './authenticate/first-applicable.ts'
import { createSessionAuthenticator } from './authenticate/session.ts'
import { lookForWithdrawnKeys } from './authenticate/withdrawn-keys.ts'
import { createRouteRules, type Rule } from './authorize/route-rules.ts'
import { type Clock, systemClock } from './clock.ts'
import { composeBrokers } from './compose/brokers.ts'
import { composeForwardAuth } from './compose/forward-auth.ts'
import { composeInFlight } from './compose/in-flight.ts'
import { composeLimits } from './compose/limits.ts'
import { composeListeners, hostnamesOf } from './compose/listeners.ts'
import { composeAccounts, composeOwnWork } from './compose/own-work.ts'
import { composeRouteHosts } from './compose/routes.ts'
import { composeAudit, composeState, type Surroundings } from './compose/state.ts'
import { composeCluster } from './compose/targets.ts'
import type { Config } from './config/config.ts'
import { addressReader } from './gateway/address.ts'
import { createOperations } from './gateway/brokered.ts'
import { createCommandLine } from './gateway/command-line.ts'
import { createCookies } from './gateway/cookies.ts'
import { createGateway, type GatewayParts, presentedBy } from './gateway/gateway.ts'
import { readGauges } from './gateway/gauges.ts'
import { createHostSignIn } from './gateway/host-sessions.ts'
import { listenOperations } from './gateway/operations.ts'
import { createPendingSignIns } from './gateway/pending-sign-ins.ts'
import type { Listener } from './gateway/server.ts'
import { createSignIn } from './gateway/sign-in.ts'
import { createSignOut } from './gateway/sign-out.ts'
import { createYouAre } from './gateway/you-are.ts'
import { Lifecycle } from './lifecycle.ts'
import type { Log } from './log.ts'
import { createHostSessions } from './logins/host-sessions.ts'
import { createLoginTokens } from './logins/login-tokens.ts'
import { createLogins } from './logins/logins.ts'
import { createLoginRecords } from './logins/records.ts'
import { createRefreshing } from './logins/refresh.ts'
import { createMetrics } from './metrics.ts'
import { createOidcProvider, type OidcProvider } from './providers/oidc.ts'
import { createRevocations, type Revocations } from './store/revocations.ts'
import { sealedStore } from './store/sealed.ts'

export interface RunningGateway {
  /** Ports bound; undefined for a listener that is not configured. */
  readonly ports: {
    readonly http: number | undefined
    readonly https: number | undefined
    readonly forwardAuth: number | undefined
    readonly operations: number
  }
  readonly revocations: Revocations
  /** What keeps it from serving now, in fixed words, as `/ready` says it; empty when it serves. */
  readonly missing: () => readonly string[]
  /** Stops accepting, lets answers finish, ends streams, writes the last audit lines. */
  stop(): Promise<void>
}

const STOP_WITHIN_MS = 10_000
const KEEP_REVOCATIONS_BEYOND_MS = 24 * 3_600_000

/** Starts the gateway. Rejects when an address cannot be bound or a secret not be read. */
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
  // Before whatever has to be waited for, so that probes have an answer meanwhile. Early in this list is late to stop: the
  // platform goes on hearing that this replica is not ready any more.
  let started: Revocations | undefined
  const readiness = () => [
    ...(started === undefined && !lifecycle.stopping ? ['the start, which is not over'] : []),
    ...(started?.blind === true ? ['the shared store'] : []),
    ...(audit.down ? ['the audit log'] : []),
    ...(lifecycle.stopping ? ['this replica is stopping'] : []),
  ]
  const operations = await listenOperations({ ...config.listen.operations, metrics, readiness, log })
  lifecycle.onStop('operations', () => operations.close(0))
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
    observe: (issuer, result, hit, seconds) =>
      metrics.observe('mandate_token_validation_seconds', { issuer, result, cached: String(hit) }, seconds),
  })
  lifecycle.onStop('bearers', () => bearers.close())
  lifecycle.onStop('withdrawn keys', lookForWithdrawnKeys({ providers: Object.values(providers), bearers, clock, log }))
  const hostSessions = createHostSessions({ sealed, clock, log })
  const origin = config.publicUrl
  const authenticator = firstApplicable([createSessionAuthenticator({ logins, hostSessions, origin }), bearers])
  const stopping = new AbortController()
  // Thousands of watches wait for it.
  setMaxListeners(0, stopping.signal)
  const around = { loginTokens, providers, clock, log, metrics, lifecycle, stopping: stopping.signal }
  const clusters = new Map(Object.values(config.clusters).map((cluster) => [cluster.name, composeCluster(cluster, config, around)]))
  const ownWork = { audit, clock, log, metrics, lifecycle }
  composeOwnWork(config, ownWork)
  const accounts = await composeAccounts(config, ownWork)
  const brokers = composeBrokers(config, { clusters, audit, log, lifecycle, closed: accounts.closed })
  const cookies = createCookies(origin, config.sessions.absolute)
  const routeHosts = composeRouteHosts(config, { ...around, cookies })
  const rules = createRouteRules(
    new Map<string, readonly Rule[]>([
      ...Object.values(config.clusters).map(({ name, allow }) => [`cluster/${name}`, [allow]] as const),
      ...config.routes.map(({ name, allow }) => [`route/${name}`, allow] as const),
      ...Object.values(config.brokered).flatMap(({ name, cluster, allow = config.clusters[cluster]?.allow }) =>
        allow === undefined ? [] : [[`brokered/${name}`, [allow]] as const],
      ),
    ]),
  )
  // Whether somebody may use a host is asked of the rules alone: a question uses up nothing.
  const authorizer = composeLimits(config, rules, { store, clock, metrics, lifecycle })
  const steps: Steps = { authenticator, authorizer, audit, clock, log, traced: config.tracing !== undefined }
  const parts: GatewayParts = {
    steps,
    audit,
    metrics,
    log,
    cookies,
    clusters,
    routeHosts,
    operations: createOperations(brokers),
    origin,
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
    hostSignIn: createHostSignIn({ origin, hosts: routeHosts, cookies, sessions: hostSessions, logins, authorizer: rules, store, audit }),
    youAre: createYouAre({
      authenticator,
      logins,
      clusters: [...clusters.keys()],
      titleOf: (provider) => config.providers[provider]?.title ?? provider,
      presentedOf: presentedBy(cookies, origin),
    }),
    commandLine: createCommandLine(Object.values(config.providers)),
    hostnames: hostnamesOf(config),
    addressOf: addressReader(config.listen.behind),
    bodyLimit: config.limits.body,
    inFlight: composeInFlight(config.limits.perPrincipal, bearers),
  }
  const bound: Listener[] = []
  readGauges(metrics, { revocations, providers, active: () => logins.active(), listeners: bound, clock })
  await revocations.start()
  const listeners = {
    ...(await composeListeners(config, createGateway(parts), log, metrics, lifecycle, (listener) => bound.push(listener))),
    forwardAuth: await composeForwardAuth(config, parts, log, lifecycle, (listener) => bound.push(listener)),
  }
  // After the listeners in this list, so before them when it stops: what goes on is ended, then waited for.
  lifecycle.onStop('streams', () => stopping.abort())
  started = revocations
  return { ports: { ...listeners, operations: operations.port }, revocations, missing: readiness, stop: () => lifecycle.stop() }
}

/** How long revocations are kept, and so how old a bearer may be at most: longer than any login lives. */
export function keepRevocationsMs({ sessions }: Pick<Config, 'sessions'>): number {
  return sessions.absolute + KEEP_REVOCATIONS_BEYOND_MS
}

function composeProviders(config: Config, log: Log, clock: Clock, lifecycle: Lifecycle): Readonly<Record<string, OidcProvider>> {
  const made = Object.values(config.providers).map((provider): [string, OidcProvider] => {
    switch (provider.kind) {
      case 'oidc':
      case 'cognito':
        return [provider.name, createOidcProvider(provider, { clock, log })]
    }
  })
  for (const [name, provider] of made) lifecycle.onStop(`provider ${name}`, () => provider.close())
  return Object.fromEntries(made)
}
