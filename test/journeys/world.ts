/**
 * What Mandate stands between in a journey: an issuer, a cluster and a shared store. The journeys run unchanged on
 * stand-ins (here) and on real parts (`test/real/world.ts`); only this differs.
 */
import { jwtVerify } from 'jose'
import { systemClock } from '../../src/clock.ts'
import type { SharedState } from '../../src/compose/state.ts'
import type { Issuer } from '../../src/dev/issuer/issuer.ts'
import { startIssuer } from '../../src/dev/issuer/issuer.ts'
import type { IssuerOptions, TestUser } from '../../src/dev/issuer/options.ts'
import { devSeed } from '../../src/dev/kubernetes/seed.ts'
import { type KubernetesStandIn, startKubernetes } from '../../src/dev/kubernetes/server.ts'
import type { UserInfo } from '../../src/dev/kubernetes/user-info.ts'
import { randomKey } from '../../src/store/key.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import { withOutage } from '../../src/store/outage.fake.ts'
import { createKeyRing } from '../../src/store/sealed.ts'

export const ALICE: TestUser = { name: 'alice', sub: 'alice', email: 'alice@corp.example', emailVerified: true, groups: ['team-a'] }
export const BOB: TestUser = { name: 'bob', sub: 'bob', email: 'bob@corp.example', emailVerified: true, groups: ['team-b'] }

/** What clusters see before the names of the provider `corp`. */
export const PREFIX = 'corp:'
export const CLIENT = 'mandate'
export const AUDIENCE = 'api://mandate'

/** Who acted on the cluster, as its own audit log says. */
export interface Acted {
  readonly user: string | undefined
  readonly impersonated:
    | {
        readonly username?: string
        readonly uid?: string
        readonly groups?: readonly string[]
        readonly extra?: Readonly<Record<string, readonly string[]>>
      }
    | undefined
  readonly verb: string
  readonly uri: string
  readonly auditId: string
  readonly code: number | undefined
}

export interface Cluster {
  readonly url: string
  /** PEM to trust; undefined for plain http on loopback. */
  readonly ca: string | undefined
  /** Token of the account that may impersonate and nothing else. */
  readonly brokerToken: string
  /** Everything that arrived so far. */
  acted(): Promise<readonly Acted[]>
  /** The API server goes away, and comes back with its contents. */
  down(): Promise<void>
  up(): Promise<void>
}

export interface World {
  readonly issuer: Issuer
  /** PEM to trust for the issuer; undefined for plain http on loopback. */
  readonly issuerCa: string | undefined
  readonly cluster: Cluster
  /** A new client of the shared state, as one more replica has. */
  state(): Promise<SharedState>
  /** The store goes away for every client, and comes back with its contents. */
  storeDown(): Promise<void>
  storeUp(): Promise<void>
  close(): Promise<void>
}

export interface WorldOptions {
  /** Where Mandate is, for the issuer's redirects. */
  readonly origin: string
  readonly issuer?: Partial<IssuerOptions>
}

export type StartWorld = (options: WorldOptions) => Promise<World>

/** The clients every world's issuer knows. */
export function clientsOf(origin: string): IssuerOptions['clients'] {
  return [
    {
      id: CLIENT,
      secret: 'client-secret-of-the-test',
      redirectUris: [`${origin}/callback/corp`],
      postLogoutRedirectUris: [`${origin}/logout`],
      backchannelLogoutUri: `${origin}/back-channel-logout/corp`,
    },
    { id: 'robot', secret: 'robot-secret-of-the-test', machine: true },
  ]
}

const BROKER = 'broker-token-of-the-test'

/** A world of stand-ins in this process. */
export const standIns: StartWorld = async ({ origin, issuer: more }) => {
  const issuer = await startIssuer({ users: [ALICE, BOB], clients: clientsOf(origin), audience: AUDIENCE, ...more })
  const cluster = await standInCluster(issuer)
  const memory = createMemoryStore(systemClock)
  const ring = createKeyRing([{ id: 'test', key: randomKey() }])
  const outages: Array<ReturnType<typeof withOutage>> = []
  let away = false
  return {
    issuer,
    issuerCa: undefined,
    cluster,
    async state() {
      const outage = withOutage(memory.another())
      outages.push(outage)
      if (away) outage.down()
      return { store: outage.store, ring }
    },
    async storeDown() {
      away = true
      for (const outage of outages) outage.down()
    },
    async storeUp() {
      away = false
      for (const outage of outages) outage.up()
    },
    async close() {
      await cluster.close()
      await issuer.close()
      await memory.close()
    },
  }
}

/** A stand-in cluster that trusts the issuer's ID tokens, as structured authentication would. */
async function standInCluster(issuer: Issuer): Promise<Cluster & { close(): Promise<void> }> {
  const authenticate = async (bearer: string): Promise<UserInfo | undefined> => {
    try {
      const { payload } = await jwtVerify(bearer, issuer.signingKey().publicKey, { issuer: issuer.issuer, audience: [CLIENT, AUDIENCE] })
      const groups = Array.isArray(payload['groups']) ? payload['groups'].map((group) => `${PREFIX}${group}`) : []
      return { username: `${PREFIX}${payload.sub}`, groups }
    } catch {
      return undefined
    }
  }
  const serviceAccounts = new Map([[BROKER, { username: 'system:serviceaccount:mandate:gateway', groups: [] }]])
  const start = (port: number) => startKubernetes({ authenticate, serviceAccounts, port, seed: [...devSeed(PREFIX), ...brokerRights] })
  let server: KubernetesStandIn | undefined = await start(0)
  const url = server.url
  const past: Acted[] = []
  const seen = (): Acted[] =>
    (server?.audit() ?? []).map((entry) => ({
      user: entry.user?.username,
      impersonated: entry.impersonatedUser,
      verb: entry.verb,
      uri: entry.requestURI,
      auditId: entry.auditID,
      code: entry.responseStatus.code,
    }))
  return {
    url,
    ca: undefined,
    brokerToken: BROKER,
    acted: async () => [...past, ...seen()],
    async down() {
      past.push(...seen())
      await server?.close()
      server = undefined
    },
    async up() {
      server = await start(Number(new URL(url).port))
    },
    close: async () => server?.close(),
  }
}

/** What the broker's account may do: impersonate, and nothing else. */
export const brokerRights = [
  {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name: 'mandate-impersonate' },
    rules: [
      { apiGroups: [''], resources: ['users', 'groups'], verbs: ['impersonate'] },
      {
        apiGroups: ['authentication.k8s.io'],
        resources: ['uids', 'userextras/mandate.dev/provider', 'userextras/mandate.dev/subject'],
        verbs: ['impersonate'],
      },
    ],
  },
  {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: 'mandate-impersonate' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'mandate-impersonate' },
    subjects: [{ kind: 'ServiceAccount', namespace: 'mandate', name: 'gateway' }],
  },
]
