/** Groups and lists as one would write them: whoever writes one word where a group belongs is shown the group. */

type Path = readonly PropertyKey[]

const PROVIDER =
  '{ kind: oidc, issuer: "https://id.example.com", clientId: mandate, audience: "api://mandate", clientAuth: { method: secret, secret: { file: client-secret } } }'
const CLUSTER = '{ server: "https://k8s.example.com:6443", allow: { groups: [developers] }, as: { kind: forward-token } }'
const MATCH = '{ host: app.example.com, path: /** }'
const ROUTE = `{ match: ${MATCH}, allow: { groups: [finance] }, upstream: "http://app:8080" }`

/** Groups by where they stand; `*` is any name or place in a list. */
export const GROUPS: Readonly<Record<string, string>> = {
  listen: '{ http: { port: 8080 } }',
  'listen.http': '{ port: 8080 }',
  'listen.https': '{ port: 8443, cert: { file: tls.crt }, key: { file: tls.key } }',
  'listen.operations': '{ port: 9090 }',
  'listen.forwardAuth': '{ port: 9180, trusted: [10.0.0.0/8] }',
  'store.redis': '{ url: { env: REDIS_URL }, keys: [{ id: a, key: { file: store-key } }] }',
  providers: `{ corp: ${PROVIDER} }`,
  'providers.*': PROVIDER,
  'providers.*.clientAuth': '{ method: secret, secret: { file: client-secret } }',
  'providers.*.claims': '{ groups: roles }',
  'providers.*.kubernetes': '{ prefix: "corp:" }',
  'providers.*.commandLine': '{ clientId: mandate-cli }',
  clusters: `{ prod: ${CLUSTER} }`,
  'clusters.*': CLUSTER,
  'clusters.*.allow': '{ groups: [developers] }',
  'clusters.*.as': '{ kind: forward-token }',
  'routes.*': ROUTE,
  'routes.*.match': MATCH,
  'routes.*.allow.claims': '{ tenant: [acme] }',
  'routes.*.allow.*.claims': '{ tenant: [acme] }',
  'routes.*.limit': '{ perPrincipal: 60/minute }',
  'routes.*.as': '{ kind: forward-token, audience: app }',
  'routes.*.identity': '{ headers: { X-User: subject } }',
  'routes.*.identity.headers': '{ X-User: subject }',
  'routes.*.timeouts': '{ answer: 30s }',
  'routes.*.upstream.health': '{ path: /healthz }',
  sessions: '{ idle: 30m, absolute: 8h }',
  streams: '{ maxAge: 1h }',
  limits: '{ body: 10MB }',
  'limits.perPrincipal': '{ attempts: 500 }',
  'limits.connections': '{ perAddress: 500 }',
  audit: '{ file: audit.jsonl }',
  log: '{ level: warn }',
  tracing: '{ otlp: "https://otel.example.com:4318" }',
}

/** Lists by the key that they stand under. */
const LISTS: Readonly<Record<string, string>> = {
  scopes: '[reports.read]',
  callers: '[person, machine]',
  providers: '[corp]',
  groups: '[finance]',
  methods: '[GET, POST]',
  withhold: '[X-Remote-Login]',
  servers: '["http://reports-0:8080"]',
  machineClients: '[report-robot]',
  behind: '[10.0.0.0/8]',
  trusted: '[10.0.0.0/8]',
  routes: `[${ROUTE}]`,
}

/** The group at a path as one would write it, with its key; undefined where there is no example. */
export function groupAt(path: Path): string | undefined {
  const example = Object.entries(GROUPS).find(([place]) => isAt(place, path))?.[1]
  const key = path.at(-1)
  return example === undefined || typeof key !== 'string' ? example : `${key}: ${example}`
}

/** The list at a path as one would write it. */
export function listAt(path: Path): string | undefined {
  const key = String(path.at(-1))
  if (key === 'scopes' && path[0] === 'providers') return '[openid, profile]'
  // Values of a claim may be called anything.
  if (path.at(-2) === 'claims' && path[0] === 'routes') return '[acme]'
  return Object.hasOwn(LISTS, key) ? LISTS[key] : undefined
}

/** Whether a path is at a place of which `*` stands for any one key. */
export function isAt(place: string, path: Path): boolean {
  const keys = place === '' ? [] : place.split('.')
  return keys.length === path.length && keys.every((key, at) => key === '*' || key === String(path[at]))
}
