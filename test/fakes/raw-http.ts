/**
 * HTTP/1.1 by hand, for what no client library sends and no server library answers: bytes over a socket on loopback, to
 * the letter, in both directions.
 */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect, createServer, type Server, type Socket } from 'node:net'
import type { Readable } from 'node:stream'

export interface RawAnswer {
  /** Of the first answer; 0 when none came. */
  readonly status: number
  /** Header lines in lower case. */
  readonly head: string
  readonly body: string
  /** Everything that came, further answers too. */
  readonly all: string
}

/** An open connection and what came over it so far, one character for each byte. */
export interface RawConnection {
  readonly socket: Socket
  send(text: string): void
  received(): string
  /** Resolves once `pattern` has come; rejects after `withinMs` or when the connection ends without it. */
  until(pattern: RegExp, withinMs?: number): Promise<string>
  /** Resolves when the other side has ended or cut the connection, with all that came; rejects after `withinMs`. */
  closed(withinMs?: number): Promise<string>
}

/** Opens a connection to loopback. */
export async function openRaw(port: number): Promise<RawConnection> {
  const socket = connect({ port, host: '127.0.0.1' })
  let received = ''
  let over = false
  const changed = new Set<() => void>()
  const tell = () => changed.forEach((listener) => listener())
  socket.setEncoding('latin1')
  socket.on('data', (text: string) => {
    received += text
    tell()
  })
  socket.on('close', () => {
    over = true
    tell()
  })
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  const wait = (done: () => boolean, withinMs: number, what: string) =>
    new Promise<string>((resolve, reject) => {
      const finish = (error?: Error) => {
        clearTimeout(timer)
        changed.delete(look)
        if (error === undefined) resolve(received)
        else reject(error)
      }
      const look = () => {
        if (done()) finish()
        else if (over) finish(new Error(`the connection ended before ${what}; it had brought ${JSON.stringify(received.slice(0, 500))}`))
      }
      const timer = setTimeout(
        () => finish(new Error(`no ${what} within ${withinMs} ms; there is ${JSON.stringify(received.slice(0, 500))}`)),
        withinMs,
      )
      changed.add(look)
      look()
    })
  return {
    socket,
    send: (text) => void socket.write(text, 'latin1'),
    received: () => received,
    until: (pattern, withinMs = 30_000) => wait(() => pattern.test(received), withinMs, `${pattern}`),
    closed: (withinMs = 30_000) => wait(() => over, withinMs, 'end of the connection'),
  }
}

/** Sends bytes and reads the first whole answer, or what came before the connection ended. */
export async function exchangeRaw(port: number, text: string, withinMs = 30_000): Promise<RawAnswer> {
  const connection = await openRaw(port)
  connection.send(text)
  try {
    await connection.until(/\r\n\r\n/, withinMs).catch((error: unknown) => {
      if (!connection.socket.destroyed) throw error
    })
    // The answer to HEAD announces a body that does not come.
    const wanted = text.startsWith('HEAD ') ? undefined : /\r\ncontent-length: *(\d+)/i.exec(connection.received())?.[1]
    const whole = wanted === undefined ? /\r\n\r\n/ : new RegExp(`\r\n\r\n[\\s\\S]{${wanted}}`)
    await connection.until(whole, withinMs).catch(() => undefined)
    return readAnswer(connection.received())
  } finally {
    connection.socket.destroy()
  }
}

export function readAnswer(all: string): RawAnswer {
  const end = all.indexOf('\r\n\r\n')
  const head = end === -1 ? '' : all.slice(0, end)
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? 0)
  return { status, head: head.toLowerCase(), body: end === -1 ? '' : all.slice(end + 4), all }
}

/** An upstream that says exactly what it is told and keeps every byte it was sent. */
export interface RawUpstream {
  readonly origin: string
  readonly port: number
  /** What came on each connection so far, in the order of their opening. */
  readonly connections: ReadonlyArray<{ readonly socket: Socket; received: string }>
  /** Request heads so far, over all connections. */
  heads(): readonly string[]
  close(): Promise<void>
}

/** What to do once a request's head has come; `nth` counts the requests of all connections from 0. */
export type RawAnswering = (socket: Socket, head: string, nth: number) => void

const EMPTY_LIST = '{"kind":"List"}'
const OK_HEAD = `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${EMPTY_LIST.length}\r\n\r\n`
export const OK = `${OK_HEAD}${EMPTY_LIST}`
/** A body after the answer to HEAD would be the beginning of the next answer. */
const sayOk: RawAnswering = (socket, head) => void socket.write(head.startsWith('HEAD ') ? OK_HEAD : OK)

/** Listens on loopback. Bodies are not read apart: an upload must be one that `answer` expects. */
export async function startRawUpstream(answer: RawAnswering = sayOk): Promise<RawUpstream> {
  const connections: Array<{ socket: Socket; received: string }> = []
  const heads: string[] = []
  const server: Server = createServer((socket) => {
    const connection = { socket, received: '' }
    connections.push(connection)
    let read = 0
    socket.setEncoding('latin1')
    socket.on('error', () => undefined)
    socket.on('data', (text: string) => {
      connection.received += text
      for (;;) {
        const rest = connection.received.slice(read)
        const start = /^(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) |\n(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) \//.exec(rest)
        const end = start === null ? -1 : rest.indexOf('\r\n\r\n', start.index)
        if (start === null || end === -1) return
        const head = rest.slice(start.index, end)
        read += end + 4
        heads.push(head)
        answer(socket, head, heads.length - 1)
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    origin: `http://127.0.0.1:${port}`,
    port,
    connections,
    heads: () => heads,
    close: () =>
      new Promise((resolve) => {
        for (const { socket } of connections) socket.destroy()
        server.close(() => resolve())
      }),
  }
}

/** Asks again until it is so, or fails with what was there last. */
export async function eventually<T>(read: () => T | Promise<T>, is: (value: T) => boolean, withinMs = 30_000): Promise<T> {
  for (const deadline = Date.now() + withinMs; ; await new Promise((resolve) => setTimeout(resolve, 10))) {
    const value = await read()
    if (is(value)) return value
    if (Date.now() > deadline) throw new Error(`not so within ${withinMs} ms; last it was ${JSON.stringify(value)?.slice(0, 1000)}`)
  }
}

/** What a stream brings from now on, once it matches: it may come in pieces of any size. Rejects when it ends before. */
export async function brought(stream: Readable, pattern: RegExp): Promise<string> {
  let received = ''
  for await (const part of stream.iterator({ destroyOnReturn: false })) {
    received += String(part)
    if (pattern.test(received)) return received
  }
  throw new Error(`the stream ended with ${JSON.stringify(received.slice(0, 500))}`)
}
