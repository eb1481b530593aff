/**
 * Every metric Mandate exposes, in one closed catalogue. `docs/reference/metrics.md` is proven equal to it.
 *
 * Labels are bounded: configured names, catalogue codes, and a closed list of methods. Nothing a caller chooses
 * becomes a label value.
 */
import { Counter, Gauge, Histogram, Registry } from 'prom-client'

interface Entry {
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly labels: readonly string[]
  readonly buckets?: readonly number[]
}

const FAST = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1]
const REQUESTS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10]

export const METRICS = {
  mandate_logins_total: {
    type: 'counter',
    help: 'Sign-ins by provider and result: ok or the code of the refusal.',
    labels: ['provider', 'result'],
  },
  mandate_refusals_total: {
    type: 'counter',
    help: 'Refused attempts by reason code and route; `none` for what was refused before there was one.',
    labels: ['reason', 'route'],
  },
  mandate_requests_total: {
    type: 'counter',
    help: "Attempts by route, method and class of the answer's status; an answer that the target broke off counts as 5xx.",
    labels: ['route', 'method', 'status'],
  },
  mandate_attempts_total: {
    type: 'counter',
    help: 'Attempts on clusters, routes and brokers by the provider and kind of the caller and how they went: ok, the code of the refusal, or upstream_broke for an answer that the target broke off.',
    labels: ['provider', 'kind', 'result'],
  },
  mandate_limited_total: { type: 'counter', help: 'Attempts refused because a limit of their route was reached.', labels: ['route'] },
  mandate_connections_dropped_total: {
    type: 'counter',
    help: 'Connections closed unread, by listener (http, https, forward-auth, operations) and by the bound that was reached: total or address.',
    labels: ['listener', 'bound'],
  },
  mandate_upstream_up: {
    type: 'gauge',
    help: '1 while a server of a pool answers its health checks, else 0. Absent where none are configured.',
    labels: ['route', 'server'],
  },
  mandate_upstream_retries_total: {
    type: 'counter',
    help: 'Requests sent again because no answer to them began.',
    labels: ['route'],
  },
  mandate_request_duration_seconds: {
    type: 'histogram',
    help: "Time from the request's head to the answer's last byte; streams are not counted.",
    labels: ['route'],
    buckets: REQUESTS,
  },
  mandate_credential_acquisitions_total: {
    type: 'counter',
    help: 'Credentials obtained, by source and result.',
    labels: ['source', 'result'],
  },
  mandate_credential_cache_hits_total: { type: 'counter', help: 'Credentials found in the cache, by source.', labels: ['source'] },
  mandate_refreshes_total: { type: 'counter', help: 'Refresh tokens presented, by provider and outcome.', labels: ['provider', 'result'] },
  mandate_token_validation_seconds: {
    type: 'histogram',
    help: 'Time to validate a bearer token, by provider, result (ok or code) and whether the verified token was cached.',
    labels: ['issuer', 'result', 'cached'],
    buckets: FAST,
  },
  mandate_active_logins: {
    type: 'gauge',
    help: 'Logins alive in the shared store, all replicas together. Absent while the store cannot be read.',
    labels: [],
  },
  mandate_live_streams: {
    type: 'gauge',
    help: 'Watches, followed logs, events and changed protocols open on this replica, by route.',
    labels: ['route'],
  },
  mandate_issuer_keys_age_seconds: {
    type: 'gauge',
    help: 'Time since the signing keys of a provider were fetched successfully.',
    labels: ['issuer'],
  },
  mandate_broker_excess: {
    type: 'gauge',
    help: 'How many of the rights looked for the account that impersonates has beyond impersonating, by cluster. As last seen, absent before.',
    labels: ['cluster'],
  },
  mandate_orphans: {
    type: 'gauge',
    help: 'Objects that a broker wrote and whose owner is gone, as the last whole sweep left them. Only at the replica that sweeps.',
    labels: ['broker'],
  },
  mandate_orphans_unknown: {
    type: 'gauge',
    help: 'Objects that a broker wrote and that the last whole sweep kept because nobody could tell about their owner.',
    labels: ['broker'],
  },
  mandate_orphans_deleted_total: {
    type: 'counter',
    help: 'Objects that sweeps have deleted because their owner is gone.',
    labels: ['broker'],
  },
  mandate_tls_expiry_timestamp_seconds: {
    type: 'gauge',
    help: 'When the certificate that is served ends, in seconds since the epoch. Absent without TLS.',
    labels: [],
  },
  mandate_build_info: { type: 'gauge', help: '1, with the version that runs.', labels: ['version'] },
  mandate_store_up: { type: 'gauge', help: '1 while the revocation log of the shared store is read within its bound, else 0.', labels: [] },
  mandate_audit_up: { type: 'gauge', help: '1 while the audit log can be written, else 0.', labels: [] },
} as const satisfies Record<string, Entry>

type Name = keyof typeof METRICS
type OfType<T> = { [N in Name]: (typeof METRICS)[N]['type'] extends T ? N : never }[Name]
type Labels<N extends Name> = Readonly<Record<(typeof METRICS)[N]['labels'][number], string>>

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

/** A method as a label value; what is not a common method is `other`. */
export function methodLabel(method: string): string {
  return METHODS.has(method) ? method : 'other'
}

/** A status as a label value: `2xx` and so on, `aborted` for none. */
export function statusLabel(status: number): string {
  return status >= 100 && status < 600 ? `${Math.floor(status / 100)}xx` : 'aborted'
}

export interface Metrics {
  count<N extends OfType<'counter'>>(name: N, labels: Labels<N>): void
  /** Exposes a counter at 0: one that begins at 1 is to Prometheus no rise, so an alert would miss the first time. */
  begin<N extends OfType<'counter'>>(name: N, labels: Labels<N>): void
  /** Adds `by` to a gauge. */
  add<N extends OfType<'gauge'>>(name: N, labels: Labels<N>, by: number): void
  set<N extends OfType<'gauge'>>(name: N, labels: Labels<N>, value: number): void
  observe<N extends OfType<'histogram'>>(name: N, labels: Labels<N>, seconds: number): void
  /** Runs before each exposition, to read values that live elsewhere. */
  beforeScrape(read: () => Promise<void>): void
  /** Removes a gauge's values, or that of these labels alone: an unknown value is absent, never stale. */
  clear<N extends OfType<'gauge'>>(name: N, labels?: Labels<N>): void
  /** The exposition in Prometheus text format. */
  expose(): Promise<{ contentType: string; body: string }>
}

/** Leaves a gauge without a value. The library by itself sets one without labels to 0, which would be a claim. */
function forget(gauge: Gauge | undefined): void {
  gauge?.reset()
  gauge?.remove({})
}

/** Metrics with a registry of their own, so that several instances in one process do not mix. */
export function createMetrics(): Metrics {
  const registry = new Registry()
  const counters = new Map<string, Counter>()
  const gauges = new Map<string, Gauge>()
  const histograms = new Map<string, Histogram>()
  const readers: Array<() => Promise<void>> = []
  for (const [name, entry] of Object.entries<Entry>(METRICS)) {
    const options = { name, help: entry.help, labelNames: [...entry.labels], registers: [registry] }
    if (entry.type === 'counter') counters.set(name, new Counter(options))
    else if (entry.type === 'gauge') {
      const gauge = new Gauge(options)
      forget(gauge)
      gauges.set(name, gauge)
    } else histograms.set(name, new Histogram({ ...options, buckets: [...(entry.buckets ?? REQUESTS)] }))
  }
  return {
    count: (name, labels) => counters.get(name)?.inc(labels),
    begin: (name, labels) => counters.get(name)?.inc(labels, 0),
    add: (name, labels, by) => gauges.get(name)?.inc(labels, by),
    set: (name, labels, value) => gauges.get(name)?.set(labels, value),
    observe: (name, labels, seconds) => histograms.get(name)?.observe(labels, seconds),
    beforeScrape: (read) => void readers.push(read),
    clear: (name, labels) => (labels === undefined ? forget(gauges.get(name)) : gauges.get(name)?.remove(labels)),
    async expose() {
      // One reader that fails must not hide what all the others tell.
      await Promise.allSettled(readers.map((read) => read()))
      return { contentType: registry.contentType, body: await registry.metrics() }
    },
  }
}
