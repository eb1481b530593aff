/** docs/reference/{errors,audit-events,metrics}.md from the three closed catalogues. */
import { AUDIT_EVENTS, type AuditEventName } from '../../src/audit/audit-event.ts'
import { METRICS } from '../../src/metrics.ts'
import { REFUSALS } from '../../src/refusal-codes.ts'
import { cell, GENERATED, table } from './markdown.ts'

/** docs/reference/errors.md */
export function errorsPage(): string {
  const rows = Object.entries(REFUSALS).map(([code, { status, title, mend }]) => [`\`${code}\``, String(status), cell(title), cell(mend)])
  return `# Refusals

${GENERATED}

Whenever Mandate answers by itself instead of passing on a target's answer, it refuses with one of these codes. A code's meaning does
not change; a text may. No refusal quotes a token, a header or a payload.

Where it shows:

- Under \`/clusters/\` the body is a Kubernetes \`Status\`, which kubectl and client libraries print: the code stands in the message and
  in \`details.causes[0].reason\`.
- Elsewhere it is problem details (RFC 9457, \`application/problem+json\`) with \`code\`, \`detail\`, \`mend\` and \`requestId\`.
- A browser that opens a page (GET, \`Accept: text/html\`) gets one that says the same. It is problem details all the same for brokered
  operations, and where the request could not be read so far as to know what it accepts or its connection was not one to be here
  (\`headers_too_many\` beyond 32 kB, \`request_timeout\`, \`peer_refused\`, bad framing).
- In the audit log it is \`code\` of a \`refused\` or \`failed\` event, in metrics the label \`reason\` of \`mandate_refusals_total\`.

\`X-Request-Id\` names the request; the audit log calls it \`attempt\`. A 401 carries \`WWW-Authenticate: Bearer\`, with
\`error="invalid_token"\` for the codes that begin with \`token_\`. A 503 and a 429 carry \`Retry-After\`. **A 503 never means "not signed
in"**: it leaves the login and its cookie as they are.

${table(['code', 'status', 'meaning', 'what to do'], rows)}

An answer of the cluster itself, such as its own 403, is passed on as it came and is none of these.
`
}

type Fact = (typeof AUDIT_EVENTS)[AuditEventName]['facts'][number]

const FACTS: Readonly<Record<Fact, string>> = {
  attempt: 'The request id, the same in all events of one request and in `X-Request-Id`',
  address: "The caller's address; behind a configured proxy that proxy's client; `others` in a sum over many addresses",
  who: '`kind`, `provider`, `issuer`, `subject` and `proof` (`login:` or `bearer:` and the first 16 characters of its digest); of a bearer `client` and `scopes` as far as it says them, the latter up to 2,048 characters; `actor` where somebody acted for the subject; `kind` is `unknown` for a token that holds and whose bearer is nobody here; absent when nobody was authenticated',
  provider: 'Name of the provider in the configuration',
  issuer: "The issuer's identifier",
  subject: "The principal's subject at the issuer",
  login: "SHA-256 of the login cookie's value; of no use to whoever reads it",
  action: 'The Kubernetes verb, or the HTTP method in lower case outside of clusters',
  resource: '`cluster/NAME`, or `gateway` for what was refused before a cluster was known',
  properties:
    'Kubernetes `group`, `resource`, `subresource`, `namespace` and `name`, or the `path`; of a refusal also the `host` that was asked for, up to 255 characters',
  rule: 'The rule of the configuration that allowed',
  credential: 'How the rights were carried: `forward-token` or `impersonate`',
  code: 'One of the [refusals](errors.md)',
  detail: 'What exactly was wrong, in fixed words',
  count: 'How many refusals this record stands for',
  result: '`renewed`, `refused`, `not-sent` or `unknown`',
  cause: 'Why it ended, in a fixed word',
  effect: 'What is about to be done: method, verb, resource, namespace and name',
  status: "The answer's HTTP status; 0 when the caller left before there was one",
  upstreamAuditId: "The API server's `Audit-Id`: joins this record with the cluster's own audit log",
  bytes: 'Bytes of the body passed on',
  milliseconds: 'Time since the grant',
  asker: '`bearer:` and the first 16 characters of the digest of the token a review was made with, or `user:` and the impersonated user',
  reviewed:
    'The action that the API server allowed the user: Kubernetes `verb`, `group`, `version`, `resource`, `subresource`, `namespace` and `name`',
  task: 'The name of the task in the table of own tasks',
}

/** docs/reference/audit-events.md */
export function auditEventsPage(): string {
  const events = Object.entries(AUDIT_EVENTS).map(
    ([name, { means, facts }]) => `## ${name}\n\n${means}\n\n${facts.map((fact) => `\`${fact}\``).join(', ')}\n`,
  )
  return `# Audit events

${GENERATED}

One JSON object a line, on standard output or in \`audit.file\`. Every line has \`time\` (RFC 3339, UTC) and \`event\`, and the facts listed
under the event; a fact that is not known is absent.

- **No record, no action.** \`granted\`, \`refused\`, \`effect\`, \`login\`, \`logout\` and \`stream-opened\` are with the operating system before
  Mandate goes on; when they cannot be written the request is refused as \`audit_unavailable\`. \`completed\`, \`failed\`, \`stream-closed\` and
  \`refresh\` tell of what is over and are written within 100 ms; while the log cannot be written up to 10,000 of them wait, and how many were lost beyond that is logged.
- Refusals of callers that nobody vouched for are recorded ten times a second and address; what goes beyond is summed in one record for
  each code with \`count\`, so that a flood does not fill the disk.
- A record that could not be written whole may still be found in the log: then it tells of something that was not done, never the reverse.
- No event holds a token, a cookie, a header but the host's name, a body, a person's name or an e-mail address.
- A file that was moved away by a rotation is opened anew at the next record.

${events.join('\n')}
## The facts

${table(
  ['fact', 'what it is'],
  Object.entries(FACTS).map(([fact, meaning]) => [`\`${fact}\``, cell(meaning)]),
)}
`
}

type Label = (typeof METRICS)[keyof typeof METRICS]['labels'][number]

const LABELS: Readonly<Record<Label, string>> = {
  provider: 'Name of a provider in the configuration',
  result:
    '`ok` or a refusal code for sign-ins, attempts and validations; `granted`, `refused`, `needs-interaction`, `too-many`, `unavailable` or `threw` for acquisitions; `renewed`, `refused`, `not-sent` or `unknown` for refreshes',
  reason: 'A [refusal code](errors.md)',
  listener: '`http`, `https`, `forward-auth` or `operations`',
  bound: '`total` or `address`',
  route: '`cluster/NAME`, `route/NAME` or `brokered/NAME`',
  kind: '`person`, `machine` or `none`',
  server: 'Origin of a server in the configuration, such as `http://reports-0:8080`',
  version: 'The version of Mandate',
  method: 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS or `other`',
  status: '`2xx` to `5xx`, or `aborted`',
  source: '`forward-token`, `token-exchange` or `impersonate`',
  issuer: 'Name of a provider in the configuration; `none` for a token that no provider was found for',
  cached: '`true` when the verified token was at hand',
  cluster: 'Name of a cluster in the configuration',
  broker: 'Name of a broker in the configuration',
}

/** docs/reference/metrics.md */
export function metricsPage(): string {
  const rows = Object.entries(METRICS).map(([name, { type, help, labels }]) => [
    `\`${name}\``,
    type,
    labels.map((label) => `\`${label}\``).join(', '),
    cell(help),
  ])
  const buckets = Object.entries(METRICS).flatMap(([name, entry]) =>
    'buckets' in entry ? [`- \`${name}\`: ${entry.buckets.join(', ')}`] : [],
  )
  return `# Metrics

${GENERATED}

\`/metrics\` on the operations port, in the Prometheus text format. Label values are configured names, catalogue codes and closed lists:
nothing that a caller chooses becomes one.

${table(['metric', 'type', 'labels', 'meaning'], rows)}

## Labels

${table(
  ['label', 'values'],
  Object.entries(LABELS).map(([label, meaning]) => [`\`${label}\``, cell(meaning)]),
)}

## Buckets

Upper bounds in seconds:

${buckets.join('\n')}
`
}
