/** Sign-ins and refusals: who comes, who is sent away and why. The first place to look when somebody cannot get in. */
import { board, type Choice, JOB } from './board.ts'
import { badFrom, figure, goodFrom, lines, UP_OR_DOWN } from './drawing.ts'
import { orZero, ours, quantile, rate, sum } from './expressions.ts'

const PROVIDER: Choice = { name: 'provider', title: 'Provider', metric: 'mandate_attempts_total', label: 'provider' }
const ROUTE: Choice = { name: 'route', title: 'Route', metric: 'mandate_requests_total', label: 'route' }
const AT = 'provider=~"$provider"'
const ON = 'route=~"$route"'
// What was refused before there was a route belongs to every choice.
const REFUSED_ON = 'route=~"$route|none"'

const DAY = 86_400

const now = [
  figure({
    title: 'Sign-ins, 24 h',
    about: 'People who signed in within a day. None on a working day: try it yourself, then look at the refused sign-ins.',
    unit: 'short',
    wide: 3,
    queries: [[orZero(sum(`increase(${ours('mandate_logins_total', `${AT}, result="ok"`)}[24h])`)), 'sign-ins']],
  }),
  figure({
    title: 'Refused sign-ins, 24 h',
    about:
      'Sign-ins that ended in a refusal within a day. Some are people who gave up. The panel below says which code; docs/reference/errors.md says what to do about it.',
    unit: 'short',
    wide: 3,
    queries: [[orZero(sum(`increase(${ours('mandate_logins_total', `${AT}, result!="ok"`)}[24h])`)), 'refused']],
  }),
  figure({
    title: 'Active logins',
    about: 'Logins alive in the shared store. All replicas read the same number, so it is not summed. No data: the store cannot be read.',
    unit: 'short',
    wide: 3,
    queries: [[`max(${ours('mandate_active_logins')})`, 'logins']],
  }),
  figure({
    title: 'Attempts refused, share',
    about:
      'Attempts that were refused, of all. A jump means that something changed: a secret, a clock, a group, a route. The panel by reason says which.',
    unit: 'percentunit',
    wide: 3,
    colours: badFrom(0.2, 0.5),
    queries: [
      [`${sum(rate(ours('mandate_attempts_total', `${AT}, result!="ok"`)))} / ${sum(rate(ours('mandate_attempts_total', AT)))}`, 'refused'],
    ],
  }),
  figure({
    title: 'Store is read',
    about:
      'Whether every replica reads the revocation log. Down: logins are answered 503 until Redis is back. Look at Redis and at the way to it.',
    unit: 'short',
    wide: 3,
    ...UP_OR_DOWN,
    queries: [[`min(${ours('mandate_store_up')})`, 'store']],
  }),
  figure({
    title: 'Audit log is written',
    about:
      'Whether every replica can write its audit log. Down: nothing at all is done until it can. Give the disk room, or look at what reads standard output.',
    unit: 'short',
    wide: 3,
    ...UP_OR_DOWN,
    queries: [[`min(${ours('mandate_audit_up')})`, 'audit']],
  }),
  figure({
    title: 'Certificate ends in',
    about:
      'Until the first certificate ends that a replica serves. Under two weeks: look at who renews it. A new file is read within 10 s, without a restart.',
    unit: 's',
    wide: 3,
    none: 'no TLS here',
    colours: goodFrom(3 * DAY, 14 * DAY),
    queries: [[`min(${ours('mandate_tls_expiry_timestamp_seconds')}) - time()`, 'left']],
  }),
  figure({
    title: 'Replicas',
    about:
      'Replicas that are scraped, by version. Fewer than you run: look at the targets of Prometheus. Two versions: a roll-out, or one that stopped half way.',
    unit: 'short',
    wide: 3,
    queries: [[`count by (version) (${ours('mandate_build_info')})`, '{{version}}']],
  }),
]

const signIns = [
  lines({
    title: 'Sign-ins',
    about: 'Sign-ins that worked, a second, by provider. One that falls to nothing while the others go on: look at that issuer.',
    unit: 'cps',
    wide: 8,
    queries: [[sum(rate(ours('mandate_logins_total', `${AT}, result="ok"`)), 'provider'), '{{provider}}']],
  }),
  lines({
    title: 'Refused sign-ins',
    about:
      'By provider and code of the refusal. sign_in_state_unknown is an old page or a second tab; issuer_unavailable is the issuer or the way to it; others are in docs/reference/errors.md.',
    unit: 'cps',
    wide: 8,
    none: 'none was refused',
    queries: [[sum(rate(ours('mandate_logins_total', `${AT}, result!="ok"`)), 'provider, result'), '{{provider}} {{result}}']],
  }),
  lines({
    title: 'Refresh tokens presented',
    about:
      'By provider and outcome. unknown: an answer of the issuer was lost, and those people sign in again; refused in numbers: the issuer ended sessions or changed the client.',
    unit: 'cps',
    wide: 8,
    queries: [[sum(rate(ours('mandate_refreshes_total', AT)), 'provider, result'), '{{provider}} {{result}}']],
  }),
]

const refusals = [
  lines({
    title: 'Refusals by reason',
    about:
      'All that was refused on the chosen routes or before there was one, by code; Provider has no effect here. not_signed_in is everyday; a spike of token_expired is a clock or a client that does not renew; denied is somebody without the right, or a changed group; fault is ours: look at the log.',
    unit: 'cps',
    wide: 8,
    queries: [[sum(rate(ours('mandate_refusals_total', REFUSED_ON)), 'reason'), '{{reason}}']],
  }),
  lines({
    title: 'Refusals by route',
    about:
      'The twenty routes, clusters and brokers that refuse most, and none for what was refused before there was one. One alone: its rule, its service, or one client of it; Provider has no effect here.',
    unit: 'cps',
    wide: 8,
    queries: [[`topk(20, ${sum(rate(ours('mandate_refusals_total', REFUSED_ON)), 'route')})`, '{{route}}']],
  }),
  lines({
    title: 'Attempts by kind of caller',
    about:
      'People, machines, clients that no list of their provider names (unknown), and callers that nobody could tell (none, with the provider none), let through or refused; Route has no effect here. Many refused of kind none: somebody is trying tokens or comes without any; of kind unknown: a client is missing in machineClients.',
    unit: 'cps',
    wide: 8,
    queries: [
      [sum(rate(ours('mandate_attempts_total', `${AT}, result="ok"`)), 'kind'), '{{kind}}, let through'],
      [sum(rate(ours('mandate_attempts_total', `${AT}, result!="ok"`)), 'kind'), '{{kind}}, refused'],
    ],
  }),
]

const answers = [
  lines({
    title: 'Answers by status',
    about:
      'By class of the status. 5xx: an upstream, the store or the audit log is away; 4xx belong to the refusals above or come from the upstream; aborted: the caller left.',
    unit: 'reqps',
    wide: 8,
    queries: [[sum(rate(ours('mandate_requests_total', ON)), 'status'), '{{status}}']],
  }),
  lines({
    title: 'Time to answer',
    about:
      'From the head of the request to the last byte of the answer, the upstream included; streams are not counted. Mandate itself takes a few milliseconds: the rest is the upstream, or a slow reader.',
    unit: 's',
    wide: 8,
    queries: [0.5, 0.95, 0.99].map((q) => [quantile(q, 'mandate_request_duration_seconds', ON), `p${q * 100}`] as const),
  }),
  lines({
    title: 'Slowest routes, p95',
    about: 'The ten routes that take longest. One alone: its upstream. All of them: the store, the audit log, or too little CPU.',
    unit: 's',
    wide: 8,
    queries: [[`topk(10, ${quantile(0.95, 'mandate_request_duration_seconds', ON, 'route')})`, '{{route}}']],
  }),
  lines({
    title: 'Connections closed unread',
    about:
      'By listener and the bound of limits.connections that was reached. total: too many callers for one replica, or streams that want a higher bound and more memory; address: one caller holds very many, or a balancer hides whose they are. Neither Provider nor Route has an effect here.',
    unit: 'cps',
    wide: 24,
    queries: [[sum(rate(ours('mandate_connections_dropped_total')), 'listener, bound'), '{{listener}}, {{bound}}']],
  }),
]

export const signInsBoard = () =>
  board({
    uid: 'mandate-sign-ins',
    title: 'Mandate: sign-ins and refusals',
    about: 'Who signs in, who is refused and why, and whether Mandate can do its work at all.',
    choices: [JOB, PROVIDER, ROUTE],
    rows: [
      { title: 'Now', panels: now },
      { title: 'Sign-ins', panels: signIns },
      { title: 'Refusals', panels: refusals },
      { title: 'Answers', panels: answers },
    ],
  })
