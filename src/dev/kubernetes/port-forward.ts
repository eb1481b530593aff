/**
 * pods/portforward, tunnelled through a WebSocket: SPDY streams in pairs, one for the bytes of a connection and one for what
 * went wrong with it. Behind every port of a pod here is an echo: it opens no connection, so it leads nowhere.
 */
import type { WebSocket } from 'ws'
import { type Frame, FrameReader, FrameWriter } from './spdy-frames.ts'
import { bytesOf } from './stream-channels.ts'

/** The only protocol of port-forward here. */
export const portForwardProtocol = 'SPDY/3.1+portforward.k8s.io'

/** Serves the connection until it is closed, by the client or because `ended` fires. */
export async function forwardPorts(socket: WebSocket, ended: AbortSignal): Promise<void> {
  const reader = new FrameReader()
  const writer = new FrameWriter()
  /** The error stream of each request for a connection, and the request that each data stream belongs to. */
  const errorStreams = new Map<string, number>()
  const connections = new Map<number, string>()

  const send = async (frame: Frame): Promise<void> => {
    const bytes = await writer.write(frame)
    await new Promise<void>((resolve) => socket.send(bytes, () => resolve()))
  }
  const finish = (stream: number): Promise<void> => send({ kind: 'data', stream, bytes: Buffer.alloc(0), last: true })

  const open = async (stream: number, headers: ReadonlyMap<string, string>): Promise<void> => {
    const type = headers.get('streamtype')
    const request = headers.get('requestid') ?? ''
    const port = Number(headers.get('port'))
    if ((type !== 'data' && type !== 'error') || !Number.isInteger(port) || port < 1 || port > 65_535) {
      await send({ kind: 'reset', stream })
      return
    }
    if (type === 'error') errorStreams.set(request, stream)
    else connections.set(stream, request)
    await send({ kind: 'reply', stream })
  }

  const take = async (frame: Frame): Promise<void> => {
    if (frame.kind === 'open') await open(frame.stream, frame.headers)
    if (frame.kind === 'ping') await send(frame)
    if (frame.kind === 'reset') connections.delete(frame.stream)
    const request = frame.kind === 'data' ? connections.get(frame.stream) : undefined
    if (frame.kind !== 'data' || request === undefined) return
    if (frame.bytes.length > 0) await send({ ...frame, last: false })
    if (!frame.last) return
    connections.delete(frame.stream)
    await finish(frame.stream)
    const errorStream = errorStreams.get(request)
    errorStreams.delete(request)
    if (errorStream !== undefined) await finish(errorStream)
  }

  let turn = Promise.resolve()
  socket.on('message', (data) => {
    // The next bytes are read when these are answered, so a client that does not read waits.
    socket.pause()
    turn = turn
      .then(async () => {
        for (const frame of await reader.read(bytesOf(data))) await take(frame)
      })
      .catch(() => socket.terminate()) // What is not SPDY has no answer in SPDY.
      .finally(() => socket.resume())
  })
  socket.on('error', () => undefined)
  const close = (): void => {
    socket.close(1000)
    socket.resume()
  }
  ended.addEventListener('abort', close, { once: true })
  await new Promise<void>((resolve) => socket.once('close', () => resolve()))
  ended.removeEventListener('abort', close)
}
