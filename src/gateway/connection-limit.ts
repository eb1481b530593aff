/**
 * How many connections a listener holds at once, in all and from one address.
 *
 * Security: each connection holds memory before anybody knows whose it is, with the beginning of a head in it up to 40 kB.
 * Without a bound callers whom nobody vouched for could hold more than the process may have, and end it. One address
 * alone must not take all places either. A connection beyond is closed before a byte of it is read, a TLS handshake too:
 * an answer would cost what the bound is to save.
 */
import type { Server, Socket } from 'node:net'
import { networkOf, plain } from './address.ts'

/** Which bound a connection was dropped for. */
export const DROPPED_FOR = ['total', 'address'] as const
export type DroppedFor = (typeof DROPPED_FOR)[number]

export interface ConnectionLimit {
  readonly total: number
  /** From one address; of IPv6 from one /64, which one machine is given whole. */
  readonly perAddress: number
  /** Whose connections count for the total alone: a proxy brings those of many. */
  readonly spared: (peer: string) => boolean
  /** Told of each connection that was dropped. */
  readonly dropped: (why: DroppedFor) => void
}

/** Holds a server to it; to be called before it listens. */
export function limitConnections(server: Server, { total, perAddress, spared, dropped }: ConnectionLimit): void {
  server.maxConnections = total
  server.on('drop', () => dropped('total'))
  const open = new Map<string, number>()
  const accept = server.listeners('connection')
  server.removeAllListeners('connection')
  server.on('connection', (socket: Socket) => {
    const { remoteAddress: peer } = socket
    if (peer !== undefined && !spared(peer)) {
      const network = networkOf(plain(peer))
      const count = open.get(network) ?? 0
      if (count >= perAddress) {
        dropped('address')
        return void socket.destroy()
      }
      open.set(network, count + 1)
      socket.once('close', () => {
        const left = (open.get(network) ?? 1) - 1
        if (left > 0) open.set(network, left)
        else open.delete(network)
      })
    }
    for (const listener of accept) listener.call(server, socket)
  })
}
