/**
 * A client of pods/exec and pods/attach over WebSocket, for tests: it adds nothing by itself and shows what came, stream by
 * stream. It knows no cluster, so it speaks to an API server and to whatever stands before one alike.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { type RawData, WebSocket } from 'ws'

export interface ExecOptions {
  /** Of the subresource, without a query: `https://127.0.0.1:PORT/api/v1/namespaces/NS/pods/NAME/exec`. */
  readonly url: string
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
  /** PEM of the authority that signed the server's certificate. */
  readonly ca?: string
  /** Default: v5 alone, as kubectl offers. */
  readonly protocols?: readonly string[]
  readonly command?: readonly string[]
  readonly container?: string
  /** Whether these streams are asked for. Default: the outputs, and no stdin. */
  readonly stdin?: boolean
  readonly stdout?: boolean
  readonly stderr?: boolean
  readonly tty?: boolean
}

/** How the server says that it ended: a meta/v1 Status. */
export interface ExecStatus {
  readonly status?: string
  readonly reason?: string
  readonly message?: string
  readonly code?: number
  readonly details?: { readonly causes?: readonly { readonly reason?: string; readonly message?: string }[] }
}

/** What was answered instead of 101. */
export class UpgradeRefused extends Error {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string

  constructor(status: number, headers: IncomingHttpHeaders, body: string) {
    super(`the upgrade was refused: ${status} ${body}`)
    this.name = 'UpgradeRefused'
    this.status = status
    this.headers = headers
    this.body = body
  }
}

export interface PodExec {
  /** The protocol that the server chose. */
  readonly protocol: string
  /** Of the answer 101. */
  readonly headers: IncomingHttpHeaders
  /** What came so far. */
  stdout(): string
  stderr(): string
  /** Resolves once stdout has the text. Rejects after ten seconds, or when it ended without. */
  untilStdout(text: string): Promise<void>
  /** Sends to stdin; resolves when the kernel has it, so it waits while the server does not read. */
  write(input: string | Buffer): Promise<void>
  /** Ends stdin. Only v5 has a word for that: throws for any other protocol. */
  closeStdin(): void
  /** Sends the size of the terminal. */
  resize(width: number, height: number): void
  /** Stops and goes on reading from the connection. */
  pause(): void
  resume(): void
  /** Resolves at the end: with the status, or undefined when the connection ended without one. */
  readonly result: Promise<ExecStatus | undefined>
  /** Resolves when the connection is closed: 1000 properly, 1006 cut. */
  readonly closed: Promise<{ code: number; error?: Error }>
  /** Cuts the connection. */
  destroy(): void
}

const within = 30_000

function addressOf(options: ExecOptions): URL {
  const address = new URL(options.url)
  const { stdin = false, stdout = true, stderr = true, tty = false, container, command = [] } = options
  for (const [name, value] of Object.entries({ stdin, stdout, stderr, tty })) if (value) address.searchParams.append(name, 'true')
  if (container !== undefined) address.searchParams.append('container', container)
  for (const word of command) address.searchParams.append('command', word)
  return address
}

/** Opens it; resolves at the 101. Rejects with UpgradeRefused for any other answer, and with an Error when there was none. */
export async function openExec(options: ExecOptions): Promise<PodExec> {
  const { headers = {}, ca, protocols = ['v5.channel.k8s.io'] } = options
  const lines = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, typeof value === 'string' ? value : [...value]]))
  const socket = new WebSocket(addressOf(options), [...protocols], { headers: lines, ...(ca === undefined ? {} : { ca }) })
  const output: { stdout: Buffer[]; stderr: Buffer[] } = { stdout: [], stderr: [] }
  const text = (chunks: readonly Buffer[]): string => Buffer.concat(chunks).toString('utf8')
  const waiting = new Set<() => void>()
  let status: ExecStatus | undefined
  let fault: Error | undefined
  let answer: IncomingHttpHeaders = {}
  let isClosed = false

  socket.on('message', (data: RawData) => {
    const message = Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data as Buffer)
    const body = message.subarray(1)
    if (message[0] === 1) output.stdout.push(body)
    if (message[0] === 2) output.stderr.push(body)
    // The error stream may begin with an empty message, which only says that it is there.
    if (message[0] === 3 && body.length > 0) status = JSON.parse(body.toString('utf8')) as ExecStatus
    for (const look of waiting) look()
  })
  socket.on('upgrade', (response) => {
    answer = response.headers
  })
  const closed = new Promise<{ code: number; error?: Error }>((resolve) => {
    socket.on('close', (code) => {
      isClosed = true
      for (const look of waiting) look()
      resolve(fault === undefined ? { code } : { code, error: fault })
    })
  })
  await new Promise<void>((resolve, reject) => {
    socket.on('open', resolve)
    socket.on('error', (error) => {
      fault = error
      reject(error)
    })
    socket.on('unexpected-response', (_request, response) => {
      const chunks: Buffer[] = []
      const refuse = (): void => {
        reject(new UpgradeRefused(response.statusCode ?? 0, response.headers, Buffer.concat(chunks).toString('utf8')))
        socket.terminate()
      }
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.once('close', refuse)
    })
  })

  const send = (stream: number, body: Buffer): Promise<void> =>
    new Promise((resolve, reject) => {
      socket.send(Buffer.concat([Buffer.from([stream]), body]), (error) => (error == null ? resolve() : reject(error)))
    })
  return {
    protocol: socket.protocol,
    headers: answer,
    stdout: () => text(output.stdout),
    stderr: () => text(output.stderr),
    untilStdout: (wanted) =>
      new Promise((resolve, reject) => {
        const finish = (error?: Error): void => {
          clearTimeout(timer)
          waiting.delete(look)
          if (error === undefined) resolve()
          else reject(error)
        }
        const so = (): string => `${JSON.stringify(wanted)}; it brought ${JSON.stringify(text(output.stdout).slice(-500))}`
        const look = (): void => {
          if (text(output.stdout).includes(wanted)) finish()
          else if (isClosed) finish(new Error(`the stream ended without ${so()}`))
        }
        const timer = setTimeout(() => finish(new Error(`within ${within} ms the stream did not bring ${so()}`)), within)
        waiting.add(look)
        look()
      }),
    write: (input) => send(0, Buffer.from(input)),
    closeStdin: () => {
      if (socket.protocol !== 'v5.channel.k8s.io') throw new Error(`${socket.protocol} has no way to end stdin`)
      void send(255, Buffer.from([0])).catch(() => undefined)
    },
    resize: (width, height) => void send(4, Buffer.from(JSON.stringify({ Width: width, Height: height }))).catch(() => undefined),
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    result: closed.then(() => status),
    closed,
    destroy: () => socket.terminate(),
  }
}

/** Resolves with the refusal of what must not open. Rejects when it opened, or when there was no answer. */
export async function refusedExec(options: ExecOptions): Promise<UpgradeRefused> {
  const refusal = await openExec(options).catch((error: unknown) => error)
  if (refusal instanceof UpgradeRefused) return refusal
  if (refusal instanceof Error) throw refusal
  ;(refusal as PodExec).destroy()
  throw new Error('it opened')
}
