/** Machines: clients with tokens of their own, what they may and what they call, and the services behind the routes. */
import { board, type Choice, JOB } from './board.ts'
import { badFrom, figure, lines, UP_OR_DOWN } from './drawing.ts'
import { orZero, ours, quantile, rate, sum } from './expressions.ts'

const PROVIDER: Choice = {
  name: 'provider',
  title: 'Provider',
  metric: 'mandate_attempts_total{kind=~"machine|unknown"}',
  label: 'provider',
}
const ROUTE: Choice = { name: 'route', title: 'Route', metric: 'mandate_requests_total', label: 'route' }
const MACHINES = 'kind="machine", provider=~"$provider"'
/** Clients that a provider knows and that none of its lists names: they are always refused. */
const UNLISTED = 'kind="unknown", provider=~"$provider"'
/** Whoever came by client credentials, listed or not. */
const CLIENTS = 'kind=~"machine|unknown", provider=~"$provider"'
// Bearers that no provider issued belong to every choice. A provider by its name, under another label.
const ISSUED = 'issuer=~"$provider|none"'
const ON = 'route=~"$route"'

const now = [
  figure({
    title: 'Machine attempts',
    about: 'Attempts of machines that are listed at their provider, a second, let through and refused.',
    unit: 'cps',
    wide: 3,
    queries: [[orZero(sum(rate(ours('mandate_attempts_total', MACHINES)))), 'attempts']],
  }),
  figure({
    title: 'Machines refused, share',
    about:
      'Refused attempts of machines, of all attempts of theirs, clients that no list names included. insufficient_scope: ask the provider for the scope; denied: the route does not admit this client, or no list does; upstream_unavailable: the service is away.',
    unit: 'percentunit',
    wide: 3,
    colours: badFrom(0.05, 0.25),
    queries: [
      [
        `${sum(rate(ours('mandate_attempts_total', `${CLIENTS}, result!="ok"`)))} / ${sum(rate(ours('mandate_attempts_total', CLIENTS)))}`,
        'refused',
      ],
    ],
  }),
  figure({
    title: 'Clients that no list names',
    about:
      'Attempts with a token that holds, of a client that neither machineClients nor personClients of its provider names, a second; refused as denied. The audit log has the client: add it to machineClients, or ask its owner what it wants here.',
    unit: 'cps',
    wide: 4,
    colours: badFrom(0.1, 1),
    queries: [[orZero(sum(rate(ours('mandate_attempts_total', UNLISTED)))), 'attempts']],
  }),
  figure({
    title: 'Tokens of no provider',
    about:
      'Bearers that no configured provider issued, a second; Provider has no effect here. More than a few: somebody is trying tokens, or a provider is missing in the configuration.',
    unit: 'cps',
    wide: 4,
    colours: badFrom(1, 10),
    queries: [[orZero(sum(rate(ours('mandate_token_validation_seconds_count', 'issuer="none"')))), 'tokens']],
  }),
  figure({
    title: 'Attempts over a limit',
    about:
      'Attempts that a limit of their route refused, a second. The audit log names the clients; talk to them, or raise limit of the route.',
    unit: 'cps',
    wide: 3,
    colours: badFrom(1, 10),
    queries: [[orZero(sum(rate(ours('mandate_limited_total', ON)))), 'limited']],
  }),
  figure({
    title: 'Upstream servers up',
    about:
      'Servers of pools that answer their health checks, of all that are checked, as the replicas see it. Below 100 %: the row of upstreams says which.',
    unit: 'percentunit',
    wide: 3,
    none: 'no health checks',
    queries: [[`avg(${ours('mandate_upstream_up', ON)})`, 'up']],
  }),
  figure({
    title: 'Time to verify a new token, p95',
    about:
      'Time to verify a token that was not seen before, of the chosen providers and of none. Above 50 ms: keys are being fetched each time (look at the age of the keys) or CPU is short.',
    unit: 's',
    wide: 4,
    colours: badFrom(0.025, 0.1),
    queries: [[quantile(0.95, 'mandate_token_validation_seconds', `${ISSUED}, cached="false"`), 'p95']],
  }),
]

const whoCame = [
  lines({
    title: 'Machines let through',
    about:
      'Machines that were let through, a second, by provider. Falls to nothing: the clients cannot get tokens, or Machines refused says why.',
    unit: 'cps',
    wide: 8,
    queries: [[sum(rate(ours('mandate_attempts_total', `${MACHINES}, result="ok"`)), 'provider'), '{{provider}}']],
  }),
  lines({
    title: 'Machines refused',
    about:
      'By provider and code, clients that no list names as such (unknown denied). docs/reference/errors.md has each code with its mend.',
    unit: 'cps',
    wide: 8,
    none: 'none was refused',
    queries: [
      [sum(rate(ours('mandate_attempts_total', `${CLIENTS}, result!="ok"`)), 'provider, kind, result'), '{{provider}} {{kind}} {{result}}'],
    ],
  }),
  lines({
    title: 'Tokens that did not hold',
    about:
      'Bearers refused before anybody was known, by provider (none: no configured one issued it) and code. token_expired: a client that does not renew, or a clock; token_signature_invalid: keys were rotated badly, or a forgery; token_audience_wrong: a token that is meant for somebody else.',
    unit: 'cps',
    wide: 8,
    none: 'all of them held',
    queries: [
      [sum(rate(ours('mandate_token_validation_seconds_count', `${ISSUED}, result!="ok"`)), 'issuer, result'), '{{issuer}} {{result}}'],
    ],
  }),
]

const routes = [
  lines({
    title: 'Requests by route',
    about: 'The twenty busiest routes, people and machines together.',
    unit: 'reqps',
    wide: 6,
    queries: [[`topk(20, ${sum(rate(ours('mandate_requests_total', ON)), 'route')})`, '{{route}}']],
  }),
  lines({
    title: 'Refusals by route',
    about:
      'The twenty routes and codes that refuse most, people and machines together; Provider has no effect here. One route with denied or insufficient_scope: its rule has changed, or a client lost a scope. All of them: look at the tokens above.',
    unit: 'cps',
    wide: 6,
    none: 'none was refused',
    queries: [[`topk(20, ${sum(rate(ours('mandate_refusals_total', ON)), 'route, reason')})`, '{{route}} {{reason}}']],
  }),
  lines({
    title: 'Attempts over a limit, by route',
    about:
      'Attempts that a limit of their route refused. A line that never falls: the limit is too low for its clients, or one of them runs wild.',
    unit: 'cps',
    wide: 6,
    none: 'none was limited',
    queries: [[sum(rate(ours('mandate_limited_total', ON)), 'route'), '{{route}}']],
  }),
  lines({
    title: 'Time to answer by route, p95',
    about: 'By route, the service behind it included. One alone: its service. All of them: the store, the audit log, or too little CPU.',
    unit: 's',
    wide: 6,
    queries: [[`topk(20, ${quantile(0.95, 'mandate_request_duration_seconds', ON, 'route')})`, '{{route}}']],
  }),
]

const upstreams = [
  lines({
    title: 'Health checks of upstream servers',
    about:
      'A server that answers its health checks is at 1, one that does not at 0, as the replica that sees it worst has it. 0 at all replicas: the server; at one of them: the way from there.',
    unit: 'short',
    wide: 8,
    most: 1,
    none: 'no health checks',
    queries: [[`min by (route, server) (${ours('mandate_upstream_up', ON)})`, '{{route}} {{server}}']],
  }),
  lines({
    title: 'Requests sent again',
    about:
      'Requests that were sent again because no answer to them began. A steady line: a server closes connections that it should keep, or is restarted over and over.',
    unit: 'cps',
    wide: 8,
    none: 'none',
    queries: [[sum(rate(ours('mandate_upstream_retries_total', ON)), 'route'), '{{route}}']],
  }),
  lines({
    title: 'Answers of 5xx by route',
    about: 'Ours are 502 and 504, when the service is away or slow; others are its own. The audit log has the code of ours.',
    unit: 'reqps',
    wide: 8,
    none: 'none',
    queries: [[sum(rate(ours('mandate_requests_total', `${ON}, status="5xx"`)), 'route'), '{{route}}']],
  }),
]

const worst = figure({
  title: 'Upstream servers, now',
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
