/**
 * Browsers behind oauth2-proxy and machines behind Mandate, on one dashboard.
 *
 * oauth2-proxy has three metrics of its own: `oauth2_proxy_requests_total{code}`, `oauth2_proxy_requests_in_flight` and
 * `oauth2_proxy_response_duration_seconds{method}`. None tells a sign-in from any other request (there is no label for the
 * path), none counts sessions, tokens or refreshes. So what it cannot tell is taken from Mandate, and the panel says so.
 */
import { board, type Choice, JOB } from './board.ts'
import { badFrom, figure, lines, note } from './drawing.ts'
import { orZero, ours, quantile, rate, sum } from './expressions.ts'

const PROXY: Choice = { name: 'proxy', title: 'oauth2-proxy', metric: 'oauth2_proxy_requests_total', label: 'job' }

type ProxyMetric = 'requests_total' | 'requests_in_flight' | 'response_duration_seconds_bucket'

const theirs = (metric: ProxyMetric, matchers = '') => `oauth2_proxy_${metric}{job=~"$proxy"${matchers === '' ? '' : `, ${matchers}`}}`
const theirP95 = (by = '') =>
  `histogram_quantile(0.95, ${sum(rate(theirs('response_duration_seconds_bucket')), `le${by === '' ? '' : `, ${by}`}`)})`

const THEIR_ERRORS = orZero(sum(rate(theirs('requests_total', 'code=~"5.."'))))
const OUR_ERRORS = orZero(sum(rate(ours('mandate_requests_total', 'status="5xx"'))))
const THEIR_REQUESTS = orZero(sum(rate(theirs('requests_total'))))
const OUR_REQUESTS = orZero(sum(rate(ours('mandate_requests_total'))))

const now = [
  figure({
    title: 'Login events, 24 h',
    about:
      'Sign-ins at Mandate that worked within a day. oauth2-proxy cannot tell its own from other requests: it has no metric of them and no label for the path.',
    unit: 'short',
    wide: 5,
    queries: [[orZero(sum(`increase(${ours('mandate_logins_total', 'result="ok"')}[24h])`)), 'Mandate']],
  }),
  figure({
    title: 'Response time, p95',
    about:
      'From both. In oauth2-proxy a WebSocket counts as one answer for as long as it lives; Mandate leaves streams out. High at one: its upstream; at both: what they share.',
    unit: 's',
    wide: 5,
    colours: badFrom(0.5, 2),
    queries: [
      [theirP95(), 'oauth2-proxy'],
      [quantile(0.95, 'mandate_request_duration_seconds'), 'Mandate'],
    ],
  }),
  figure({
    title: 'Active sessions',
    about: 'Logins alive at Mandate. oauth2-proxy counts none of its sessions: they are in cookies or in its Redis.',
    unit: 'short',
    wide: 4,
    queries: [[`max(${ours('mandate_active_logins')})`, 'Mandate']],
  }),
  figure({
    title: 'Combined error rate',
    about: 'Answers of 5xx of both, of all answers of both. Above 1 %: Answers of 5xx, both says whose they are.',
    unit: 'percentunit',
    wide: 5,
    colours: badFrom(0.001, 0.01),
    queries: [[`((${THEIR_ERRORS}) + (${OUR_ERRORS})) / ((${THEIR_REQUESTS}) + (${OUR_REQUESTS}))`, '5xx of all']],
  }),
  note(
    'What oauth2-proxy cannot tell',
    "Its metrics are requests by status code, requests in flight, and durations by method. **Sign-ins, sessions, refreshes and token checks are Mandate's.** Its logs tell sign-ins apart: the auth line has `AuthSuccess` or `AuthFailure`.",
    5,
  ),
]

const rates = [
  lines({
    title: 'Auth success and failure',
    about:
      'From oauth2-proxy by class of the status: 202 and other 2xx are let through; 3xx are on their way to sign in; 401 and 403 are sent away. From Mandate by decision. A wave of 4xx after a deployment: a cookie secret or a client secret has changed.',
    unit: 'cps',
    wide: 12,
    queries: [
      [sum(rate(theirs('requests_total', 'code=~"2.."'))), 'oauth2-proxy, success (2xx)'],
      [sum(rate(theirs('requests_total', 'code=~"3.."'))), 'oauth2-proxy, to sign in (3xx)'],
      [sum(rate(theirs('requests_total', 'code=~"4.."'))), 'oauth2-proxy, refused (4xx)'],
      [sum(rate(ours('mandate_attempts_total', 'result="ok"'))), 'Mandate, let through'],
      [sum(rate(ours('mandate_attempts_total', 'result!="ok"'))), 'Mandate, refused'],
    ],
  }),
  lines({
    title: 'Browser auth rate',
    about:
      'Requests of browsers that were let through: all of oauth2-proxy that were answered 2xx, and those of people at Mandate. Falls to nothing while people are there: the issuer, or a secret.',
    unit: 'cps',
    wide: 6,
    queries: [
      [sum(rate(theirs('requests_total', 'code=~"2.."'))), 'oauth2-proxy'],
      [sum(rate(ours('mandate_attempts_total', 'kind="person", result="ok"'))), 'Mandate, people'],
    ],
  }),
  lines({
    title: 'M2M auth rate',
    about:
      'Machines at Mandate, let through and refused, clients that no list names included. The dashboard of machines says which and why.',
    unit: 'cps',
    wide: 6,
    queries: [
      [sum(rate(ours('mandate_attempts_total', 'kind="machine", result="ok"'))), 'let through'],
      [sum(rate(ours('mandate_attempts_total', 'kind=~"machine|unknown", result!="ok"'))), 'refused'],
    ],
  }),
]

const times = [
  lines({
    title: 'Answers of 5xx, both',
    about:
      'Answers of 5xx, a second. oauth2-proxy: its upstream or its issuer is away. Mandate: an upstream, the store or the audit log is.',
    unit: 'cps',
    wide: 6,
    queries: [
      [THEIR_ERRORS, 'oauth2-proxy'],
      [OUR_ERRORS, 'Mandate'],
    ],
  }),
  lines({
    title: 'Token validation latency',
    about: 'At Mandate, for tokens at first sight and for those at hand. oauth2-proxy verifies bearers too, and measures none of it.',
    unit: 's',
    wide: 6,
    queries: [
      [quantile(0.95, 'mandate_token_validation_seconds', 'cached="false"'), 'p95, first sight'],
      [quantile(0.95, 'mandate_token_validation_seconds', 'cached="true"'), 'p95, at hand'],
    ],
  }),
  lines({
    title: 'Response time by method, p95',
    about: 'From oauth2-proxy by method, and from Mandate. Both include what stands behind them.',
    unit: 's',
    wide: 6,
    queries: [
      [theirP95('method'), 'oauth2-proxy, {{method}}'],
      [quantile(0.95, 'mandate_request_duration_seconds'), 'Mandate'],
    ],
  }),
  lines({
    title: 'Requests in flight',
    about: 'At oauth2-proxy, WebSockets included, and streams at Mandate. A line that only rises: an upstream that does not answer.',
    unit: 'short',
    wide: 6,
    queries: [
      [sum(theirs('requests_in_flight')), 'oauth2-proxy'],
      [sum(ours('mandate_live_streams')), 'Mandate, streams'],
    ],
  }),
]

export const oauth2ProxyBoard = () =>
  board({
    uid: 'oauth2-proxy-auth',
    title: 'OAuth2 Proxy and Mandate: auth metrics',
    about: 'Browsers behind oauth2-proxy and machines behind Mandate: both sources on one dashboard.',
    choices: [JOB, PROXY],
    rows: [
      { title: 'Now', panels: now },
      { title: 'Who is let in', panels: rates },
      { title: 'Errors and times', panels: times },
    ],
  })
