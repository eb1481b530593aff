/** Kubernetes: requests and streams by cluster, the credentials that carry them, and brokered operations. */
import { board, type Choice, JOB } from './board.ts'
import { badFrom, figure, lines } from './drawing.ts'
import { orZero, ours, quantile, rate, sum } from './expressions.ts'

const CLUSTERS = 'route=~"cluster/.*"'
const CLUSTER: Choice = { name: 'cluster', title: 'Cluster', metric: `mandate_requests_total{${CLUSTERS}}`, label: 'route' }
// The choice and what it chooses from: "all" must not mean routes as well.
const ON = `${CLUSTERS}, route=~"$cluster"`
const BROKERED = 'route=~"brokered/.*"'

const now = [
  figure({
    title: 'Requests to clusters',
    about: 'To all chosen clusters, a second.',
    unit: 'reqps',
    wide: 4,
    queries: [[orZero(sum(rate(ours('mandate_requests_total', ON)))), 'requests']],
  }),
  figure({
    title: 'Answers of 5xx, share',
    about: 'Share of answers that are 5xx. The panel below says at which cluster: its API server is away, or the store or audit log is.',
    unit: 'percentunit',
    wide: 4,
    colours: badFrom(0.001, 0.01),
    queries: [
      [
        `(${orZero(sum(rate(ours('mandate_requests_total', `${ON}, status="5xx"`))))}) / ${sum(rate(ours('mandate_requests_total', ON)))}`,
        '5xx',
      ],
    ],
  }),
  figure({
    title: 'Live streams, all clusters',
    about: 'Watches, followed logs, exec and port-forwards that are open. They end with the login they rest on.',
    unit: 'short',
    wide: 4,
    queries: [[orZero(sum(ours('mandate_live_streams', ON))), 'streams']],
  }),
  figure({
    title: 'Rights beyond impersonating',
    about: 'Rights that an impersonating account has beyond impersonating. Anything but 0: take them away. The log names them.',
    unit: 'short',
    wide: 4,
    colours: badFrom(1, 1),
    none: 'nobody impersonates',
    queries: [[`max by (cluster) (${ours('mandate_broker_excess')})`, '{{cluster}}']],
  }),
  figure({
    title: 'Orphaned objects',
    about:
      'Objects that a broker wrote and whose owner is gone, as the last sweep left them. Growing in mode delete: the account may not delete them; the log says.',
    unit: 'short',
    wide: 4,
    none: 'no sweep here',
    queries: [[`max by (broker) (${ours('mandate_orphans')})`, '{{broker}}']],
  }),
  figure({
    title: 'Orphans deleted, 24 h',
    about: 'Deleted by sweeps within a day. Many at once: somebody deleted owners without their dependents.',
    unit: 'short',
    wide: 4,
    none: 'none',
    queries: [[`sum by (broker) (increase(${ours('mandate_orphans_deleted_total')}[24h]))`, '{{broker}}']],
  }),
]

const requests = [
  lines({
    title: 'Requests by cluster and status',
    about:
      'Statuses are those that callers got. 4xx rising: the cluster does not take the credentials, or somebody lost rights; 5xx: the API server or Mandate cannot answer.',
    unit: 'reqps',
    wide: 6,
    queries: [[sum(rate(ours('mandate_requests_total', ON)), 'route, status'), '{{route}} {{status}}']],
  }),
  lines({
    title: 'Refusals by cluster',
    about:
      'What Mandate refused before it reached the cluster, by code. denied: allow of the cluster does not admit them; token_audience_wrong: the cluster would not take their token; docs/reference/errors.md has each with its mend.',
    unit: 'cps',
    wide: 6,
    none: 'none was refused',
    queries: [[sum(rate(ours('mandate_refusals_total', ON)), 'route, reason'), '{{route}} {{reason}}']],
  }),
  lines({
    title: 'Time to answer by cluster, p95',
    about:
      'By cluster, the API server included; streams are not counted. Compare with apiserver_request_duration_seconds of the cluster: what is slow there is slow here.',
    unit: 's',
    wide: 6,
    queries: [[quantile(0.95, 'mandate_request_duration_seconds', ON, 'route'), '{{route}}']],
  }),
  lines({
    title: 'Live streams by cluster',
    about: 'By cluster, all replicas together. A cliff: a replica went, or the store was away for longer than streams.blindFor.',
    unit: 'short',
    wide: 6,
    queries: [[sum(ours('mandate_live_streams', ON), 'route'), '{{route}}']],
  }),
]

const credentials = [
  lines({
    title: 'Credentials granted',
    about: 'Obtained for callers, those of routes included, by source: the token of the caller, or an impersonation that names them.',
    unit: 'cps',
    wide: 12,
    queries: [
      [
        sum(rate(ours('mandate_credential_acquisitions_total', 'source=~"forward-token|impersonate", result="granted"')), 'source'),
        '{{source}}',
      ],
    ],
  }),
  lines({
    title: 'Credentials not granted',
    about:
      'By source and result. Nothing is done for these callers. refused: ask the issuer why; needs-interaction: sign in again; unavailable: the issuer is away.',
    unit: 'cps',
    wide: 12,
    none: 'all were granted',
    queries: [
      [
        sum(
          rate(ours('mandate_credential_acquisitions_total', 'source=~"forward-token|impersonate", result!="granted"')),
          'source, result',
        ),
        '{{source}} {{result}}',
      ],
    ],
  }),
]

const brokers = [
  lines({
    title: 'Brokered operations',
    about:
      'By broker and status. 4xx: a review said no, or the body does not fit; 5xx: the account may not be used (it may do too much), or the cluster is away.',
    unit: 'reqps',
    wide: 8,
    none: 'no brokers',
    queries: [[sum(rate(ours('mandate_requests_total', BROKERED)), 'route, status'), '{{route}} {{status}}']],
  }),
  lines({
    title: 'Time to answer by broker, p95',
    about: 'By broker, with all reviews and writes of an operation.',
    unit: 's',
    wide: 8,
    none: 'no brokers',
    queries: [[quantile(0.95, 'mandate_request_duration_seconds', BROKERED, 'route'), '{{route}}']],
  }),
  lines({
    title: 'Orphans after the last sweep, and what nobody can tell',
    about: 'Left by the last sweep. Unknown ones stay: their owner is of a kind or in a namespace that the account may not read.',
    unit: 'short',
    wide: 8,
    none: 'no sweep here',
    queries: [
      [`max by (broker) (${ours('mandate_orphans')})`, '{{broker}}, orphans'],
      [`max by (broker) (${ours('mandate_orphans_unknown')})`, '{{broker}}, unknown'],
    ],
  }),
]

export const kubernetesBoard = () =>
  board({
    uid: 'mandate-kubernetes',
    title: 'Mandate: Kubernetes',
    about: 'Clusters, the streams that are open to them, the credentials that requests carry, and brokered operations.',
    choices: [JOB, CLUSTER],
    rows: [
      { title: 'Now', panels: now },
      { title: 'Requests', panels: requests },
      { title: 'Credentials', panels: credentials },
      { title: 'Brokers', panels: brokers },
    ],
  })
