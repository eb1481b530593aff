/** Metrics as they are after a long life of a large installation, for tests and measurements of the page. */

import type { Metrics } from './metrics.ts'
import { REFUSALS, type RefusalCode } from './refusal-codes.ts'

/** What a busy service is asked and answers; whoever is refused can use every method. */
const ANSWERED = {
  GET: ['1xx', '2xx', '3xx', '4xx', '5xx', 'aborted'],
  HEAD: ['2xx', '4xx'],
  POST: ['2xx', '3xx', '4xx', '5xx'],
  PUT: ['2xx', '4xx', '5xx'],
  PATCH: ['2xx', '4xx', '5xx'],
  DELETE: ['2xx', '4xx', '5xx'],
  OPTIONS: ['2xx', '4xx'],
  other: ['4xx'],
}
/** What a sign-in can end with. */
const SIGN_IN = /^(ok|fault|sign_in_.*|issuer_.*|store_.*|audit_.*|consent_.*|too_many_.*)$/
const PROVIDERS = ['corp', 'partners', 'cognito', 'github-ci']
const CLUSTERS = ['prod', 'staging', 'dev', 'lab', 'edge']
const BROKERS = ['runs', 'jobs']
const ACQUIRED = ['granted', 'refused', 'needs-interaction', 'too-many', 'unavailable', 'threw']
const REFRESHED = ['renewed', 'refused', 'not-sent', 'unknown']

/** Those that routes see day by day. */
const REFUSED_BY_ROUTES = ['not_signed_in', 'token_expired', 'denied', 'insufficient_scope', 'too_many_requests', 'upstream_unavailable']

/** Makes every series that comes about with so many routes, four providers, five clusters and two brokers. */
export function fillMetrics(metrics: Metrics, routeCount: number): void {
  const reasons = Object.keys(REFUSALS) as RefusalCode[]
  const results = ['ok', ...reasons]
  const routes = Array.from({ length: routeCount }, (_, at) => `route/a-route-of-a-usual-length-${at}`)
  const others = [...CLUSTERS.map((name) => `cluster/${name}`), ...BROKERS.map((name) => `brokered/${name}`)]
  for (const route of [...routes, ...others]) {
    for (const [method, statuses] of Object.entries(ANSWERED))
      for (const status of statuses) metrics.count('mandate_requests_total', { route, method, status })
    metrics.observe('mandate_request_duration_seconds', { route }, 0.01)
    metrics.set('mandate_live_streams', { route }, 1)
  }
  for (const route of routes) {
    for (const reason of REFUSED_BY_ROUTES) metrics.count('mandate_refusals_total', { reason, route })
    metrics.count('mandate_limited_total', { route })
    metrics.count('mandate_upstream_retries_total', { route })
    for (const server of ['svc-a.apps.svc:8080', 'svc-b.apps.svc:8080', 'svc-c.apps.svc:8080'])
      metrics.set('mandate_upstream_up', { route, server }, 1)
  }
  for (const provider of PROVIDERS) {
    for (const result of results.filter((each) => SIGN_IN.test(each))) metrics.count('mandate_logins_total', { provider, result })
    for (const kind of ['person', 'machine'])
      for (const result of results) metrics.count('mandate_attempts_total', { provider, kind, result })
    for (const result of tokenResults(results)) observe(metrics, provider, result, 'false')
    // A verified token that is at hand can only have ended meanwhile.
    for (const result of ['ok', 'token_expired', 'token_revoked', 'store_unavailable']) observe(metrics, provider, result, 'true')
    for (const result of REFRESHED) metrics.count('mandate_refreshes_total', { provider, result })
    metrics.set('mandate_issuer_keys_age_seconds', { issuer: provider }, 12.345)
  }
  // Refusals are remembered without their issuer.
  for (const cached of ['true', 'false'])
    for (const result of tokenResults(reasons)) if (result.startsWith('token_')) observe(metrics, 'none', result, cached)
  for (const reason of reasons) {
    metrics.count('mandate_refusals_total', { reason, route: 'none' })
    metrics.count('mandate_attempts_total', { provider: 'none', kind: 'none', result: reason })
  }
  for (const source of ['forward-token', 'token-exchange', 'impersonate']) {
    for (const result of ACQUIRED) metrics.count('mandate_credential_acquisitions_total', { source, result })
    metrics.count('mandate_credential_cache_hits_total', { source })
  }
  for (const cluster of CLUSTERS) metrics.set('mandate_broker_excess', { cluster }, 0)
  for (const broker of BROKERS) {
    metrics.set('mandate_orphans', { broker }, 1)
    metrics.set('mandate_orphans_unknown', { broker }, 1)
    metrics.count('mandate_orphans_deleted_total', { broker })
  }
  for (const listener of ['http', 'https', 'forward-auth', 'operations'])
    for (const bound of ['total', 'address']) metrics.count('mandate_connections_dropped_total', { listener, bound })
  metrics.set('mandate_active_logins', {}, 1_000)
  metrics.set('mandate_tls_expiry_timestamp_seconds', {}, 1_900_000_000)
  metrics.set('mandate_build_info', { version: '1.0.0' }, 1)
  metrics.set('mandate_store_up', {}, 1)
  metrics.set('mandate_audit_up', {}, 1)
}

function observe(metrics: Metrics, issuer: string, result: string, cached: string): void {
  metrics.observe('mandate_token_validation_seconds', { issuer, result, cached }, 0.001)
}

const CANNOT_TELL = ['issuer_unavailable', 'store_unavailable']

/** What the validation of a token can end with. */
function tokenResults(results: readonly string[]): string[] {
  return results.filter((result) => result === 'ok' || result.startsWith('token_') || CANNOT_TELL.includes(result))
}
