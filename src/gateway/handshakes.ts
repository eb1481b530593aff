/**
 * Connections of a TLS listener until their handshake is done: nothing is written to them, and each ends in time.
 *
 * Security: of a handshake that failed or took too long Node tells, and leaves the connection to whoever is told. What is
 * written to it waits for the handshake, so a connection that was to be closed behind an answer would never be closed, not
 * even when its caller has left: without sending a byte anybody could take all places of the listener for good. So here
 * they are closed without a word. The HTTP server knows a connection only from its handshake on; before, stopping it would
 * wait for it.
 */
import type { Server, Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'

export interface Handshakes {
  /** Ends those that are not done. To be called when nobody is accepted any more. */
  cut(): void
}

/**
 * Sees to a server's handshakes. `failed` is told of each that did not come about, just before its connection is closed;
 * it must not throw.
 */
export function boundHandshakes(server: Server, failed: (connection: TLSSocket, error: NodeJS.ErrnoException) => void): Handshakes {
  const begun = new Map<string, Socket>()
  server.on('connection', (socket: Socket) => {
    if (socket.destroyed) return
    const ends = endsOf(socket)
    begun.set(ends, socket)
    socket.once('close', () => {
      if (begun.get(ends) === socket) begun.delete(ends)
    })
  })
  server.on('secureConnection', (connection: TLSSocket) => begun.delete(endsOf(connection)))
  // Node's own makes it a `clientError`, which is answered.
  server.removeAllListeners('tlsClientError')
  server.on('tlsClientError', (error: NodeJS.ErrnoException, connection: TLSSocket) => {
    failed(connection, error)
    connection.destroy()
  })
  return { cut: () => begun.forEach((socket) => socket.destroy()) }
}

/** What a connection and the TLS on it have in common. */
function endsOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`
}
