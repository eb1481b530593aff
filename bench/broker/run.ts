/**
 * What a brokered create costs over the two API calls that it is made of, and what bounds creates a second. Takes two minutes.
 *
 * The same review (as the user, by impersonation) and the same write (as the account) are made directly and through Mandate,
 * interleaved, at a real kube-apiserver.
 */
import { Agent as PlainAgent, request as plainRequest } from 'node:http'
import { Agent, request } from 'node:https'
import { cpus } from 'node:os'
import { startKubernetes } from '../../test/real/parts/kube-apiserver.ts'
import { binding, OBJECTS } from '../gateway/cluster-objects.ts'
import { median } from '../gateway/median.ts'
import { startSubject } from '../gateway/subject.ts'

const ROUNDS = 600
const SATURATED_CREATES = 4_000
const AT_ONCE = 32
const DIRECT = 'direct'
const REVIEWS = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews'
const COLLECTION = '/api/v1/namespaces/default/configmaps'

/** In one namespace: an account that may write in the system's as well keeps a gateway from starting. */
const NAMESPACED = { apiVersion: 'rbac.authorization.k8s.io/v1', metadata: { name: 'write-configmaps', namespace: 'default' } }
const ACCOUNT_RIGHTS = [
  { ...NAMESPACED, kind: 'Role', rules: [{ apiGroups: [''], resources: ['configmaps'], verbs: ['create'] }] },
  {
    ...NAMESPACED,
    kind: 'RoleBinding',
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'write-configmaps' },
    subjects: [{ kind: 'ServiceAccount', name: 'account', namespace: 'mandate' }],
  },
]
const role = (name: string, verbs: string[]) => ({
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRole',
  metadata: { name },
  rules: [{ apiGroups: [''], resources: ['configmaps'], verbs }],
})
const MORE = [
  { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'account', namespace: 'mandate' } },
  ...ACCOUNT_RIGHTS,
  role('use-configmaps', ['create', 'list']),
  binding('use-configmaps', { apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: 'corp:team-a' }),
]

const kubernetes = await startKubernetes()
try {
  await kubernetes.kubectl(['apply', '-f', '-'], {
    input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [...OBJECTS, ...MORE] }),
  })
  const tokenOf = async (account: string) =>
    (await kubernetes.kubectl(['create', 'token', account, '-n', 'mandate', '--duration', '2h'])).stdout.trim()
  const [gateway, account] = [await tokenOf('gateway'), await tokenOf('account')]
  process.env['BENCH_ACCOUNT_TOKEN'] = account
  const subject = await startSubject({ server: kubernetes.url, ca: kubernetes.caPem, brokerToken: gateway, adapt: declare })
  try {
    await measure(subject.origin, subject.bearer(), gateway, account, () => subject.cpu())
  } finally {
    await subject.stop()
  }
} finally {
  await kubernetes.stop()
}

function declare(config: Record<string, unknown>): void {
  const where = { kind: 'map', namespace: { cel: 'path.namespace' } }
  config['brokered'] = {
    maps: {
      cluster: 'prod',
      account: { token: { env: 'BENCH_ACCOUNT_TOKEN' } },
      namespaces: ['default'],
      kinds: { map: { version: 'v1', resource: 'configmaps', kind: 'ConfigMap' } },
      operations: [
        {
          name: 'create',
          match: { method: 'POST', path: '/maps/{namespace}' },
          body: {
            type: 'object',
            properties: { note: { type: 'string', maxLength: 2000 } },
            required: ['note'],
            additionalProperties: false,
          },
          writes: [{ do: 'create', ...where, name: { cel: "'m-' + unique" }, object: { data: { note: { cel: 'body.note' } } } }],
        },
        { name: 'list', match: { method: 'GET', path: '/maps/{namespace}' }, asUser: { do: 'list', ...where } },
      ],
    },
  }
}

async function measure(origin: string, bearer: string, gateway: string, account: string, cpu: () => Promise<number>): Promise<void> {
  const direct = new Agent({ keepAlive: true, maxSockets: AT_ONCE, ca: kubernetes.caPem })
  const through = new PlainAgent({ keepAlive: true, maxSockets: AT_ONCE })
  let made = 0
  const asUser = { Authorization: `Bearer ${gateway}`, 'Impersonate-User': 'corp:alice', 'Impersonate-Group': 'corp:team-a' }
  const attributes = { verb: 'create', version: 'v1', resource: 'configmaps', namespace: 'default' }
  const review = JSON.stringify({
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SelfSubjectAccessReview',
    spec: { resourceAttributes: attributes },
  })
  const note = 'x'.repeat(500)
  const send = (kind: 'direct' | 'mandate', method: string, path: string, headers: Record<string, string>, body?: string) =>
    new Promise<void>((resolve, reject) => {
      const all = {
        ...headers,
        ...(kind === 'direct' ? { 'User-Agent': DIRECT } : {}),
        ...(body === undefined ? {} : { 'Content-Type': 'application/json', 'Content-Length': String(Buffer.byteLength(body)) }),
      }
      const call =
        kind === 'direct'
          ? request(`${kubernetes.url}${path}`, { method, agent: direct, headers: all })
          : plainRequest(`${origin}${path}`, { method, agent: through, family: 4, headers: all })
      call.on('response', (response) => {
        if ((response.statusCode ?? 500) >= 300)
          response.on('data', (part: Buffer) => reject(new Error(`${kind}: ${response.statusCode} ${part}`)))
        response.resume().on('end', resolve)
      })
      call.on('error', reject).end(body)
    })
  const create = {
    async direct() {
      made += 1
      const labels = { 'mandate/broker': 'maps', 'mandate/caller': 'c'.repeat(40) }
      const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: `d-${made}`, labels }, data: { note } }
      await send('direct', 'POST', REVIEWS, asUser, review)
      await send('direct', 'POST', `${COLLECTION}?fieldManager=mandate`, { Authorization: `Bearer ${account}` }, JSON.stringify(object))
    },
    mandate: () => send('mandate', 'POST', '/maps/default', { Authorization: `Bearer ${bearer}` }, JSON.stringify({ note })),
  }
  const list = {
    direct: () => send('direct', 'GET', `${COLLECTION}?limit=1`, asUser),
    mandate: () => send('mandate', 'GET', '/maps/default?limit=1', { Authorization: `Bearer ${bearer}` }),
  }
  const timed = async (work: () => Promise<void>) => {
    const began = performance.now()
    await work()
    return performance.now() - began
  }
  const interleaved = async (work: typeof create) => {
    const times = { direct: [] as number[], mandate: [] as number[] }
    for (let i = 0; i < 100; i += 1) for (const kind of ['direct', 'mandate'] as const) await work[kind]()
    const before = await arrived()
    for (let i = 0; i < ROUNDS; i += 1) for (const kind of ['direct', 'mandate'] as const) times[kind].push(await timed(work[kind]))
    const calls = (await arrived()) - before
    return { direct: median(times.direct), mandate: median(times.mandate), calls }
  }
  /** Requests that the API server has seen from Mandate: those directly made say so. */
  const arrived = async () => {
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    const asked = await kubernetes.auditLog()
    return asked.filter(({ userAgent, requestURI }) => userAgent !== DIRECT && /configmaps\?|selfsubjectaccess/.test(requestURI)).length
  }

  console.log(`${new Date().toISOString().slice(0, 10)}, ${cpus().length} cores, Node ${process.version}\n`)
  console.log('| what | target | measured |\n| --- | --- | --- |')
  const row = (what: string, target: string, measured: string) => console.log(`| ${what} | ${target} | ${measured} |`)
  const created = await interleaved(create)
  row('review and write, directly, p50', '', `${created.direct.toFixed(2)} ms`)
  row('a brokered create, p50', '', `${created.mandate.toFixed(2)} ms`)
  row(
    'added by Mandate',
    'at most 2 ms',
    `${(created.mandate - created.direct).toFixed(2)} ms (ratio ${(created.mandate / created.direct).toFixed(2)})`,
  )
  row("API calls of a create, by the API server's audit log", '2', (created.calls / ROUNDS).toFixed(3))
  const listed = await interleaved(list)
  row('a listing through Mandate against a direct one, p50', '', `${listed.mandate.toFixed(2)} ms against ${listed.direct.toFixed(2)} ms`)
  row('API calls of a listing', '1', (listed.calls / ROUNDS).toFixed(3))
  for (const kind of ['direct', 'mandate'] as const) {
    const [cpuBefore, began] = [await cpu(), performance.now()]
    let left = SATURATED_CREATES
    const worker = async () => {
      while (left > 0) {
        left -= 1
        await create[kind]()
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, worker))
    const seconds = (performance.now() - began) / 1_000
    const each = ((await cpu()) - cpuBefore) / SATURATED_CREATES
    row(
      `creates a second, ${AT_ONCE} at once, ${kind}`,
      'reported',
      `${(SATURATED_CREATES / seconds).toFixed(0)}${kind === 'mandate' ? `, ${each.toFixed(0)} µs CPU of the gateway each` : ''}`,
    )
  }
}
