/** Values of the chart as users give them: what is common to all, and the sets that the tests render. */
import { parseAllDocuments } from 'yaml'
import type { KubernetesObject } from '../../src/dev/kubernetes/object.ts'
import { ROOT } from '../house/files.ts'
import { helm } from './parts/deploy-programs.ts'
import type { Finished } from './parts/kubectl.ts'

export const CHART = `${ROOT}/deploy/helm/mandate`

export interface Values {
  [key: string]: unknown
}

const CORP = {
  kind: 'oidc',
  issuer: 'https://id.corp.example',
  clientId: 'mandate',
  clientAuth: { method: 'secret', secret: { file: '/etc/mandate/corp/client-secret' } },
  audience: 'api://mandate',
}

const REDIS = { redis: { url: { env: 'REDIS_URL' }, keys: [{ id: 'k1', key: { env: 'SEALING_KEY' } }] } }

/** The least that a cluster needs to say. */
export const LEAST: Values = {
  image: { repository: 'registry.example/mandate' },
  config: {
    publicUrl: 'https://mandate.example',
    listen: { behind: ['10.0.0.0/8'] },
    store: REDIS,
    providers: { corp: CORP },
  },
  secretEnv: {
    REDIS_URL: { secret: 'mandate-store', key: 'redis-url' },
    SEALING_KEY: { secret: 'mandate-store', key: 'sealing-key' },
  },
  secretFiles: [{ secret: 'mandate-corp', path: '/etc/mandate/corp' }],
}

/** TLS ended by the gateway itself, everything switched on. */
const EVERYTHING: Values = {
  image: { repository: 'registry.example:5000/team/mandate', tag: '0.1.0', digest: `sha256:${'0'.repeat(64)}`, pullPolicy: 'Always' },
  imagePullSecrets: [{ name: 'registry' }],
  fullnameOverride: 'front-door',
  replicas: 3,
  config: {
    listen: {
      http: null,
      https: { port: 8443, cert: { file: '/etc/mandate/tls/tls.crt' }, key: { file: '/etc/mandate/tls/tls.key' } },
      forwardAuth: { host: '0.0.0.0', port: 4181, trusted: ['10.0.0.0/8'] },
    },
    clusters: {
      here: { server: 'https://kubernetes.default.svc', allow: { groups: ['platform'] }, as: { kind: 'forward-token' } },
    },
    limits: { signIns: 1_000_000 },
  },
  env: { NODE_OPTIONS: '--max-old-space-size=128', SWITCH: true, NUMBER: 12345678 },
  secretFiles: [
    { secret: 'mandate-corp', path: '/etc/mandate/corp' },
    { secret: 'mandate-tls', path: '/etc/mandate/tls' },
  ],
  extraVolumes: [
    {
      name: 'issuer-token',
      projected: { sources: [{ serviceAccountToken: { path: 'corp', audience: 'https://id.corp.example', expirationSeconds: 3_600 } }] },
    },
  ],
  extraVolumeMounts: [{ name: 'issuer-token', mountPath: '/var/run/secrets/tokens', readOnly: true }],
  resources: { limits: { cpu: 1 } },
  service: { type: 'LoadBalancer', externalTrafficPolicy: 'Local', annotations: { 'example.com/pool': 'public' } },
  ingress: {
    enabled: true,
    className: 'nginx',
    hosts: ['mandate.example', 'reports.example'],
    tls: { secretName: 'mandate-tls' },
    certManager: { issuer: 'corp' },
    annotations: { 'example.com/owner': 'platform' },
    nginx: { enabled: true, rateLimit: { perSecond: 20, connections: 50 } },
  },
  networkPolicy: {
    dns: { to: [{ ipBlock: { cidr: '169.254.20.10/32' } }], ports: [53, 5353] },
    egress: [
      { to: [{ podSelector: { matchLabels: { 'app.kubernetes.io/name': 'redis' } } }], ports: [6380] },
      { to: [{ ipBlock: { cidr: '203.0.113.0/24' } }], ports: [6443] },
    ],
  },
  podDisruptionBudget: { maxUnavailable: '30%' },
  serviceMonitor: { enabled: true, labels: { release: 'prometheus' } },
  serviceAccount: { automountToken: true, annotations: { 'example.com/role': 'gateway' } },
  topologySpread: { zones: 'DoNotSchedule', hosts: '' },
  podAnnotations: { 'example.com/scrape': 'no' },
  podLabels: { tier: 'edge' },
  nodeSelector: { 'kubernetes.io/os': 'linux' },
  tolerations: [{ key: 'edge', operator: 'Exists', effect: 'NoSchedule' }],
  affinity: { nodeAffinity: {} },
  priorityClassName: 'system-cluster-critical',
}

/** One process and no Redis, and none of the objects that can be left out. */
const ALONE: Values = {
  replicas: 1,
  config: { store: { redis: null, memory: 'singleReplica' } },
  secretEnv: null,
  preStopSeconds: 0,
  networkPolicy: { enabled: false },
  podDisruptionBudget: { enabled: false },
}

/** Nobody is let in, and nothing but the store is let be reached. */
const SHUT: Values = {
  networkPolicy: { ingressFrom: [], scrapeFrom: [], dns: { to: [] }, outside: { to: [] } },
}

/** Name of a set to its values, each laid over LEAST. */
export const SETS: Readonly<Record<string, Values>> = {
  'the least': {},
  everything: EVERYTHING,
  'one replica alone': ALONE,
  'shut off': SHUT,
}

/** Runs helm with the values, laid over LEAST; null takes a key out, be it of LEAST or of the chart. */
export async function withValues(args: readonly string[], values: Values, env: Readonly<Record<string, string>> = {}): Promise<Finished> {
  return helm([...args, '--values', '-'], { input: JSON.stringify(merge(LEAST, values)), env })
}

/** What the chart makes of the values, as a user's `helm template` prints it. Throws an Error with helm's words. */
export async function render(values: Values, release = 'mandate'): Promise<{ text: string; objects: KubernetesObject[] }> {
  const { code, stdout, stderr } = await withValues(['template', release, CHART, '--namespace', 'mandate'], values)
  if (code !== 0) throw new Error(stderr)
  return { text: stdout, objects: objectsIn(stdout) }
}

export function objectsIn(text: string): KubernetesObject[] {
  return parseAllDocuments(text)
    .map((document) => {
      // Two keys of one name, or a value that is no YAML, must not pass as the last of them.
      if (document.errors.length > 0) throw document.errors[0]
      return document.toJS() as KubernetesObject | null
    })
    .filter((object) => object !== null)
}

function merge(under: Values, over: Values): Values {
  const merged: Values = { ...under }
  for (const [key, above] of Object.entries(over)) {
    const below = under[key]
    if (above === null && key in under) delete merged[key]
    else merged[key] = isObject(below) && isObject(above) ? merge(below, above) : above
  }
  return merged
}

function isObject(value: unknown): value is Values {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
