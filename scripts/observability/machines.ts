/** Machines: clients with tokens of their own, what they may and what they call, and the services behind the routes. */
import { board, type Choice, JOB } from './board.ts'
import { badFrom, figure, lines, UP_OR_DOWN } from './drawing.ts'
import { orZero, ours, quantile, rate, sum } from './expressions.ts'

const PROVIDER: Choice = {
  name: 'provider',
  title: 'Provider',
  metric: 'mandate_attempts_total{kind="machine"}',
  label: 'provider',
}
const ROUTE: Choice = { name: 'route', title: 'Route', metric: 'mandate_requests_total', label: 'route' }
const MACHINES = 'kind="machine", provider=~"$provider"'
const ON = 'route=~"$route"'

const now = [
  figure({
    title: 'Machine attempts',
    about: 'Attempts of machines that were recognised, a second.',
    unit: 'cps',
    wide: 4,
    queries: [[orZero(sum(rate(ours('mandate_attempts_total', MACHINES)))), 'attempts']],
  }),
  figure({
    title: 'Of these refused',
    about:
      'Share of recognised machines that were refused. insufficient_scope: ask the provider for the scope; denied: the route does not admit this client; upstream_unavailable: the service is away.',
    unit: 'percentunit',
    wide: 4,
    colours: badFrom(0.05, 0.25),
    queries: [
      [
        `${sum(rate(ours('mandate_attempts_total', `${MACHINES}, result!="ok"`)))} / ${sum(rate(ours('mandate_attempts_total', MACHINES)))}`,
        'refused',
      ],
    ],
  }),
  figure({
    title: 'Tokens of nobody',
    about:
      'Bearers that no configured provider issued, a second. More than a few: somebody is trying tokens, or a provider is missing in the configuration.',
    unit: 'cps',
    wide: 4,
    colours: badFrom(1, 10),
    queries: [[orZero(sum(rate(ours('mandate_token_validation_seconds_count', 'issuer="none"')))), 'tokens']],
  }),
  figure({
    title: 'Over a limit',
    about:
      'Attempts that a limit of their route refused, a second. The audit log names the clients; talk to them, or raise limit of the route.',
    unit: 'cps',
    wide: 4,
    colours: badFrom(1, 10),
    queries: [[orZero(sum(rate(ours('mandate_limited_total', ON)))), 'limited']],
  }),
  figure({
    title: 'Servers up',
    about:
      'Servers of pools that answer their health checks, of all that are checked, as the replicas see it. Below 100 %: the row of upstreams says which.',
    unit: 'percentunit',
    wide: 4,
    none: 'no health checks',
    queries: [[`avg(${ours('mandate_upstream_up', ON)})`, 'up']],
  }),
  figure({
    title: 'First sight of a token, p95',
    about:
      'Time to verify a token that was not seen before. Above 50 ms: keys are being fetched each time (look at the age of the keys) or CPU is short.',
    unit: 's',
    wide: 4,
    colours: badFrom(0.025, 0.1),
    queries: [[quantile(0.95, 'mandate_token_validation_seconds', 'cached="false"'), 'p95']],
  }),
]

const whoCame = [
  lines({
    title: 'Let through',
    about:
      'Machines that were let through, a second, by provider. Falls to nothing: the clients cannot get tokens, or the next panel says why they are refused.',
    unit: 'cps',
    wide: 8,
    queries: [[sum(rate(ours('mandate_attempts_total', `${MACHINES}, result="ok"`)), 'provider'), '{{provider}}']],
  }),
  lines({
    title: 'Refused',
    about: 'Machines that were recognised and refused, by provider and code. docs/reference/errors.md has each code with its mend.',
    unit: 'cps',
    wide: 8,
    none: 'none was refused',
    queries: [[sum(rate(ours('mandate_attempts_total', `${MACHINES}, result!="ok"`)), 'provider, result'), '{{provider}} {{result}}']],
  }),
  lines({
    title: 'Tokens that did not hold',
    about:
      'Bearers refused before anybody was known, by provider and code. token_expired: a client that does not renew, or a clock; token_signature_invalid: keys were rotated badly, or a forgery; token_audience_wrong: a token that is meant for somebody else.',
    unit: 'cps',
    wide: 8,
    none: 'all of them held',
    queries: [[sum(rate(ours('mandate_token_validation_seconds_count', 'result!="ok"')), 'issuer, result'), '{{issuer}} {{result}}']],
  }),
]

const routes = [
  lines({
    title: 'Requests',
    about: 'By route, people and machines together.',
    unit: 'reqps',
    wide: 8,
    queries: [[`topk(20, ${sum(rate(ours('mandate_requests_total', ON)), 'route')})`, '{{route}}']],
  }),
  lines({
    title: 'Limited',
    about:
      'Attempts that a limit refused, by route. A line that never falls: the limit is too low for its clients, or one of them runs wild.',
    unit: 'cps',
    wide: 8,
    none: 'none was limited',
    queries: [[sum(rate(ours('mandate_limited_total', ON)), 'route'), '{{route}}']],
  }),
  lines({
    title: 'Time to answer, p95',
    about: 'By route, the service behind it included. One alone: its service. All of them: the store, the audit log, or too little CPU.',
    unit: 's',
    wide: 8,
    queries: [[`topk(20, ${quantile(0.95, 'mandate_request_duration_seconds', ON, 'route')})`, '{{route}}']],
  }),
]

const upstreams = [
  lines({
    title: 'Servers',
    about:
      'It is 1 while a server answers its health checks, for the replica that sees it worst. 0 at all replicas: the server; at one of them: the way from there.',
    unit: 'short',
    wide: 8,
    most: 1,
    none: 'no health checks',
    queries: [[`min by (route, server) (${ours('mandate_upstream_up', ON)})`, '{{route}} {{server}}']],
  }),
  lines({
    title: 'Sent again',
    about:
      'Requests that were sent again because no answer to them began. A steady line: a server closes connections that it should keep, or is restarted over and over.',
    unit: 'cps',
    wide: 8,
    none: 'none',
    queries: [[sum(rate(ours('mandate_upstream_retries_total', ON)), 'route'), '{{route}}']],
  }),
  lines({
    title: 'Answers of 5xx',
    about: 'By route: 502 and 504 of ours when the service is away or slow, or its own. The audit log has the code of ours.',
    unit: 'reqps',
    wide: 8,
    none: 'none',
    queries: [[sum(rate(ours('mandate_requests_total', `${ON}, status="5xx"`)), 'route'), '{{route}}']],
  }),
]

const worst = figure({
  title: 'Servers, now',
  about: 'Every server of every pool, as the replica that sees it worst has it.',
  unit: 'short',
  wide: 24,
  none: 'no health checks',
  ...UP_OR_DOWN,
  queries: [[`min by (route, server) (${ours('mandate_upstream_up', ON)})`, '{{route}} {{server}}']],
})

export const machinesBoard = () =>
  board({
    uid: 'mandate-machines',
    title: 'Mandate: machines',
    about: 'Agents, scripts and CI: whether their tokens hold, what they are refused, and how the services behind the routes answer.',
    choices: [JOB, PROVIDER, ROUTE],
    rows: [
      { title: 'Now', panels: now },
      { title: 'Who came', panels: whoCame },
      { title: 'Routes', panels: routes },
      { title: 'Upstreams', panels: [...upstreams, worst] },
    ],
  })
