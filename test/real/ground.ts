/**
 * What a world of real parts stands on: a kube-apiserver with its etcd and a node, a Redis, and the one address where
 * the API server expects its issuer. Starting it takes seconds, so it outlives a world and serves the next one.
 */
import { createServer, type Socket } from 'node:net'
import { type CertificateAndKey, createCertificateAuthority } from '../../src/dev/certificate-authority.ts'
import { devSeed } from '../../src/dev/kubernetes/seed.ts'
import { relay } from '../../src/store/listen.fake.ts'
import { AUDIENCE, brokerRights, CLIENT, PREFIX } from '../journeys/world.ts'
import { type Kubernetes, startKubernetes } from './parts/kube-apiserver.ts'
import { type Kwok, startKwok } from './parts/kwok.ts'
import { type Redis, startRedis } from './parts/redis.ts'
import type { TrustedIssuer } from './parts/trusted-issuers.ts'
import { aggregateRoles, apply, clear, tokenOf } from './seeding.ts'

/** The address of an issuer that is made anew for each world while the API server goes on trusting it. */
export interface IssuerPlace {
  /** `https://localhost:<port>` */
  readonly url: string
  readonly caPem: string
  readonly tls: CertificateAndKey
  /** Passes connections on to that port of 127.0.0.1; without one they are cut. */
  leadTo(port: number | undefined): void
  close(): Promise<void>
}

export interface Ground {
  readonly place: IssuerPlace
  /** Starts the parts at the first call, when an issuer must be at its place. */
  parts(): Promise<Parts>
  stop(): Promise<void>
}

export interface Parts {
  readonly kubernetes: Kubernetes
  readonly redis: Redis
  /** How the API server trusts the issuer at the place of this ground. */
  readonly trusted: TrustedIssuer
  /** A token of the service account `mandate/gateway`. */
  readonly brokerToken: string
  /** Gives the teams' namespaces the contents of the seed again. */
  restore(): Promise<void>
  /** The node on which pods run and have logs; there is none before the first call. */
  node(): Promise<Kwok>
  /** What the pods of that node do with a connection that is forwarded to any of their ports; nothing before the first call. */
  podsServe(serve: (connection: Socket) => void): void
  stop(): Promise<void>
}

const BROKER = { namespace: 'mandate', name: 'gateway' }

/** Takes an address; nothing else is started yet. */
export async function takeGround(): Promise<Ground> {
  const place = await takeIssuerPlace()
  let started: Promise<Parts> | undefined
  return {
    place,
    parts() {
      started ??= startParts(place)
      return started
    },
    async stop() {
      const parts = await started?.catch(() => undefined)
      await Promise.all([parts?.stop(), place.close()])
    },
  }
}

async function takeIssuerPlace(): Promise<IssuerPlace> {
  const sockets = new Set<Socket>()
  let target: number | undefined
  // Held for as long as the API server trusts the address: a port that is given back may be somebody else's next.
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    if (target === undefined) return void socket.destroy()
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    relay(socket, target)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const authority = await createCertificateAuthority('Test issuer authority')
  return {
    url: `https://localhost:${typeof address === 'object' ? address?.port : ''}`,
    caPem: authority.certificatePem,
    tls: await authority.issue({ commonName: 'issuer', dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] }),
    leadTo(port) {
      target = port
      for (const socket of sockets) socket.destroy()
    },
    close() {
      for (const socket of sockets) socket.destroy()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}

async function startParts({ url, caPem }: IssuerPlace): Promise<Parts> {
  const trusted = { url, caPem, audiences: [CLIENT, AUDIENCE], usernamePrefix: PREFIX, groupsPrefix: PREFIX }
  const started = await Promise.allSettled([startKubernetes({ issuers: [trusted] }), startRedis({ keepsData: true })])
  const [kubernetes, redis] = started
  if (kubernetes.status === 'rejected' || redis.status === 'rejected') {
    for (const part of started) if (part.status === 'fulfilled') await part.value.stop()
    throw kubernetes.status === 'rejected' ? kubernetes.reason : redis.status === 'rejected' ? redis.reason : undefined
  }
  const { ask } = kubernetes.value
  const seed = devSeed(PREFIX)
  await aggregateRoles(ask)
  await apply(ask, [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: BROKER.namespace } },
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: BROKER },
    ...brokerRights,
    ...seed,
  ])
  const restore = async () => {
    await clear(ask, ['team-a', 'team-b'])
    await apply(ask, seed)
  }
  let node: Promise<Kwok> | undefined
  let serve = (connection: Socket): void => void connection.destroy()
  const pods = createServer((connection) => {
    connection.on('error', () => undefined)
    serve(connection)
  })
  const startNode = async () => {
    await new Promise<void>((resolve) => pods.listen(0, '127.0.0.1', resolve))
    const address = pods.address()
    if (address === null || typeof address === 'string') throw new Error('the pods have no port')
    const kwok = await startKwok(kubernetes.value, { portForwardTo: address.port })
    // Pods that were there before the node were put nowhere.
    await restore()
    return kwok
  }
  return {
    kubernetes: kubernetes.value,
    redis: redis.value,
    trusted,
    brokerToken: await tokenOf(ask, BROKER),
    restore,
    node() {
      node ??= startNode()
      return node
    },
    podsServe(how) {
      serve = how
    },
    async stop() {
      const kwok = await node?.catch(() => undefined)
      await kwok?.stop()
      pods.close()
      await Promise.all([kubernetes.value.stop(), redis.value.stop()])
    },
  }
}
