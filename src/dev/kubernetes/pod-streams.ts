/**
 * GET pods/exec, pods/attach and pods/portforward over WebSocket, in the API server's order: the right to connect, the pod,
 * its container, and only then anything about the upgrade.
 *
 * Connecting by GET needs the verb `create` too. Otherwise whoever may read everything could run commands by WebSocket,
 * which knows no other method than GET.
 */
import { isTrue } from '../../kubernetes/request-info.ts'
import { asText, at, type Json, type JsonObject, type KubernetesObject, nameOf } from './object.ts'
import { assertContainer } from './pod-logs.ts'
import { forwardPorts, portForwardProtocol } from './port-forward.ts'
import type { Cluster, ResourceRequest } from './serve-resource.ts'
import { badRequest, forbidden, methodNotAllowed } from './status-error.ts'
import { StreamChannels, type StreamProtocol, streamProtocols, type WantedStreams } from './stream-channels.ts'
import { runCommand } from './tiny-shell.ts'

/** The subresources that are connections rather than objects. */
export const connectingSubresources: readonly string[] = ['attach', 'exec', 'portforward']

const success: JsonObject = { metadata: {}, status: 'Success' }
const killedCode = 137
const noStreams = 'you must specify at least 1 of stdin, stdout, stderr'

/** What a container that prints faster than its reader reads may be ahead, in bytes. */
const attachLimit = 1 << 20

function internalFailure(why: string): JsonObject {
  const message = `Internal error occurred: ${why}`
  return { metadata: {}, status: 'Failure', message, reason: 'InternalError', details: { causes: [{ message: why }] }, code: 500 }
}

/** How a command ended, as a kubelet tells it. */
function exitStatus(code: number): JsonObject {
  if (code === 0) return success
  const causes: Json = [{ reason: 'ExitCode', message: String(code) }]
  const message = `command terminated with non-zero exit code: exit status ${code}`
  return { metadata: {}, status: 'Failure', message, reason: 'NonZeroExitCode', details: { causes } }
}

function offered(call: ResourceRequest): string[] {
  return (call.request.headers['sec-websocket-protocol'] ?? '').split(',').map((protocol) => protocol.trim())
}

/** Carries out one such request, whole: until its connection is closed. Throws StatusError while it can be refused. */
export async function servePodStream(cluster: Cluster, call: ResourceRequest, find: () => KubernetesObject): Promise<void> {
  const { request, response, info, query, user } = call
  if (request.method !== 'GET' && request.method !== 'POST') throw methodNotAllowed()
  if (!cluster.authorizer.authorize(user, { ...info, verb: 'create' }).allowed) {
    throw forbidden({ group: info.apiGroup, resource: info.resource }, info.name, '')
  }
  const pod = find()
  if (info.subresource !== 'portforward') assertContainer(pod, query.get('container') ?? '')
  if (asText(at(pod, 'spec', 'nodeName')) === '') throw badRequest(`pod ${nameOf(pod)} does not have a host assigned`)
  if (call.connect === undefined) throw badRequest(notUpgraded(request.headers.upgrade))

  const known = info.subresource === 'portforward' ? [portForwardProtocol] : streamProtocols
  const protocol = known.find((name) => offered(call).includes(name))
  if (protocol === undefined) {
    // Word for word what a kubelet's WebSocket library says, which is nothing.
    response.writeHead(403).end()
    return
  }
  if (info.subresource === 'portforward') await portForward(cluster, pod, call)
  else await channelled(cluster, pod, call, protocol as StreamProtocol)
}

async function portForward(cluster: Cluster, pod: KubernetesObject, call: ResourceRequest): Promise<void> {
  const socket = await call.connect?.(portForwardProtocol)
  if (socket === undefined) return
  call.started()
  const { signal, forget } = whenGone(cluster, pod)
  await forwardPorts(socket, signal)
  forget()
}

async function channelled(cluster: Cluster, pod: KubernetesObject, call: ResourceRequest, protocol: StreamProtocol): Promise<void> {
  const { response, info, query } = call
  const wanted = wantedStreams(query)
  const none = !wanted.stdin && !wanted.stdout && !wanted.stderr
  if (none && protocol === 'v4.channel.k8s.io') {
    response.writeHead(400, { 'Content-Type': 'text/plain; charset=utf-8' }).end(`${noStreams}\n`)
    return
  }
  const channels = await open(call, protocol, wanted)
  if (channels === undefined) return
  call.started()
  if (none) await channels.finish(internalFailure(`unable to upgrade connection: ${noStreams}`))
  else if (info.subresource === 'exec') await exec(cluster, pod, query.getAll('command'), channels)
  else await attach(cluster, pod, channels)
}

function notUpgraded(wanted: string | undefined): string {
  if (wanted?.toLowerCase() !== 'spdy/3.1') return 'Upgrade request required'
  return 'unable to upgrade: this cluster is embedded and speaks WebSocket only, not SPDY'
}

function wantedStreams(query: URLSearchParams): WantedStreams {
  const is = (name: string): boolean => isTrue(query.get(name))
  return { stdin: is('stdin'), stdout: is('stdout'), stderr: is('stderr'), tty: is('tty') }
}

async function open(call: ResourceRequest, protocol: StreamProtocol, wanted: WantedStreams): Promise<StreamChannels | undefined> {
  const socket = await call.connect?.(protocol)
  return socket === undefined ? undefined : new StreamChannels(socket, protocol, wanted)
}

/** Fires when the pod is gone. Call `forget` when it no longer matters. */
function whenGone({ store }: Cluster, pod: KubernetesObject): { signal: AbortSignal; forget(): void } {
  const gone = new AbortController()
  const forget = store.onChange((event) => {
    if (event.type === 'DELETED' && event.object.metadata.uid === pod.metadata.uid) gone.abort()
  })
  return { signal: gone.signal, forget }
}

/** Fires when the pod is gone or the client is. */
function ending(cluster: Cluster, pod: KubernetesObject, channels: StreamChannels): { ended: AbortSignal; forget(): void } {
  const { signal, forget } = whenGone(cluster, pod)
  return { ended: AbortSignal.any([signal, channels.closed]), forget }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}

async function exec(cluster: Cluster, pod: KubernetesObject, command: readonly string[], channels: StreamChannels): Promise<void> {
  if (command.length === 0) {
    await channels.finish(internalFailure('error executing command in container: no command'))
    return
  }
  const { ended, forget } = ending(cluster, pod, channels)
  const running = runCommand(command, {
    stdin: channels.stdin,
    stdout: (bytes) => channels.write('stdout', bytes),
    stderr: (bytes) => channels.write('stderr', bytes),
    hostname: nameOf(pod),
    killed: ended,
  }).catch(() => killedCode) // It rejects when killed, and then nobody asks why.
  const code = await Promise.race([running, aborted(ended).then(() => killedCode)])
  forget()
  await channels.finish(exitStatus(code))
}

/** What the container prints from now on. It has no stdin to speak of: what is sent is dropped. */
async function attach(cluster: Cluster, pod: KubernetesObject, channels: StreamChannels): Promise<void> {
  channels.stdin.end()
  const { ended, forget } = ending(cluster, pod, channels)
  const unfollow = cluster.logs.follow(asText(pod.metadata.uid), {
    line: ({ text }) => {
      // A container does not wait for those who look on: one who is too slow misses lines.
      if (channels.waiting < attachLimit) void channels.write('stdout', Buffer.from(`${text}\n`))
    },
    end: () => undefined,
  })
  await aborted(ended)
  unfollow()
  forget()
  await channels.finish(success)
}
