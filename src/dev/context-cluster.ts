/**
 * A cluster of the person's own kubeconfig behind `mandate dev --context`.
 *
 * The gateway impersonates by a token; kubeconfigs hold client certificates and exec plugins as well. So a small relay
 * on loopback takes the gateway's requests, by a token of this process alone, and sends them on with the context's own
 * credentials. The rights to impersonate are then those of the person who started `mandate dev`.
 */
import { createServer, type IncomingMessage, type RequestOptions, type ServerResponse } from 'node:http'
import { request as tlsRequest } from 'node:https'
import type { AddressInfo } from 'node:net'
import { Complaint } from '../complaint.ts'
import { Secret } from '../secret.ts'
import type { DevCluster } from './embedded-cluster.ts'
import type { GatewayAccount } from './people.ts'

/** Relays to a context. Throws Complaint when there is none of that name. */
export async function clusterOfContext(context: string, { token }: GatewayAccount): Promise<DevCluster> {
  const { KubeConfig } = await import('@kubernetes/client-node')
  const config = new KubeConfig()
  config.loadFromDefault()
  if (config.getContextObject(context) === null)
    throw new Complaint(
      `your kubeconfig has no context ${context}; it has ${
        config
          .getContexts()
          .map(({ name }) => name)
          .join(', ') || 'none'
      }`,
    )
  config.setCurrentContext(context)
  const server = config.getCurrentCluster()?.server
  if (server === undefined || !server.startsWith('https://')) throw new Complaint(`the context ${context} names no https server`)
  const expected = new Secret(`Bearer ${token}`)
  const { hostname, port, host, pathname } = new URL(server)
  // Some clusters are served below a path; what follows it is sent as it came, never resolved as a URL.
  const below = pathname.replace(/\/$/, '')

  const relay = async (request: IncomingMessage, response: ServerResponse) => {
    if (!new Secret(request.headers.authorization ?? '').equals(expected)) return void response.writeHead(401).end()
    const options: RequestOptions = {}
    await config.applyToHTTPSOptions(options)
    const own = Object.entries(options.headers ?? {}).flatMap(([name, value]) =>
      name.toLowerCase() === 'authorization' ? [name, String(value)] : [],
    )
    const upstream = tlsRequest({
      ...options,
      hostname: hostname.replace(/^\[|\]$/g, ''),
      port,
      path: `${below}${request.url}`,
      method: request.method ?? 'GET',
      // Node adds no Host to header lines that are given as a list.
      headers: ['Host', host, ...withoutAuthorization(request.rawHeaders), ...own],
    })
    upstream.on('response', (answer) => {
      try {
        // Node throws at what no answer may have, such as trailers beside a length, and would end the process.
        response.writeHead(answer.statusCode ?? 502, answer.rawHeaders)
      } catch {
        upstream.destroy()
        return void response.destroy()
      }
      response.flushHeaders()
      answer.pipe(response)
      answer.on('error', () => response.destroy())
    })
    upstream.on('error', () => (response.headersSent ? response.destroy() : response.writeHead(502).end()))
    response.on('close', () => upstream.destroy())
    request.pipe(upstream)
  }

  const listener = createServer((request, response) => void relay(request, response).catch(() => response.destroy()))
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(listener.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        listener.close(() => resolve())
        listener.closeAllConnections()
      }),
  }
}

/** Header lines in their order, without the relay's own token and what belongs to the connection. */
function withoutAuthorization(rawHeaders: readonly string[]): string[] {
  const lines: string[] = []
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? ''
    if (!['authorization', 'host', 'connection'].includes(name.toLowerCase())) lines.push(name, rawHeaders[i + 1] ?? '')
  }
  return lines
}
