/**
 * A small Kubernetes API server for `mandate dev` and for tests: no container, no etcd, no download.
 *
 * It listens on loopback only and keeps everything in memory. It trusts what `authenticate` says about a bearer and
 * holds no other secrets than the tokens of the service accounts it is given, and the key of those that it issues.
 */
import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { type AuditEntry, AuditTrail } from './audit-trail.ts'
import type { Authenticate } from './authentication.ts'
import { startCascade } from './cascade.ts'
import { commitCreate, prepareCreate } from './create-object.ts'
import { defaultObjects } from './default-roles.ts'
import { asObject, asText, type KubernetesObject, namespaceOf } from './object.ts'
import { ObjectStore } from './object-store.ts'
import { PodLogs } from './pod-logs.ts'
import { RbacAuthorizer } from './rbac-authorizer.ts'
import { findKind, findResource } from './resource-table.ts'
import { serveRequest } from './serve-request.ts'
import { nodeObject, startKubelet } from './tiny-kubelet.ts'
import { AccountTokens } from './token-requests.ts'
import { asksForWebSocket, serveUpgrades } from './upgrades.ts'
import type { UserInfo } from './user-info.ts'

export type KubernetesOptions = {
  /** Finds the user of a bearer, undefined when it is nobody's. A rejection is answered 500. */
  authenticate: Authenticate
  /** Fixed tokens, asked before `authenticate`: an administrator, the gateway's own account. */
  serviceAccounts?: ReadonlyMap<string, UserInfo>
  /** PEM. Without it the server speaks plain HTTP, over which kubectl sends no bearer. */
  tls?: { cert: string; key: string }
  /** Default 0: any free port. */
  port?: number
  /** Objects there from the start, namespaces before what is in them. */
  seed?: readonly KubernetesObject[]
}

export type KubernetesStandIn = {
  /** `https://127.0.0.1:PORT`, or http without tls. */
  url: string
  /** Who did what so far. */
  audit(): readonly AuditEntry[]
  /** Adds a line to a pod's log. Throws when there is no such pod. */
  addLogLine(namespace: string, pod: string, line: string): void
  /** Ends open streams and connections; resolves when the port is free. */
  close(): Promise<void>
}

function plant(store: ObjectStore, objects: readonly KubernetesObject[]): void {
  for (const object of objects) {
    const type = findKind(object.apiVersion, object.kind)
    if (type === undefined) throw new Error(`the seed has ${object.apiVersion} ${object.kind}, which this server has not`)
    const prepared = prepareCreate(store, type, namespaceOf(object), object)
    const status = asObject(object.status)
    if (status !== undefined) prepared.status = status
    commitCreate(store, type, prepared, false)
  }
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject)
      resolve((server.address() as AddressInfo).port)
    })
  })
}

/** Starts the server; resolves when it accepts connections. Rejects when the port is taken or the seed is not valid. */
export async function startKubernetes(options: KubernetesOptions): Promise<KubernetesStandIn> {
  const store = new ObjectStore()
  const logs = new PodLogs()
  const trail = new AuditTrail()
  const closing = new AbortController()
  const stopKubelet = startKubelet(store, logs)
  const stopCascade = startCascade(store)
  plant(store, [...defaultObjects(), nodeObject(), ...(options.seed ?? [])])
  store.forget()

  const tokens = new AccountTokens(store)
  const authenticate: Authenticate = async (bearer) =>
    options.serviceAccounts?.get(bearer) ?? tokens.userOf(bearer) ?? options.authenticate(bearer)
  const gate = { store, tokens, logs, trail, authenticate, authorizer: new RbacAuthorizer(store), closing: closing.signal }
  const answer: RequestListener = (request, response) => void serveRequest(gate, request, response)
  const shouldUpgradeCallback = asksForWebSocket
  const server =
    options.tls === undefined
      ? createHttpServer({ shouldUpgradeCallback }, answer)
      : createHttpsServer({ ...options.tls, shouldUpgradeCallback }, answer)
  serveUpgrades(server, (request, response, connect) => void serveRequest(gate, request, response, connect), closing.signal)
  const port = await listen(server, options.port ?? 0)

  return {
    url: `${options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    audit: () => trail.entries(),
    addLogLine: (namespace, pod, line) => {
      const type = findResource('', 'v1', 'pods')
      const found = type === undefined ? undefined : store.get(type, namespace, pod)
      if (found === undefined) throw new Error(`there is no pod ${namespace}/${pod}`)
      logs.add(asText(found.metadata.uid), line)
    },
    close: async () => {
      closing.abort()
      stopKubelet()
      stopCascade()
      await new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
    },
  }
}
