/**
 * One connection to Redis that is either up or known to be down.
 *
 * The client library keeps commands while it is offline, and forgets a command's time limit once the command is
 * written; both would turn an outage into silence. So this file decides: a command goes out only on a connection that
 * has proven itself, every command has a time limit until its answer, and an answer that is overdue condemns the
 * connection (answers come in order, so everything behind it is late as well). A condemned connection is replaced by
 * a new one, with a new look-up of the host name, after a jittered pause.
 *
 * Security: Redis quotes arguments in some of its errors, and arguments are our records. Of what Redis says only the
 * leading word (`READONLY`, `OOM`, `NOAUTH`) is ever kept.
 */
import { createClient, ErrorReply, RESP_TYPES } from 'redis'
import { type Clock, pause } from '../clock.ts'
import { describeError, type Log } from '../log.ts'
import type { RedisAddress } from './redis-address.ts'
import type { Script } from './redis-scripts.ts'
import { StoreUnavailable } from './store.ts'

export type Argument = string | Buffer

/** Redis answered, and the answer was an error. `code` is its leading word. */
export class RedisRefused extends StoreUnavailable {
  readonly code: string

  constructor(code: string) {
    super(`the store refused: ${code}`)
    this.code = code
  }
}

export interface ConnectionOptions {
  readonly address: RedisAddress
  /** PEM of the authorities to trust for rediss:// instead of the system's. */
  readonly ca?: string | undefined
  readonly commandTimeoutMs: number
  readonly clock: Clock
  readonly log: Log
  /** What the connection is for, in log lines. */
  readonly name: string
  /** Proves a new connection before it is used: whatever it rejects with condemns the connection. */
  greet(client: RedisClient): Promise<void>
}

export interface RedisConnection {
  readonly up: boolean
  /** Settles after the first attempt, whatever came of it. Never rejects. */
  readonly attempted: Promise<void>
  /** Sends one command; bulk strings of the answer are Buffers. Rejects with StoreUnavailable and nothing else. */
  command(args: readonly Argument[]): Promise<unknown>
  /** Runs a script on one key, by its digest where Redis still knows it. */
  evaluate(script: Script, key: string, args: readonly Argument[]): Promise<unknown>
  close(): Promise<void>
}

/** Answers of these kinds stay wrong on this connection: the server changed its role or is not ready. */
const CONDEMNING = new Set(['READONLY', 'MASTERDOWN', 'LOADING', 'NOAUTH', 'WRONGPASS'])
const BINARY = { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } }
const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 1000
const IDLE_PING_MS = 5000

function newClient({ address, ca, commandTimeoutMs }: ConnectionOptions) {
  const { host, port } = address
  const socket = { host, port, connectTimeout: commandTimeoutMs, reconnectStrategy: false } as const
  return createClient({
    RESP: 2,
    socket: address.tls ? { ...socket, tls: true, rejectUnauthorized: true, ...(ca === undefined ? {} : { ca }) } : socket,
    ...(address.username === undefined ? {} : { username: address.username }),
    ...(address.password === undefined ? {} : { password: address.password.expose() }),
    database: address.database,
    disableOfflineQueue: true,
    disableClientInfo: true,
    maintNotifications: 'disabled',
    commandsQueueMaxLength: 20_000,
    // Our own time limit holds until the answer; the library's would only cost a signal for each command.
    commandOptions: { timeout: 0 },
  })
}

export type RedisClient = ReturnType<typeof newClient>

/** Begins connecting and keeps at it until `close`. */
export function openConnection(options: ConnectionOptions): RedisConnection {
  const { clock, log, name, commandTimeoutMs } = options
  const { host, port } = options.address
  const closing = new AbortController()
  const attempted = Promise.withResolvers<void>()
  let current: { client: RedisClient; condemn(reason: unknown): void } | undefined
  let said: string | undefined

  const say = (error: unknown) => {
    // The message of a StoreUnavailable is ours; of any other error only name and code may be said.
    const reason = error instanceof StoreUnavailable ? { error: error.message } : describeError(error)
    const line = JSON.stringify(reason)
    if (closing.signal.aborted || line === said) return
    said = line
    log.warn('store connection lost or refused; trying again', { connection: name, host, port, ...reason })
  }

  /** Lives through one connection; resolves to whether it had come up. */
  const attempt = async (): Promise<boolean> => {
    const client = newClient(options)
    const lost = Promise.withResolvers<never>()
    lost.promise.catch(() => undefined)
    const condemn = (reason: unknown) => lost.reject(reason)
    client.on('error', condemn)
    client.on('end', () => condemn(new StoreUnavailable('the connection ended')))
    const onClose = () => condemn(new StoreUnavailable('the store is closed'))
    closing.signal.addEventListener('abort', onClose, { once: true })
    const late = clock.after(commandTimeoutMs, () => condemn(new StoreUnavailable('connecting took too long')))
    let over = false
    let up = false
    try {
      const connected = client.connect().then(async () => {
        // The library finishes a connection that was destroyed while it was being made; it must not stay behind.
        if (over) client.destroy()
        else await options.greet(client)
      })
      await Promise.race([connected, lost.promise])
      late.cancel()
      current = { client, condemn }
      up = true
      attempted.resolve()
      if (said !== undefined) log.info('store connection is back', { connection: name, host, port })
      said = undefined
      void keepAlive(client)
      await lost.promise
    } catch (error) {
      say(error instanceof ErrorReply ? refused(error) : error)
    }
    over = true
    late.cancel()
    closing.signal.removeEventListener('abort', onClose)
    if (current?.client === client) current = undefined
    client.destroy()
    attempted.resolve()
    return up
  }

  const keepAlive = async (client: RedisClient) => {
    for (;;) {
      await pause(clock, IDLE_PING_MS, closing.signal)
      if (current?.client !== client) return
      await command(['PING']).catch(() => undefined)
    }
  }

  const run = async () => {
    for (let failures = 0; !closing.signal.aborted; failures++) {
      if (await attempt()) failures = 0
      const longest = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures)
      await pause(clock, longest * (0.5 + Math.random() / 2), closing.signal)
    }
  }

  const command = (args: readonly Argument[]): Promise<unknown> => {
    if (!current) {
      const closed = closing.signal.aborted
      return Promise.reject(new StoreUnavailable(closed ? 'the store is closed' : 'the store is not connected'))
    }
    const { client, condemn } = current
    return new Promise((resolve, reject) => {
      let settled = false
      const overdue = () => {
        if (settled) return
        const error = new StoreUnavailable('the store did not answer in time')
        reject(error)
        condemn(error)
      }
      // After a stall of our own process the answer may already lie in the socket: one turn to read it first.
      const timer = clock.after(commandTimeoutMs, () => void setImmediate(overdue))
      const settle = () => {
        settled = true
        timer.cancel()
      }
      client.sendCommand<unknown>(args, BINARY).then(
        (reply) => {
          settle()
          resolve(reply)
        },
        (error: unknown) => {
          settle()
          const failure = error instanceof ErrorReply ? refused(error) : new StoreUnavailable('the connection to the store broke')
          if (failure instanceof RedisRefused && CONDEMNING.has(failure.code)) condemn(failure)
          reject(failure)
        },
      )
    })
  }

  const running = run()
  return {
    get up() {
      return current !== undefined
    },
    attempted: attempted.promise,
    command,
    async evaluate(script, key, args) {
      try {
        return await command(['EVALSHA', script.sha1, '1', key, ...args])
      } catch (error) {
        if (!(error instanceof RedisRefused) || error.code !== 'NOSCRIPT') throw error
        return command(['EVAL', script.source, '1', key, ...args])
      }
    },
    async close() {
      closing.abort()
      await running
    },
  }
}

/** Only the leading word, and only if it looks like one of Redis's own. */
function refused(error: ErrorReply): RedisRefused {
  // Redis 6 wraps what a script met: "ERR Error running script (...): @user_script:2: -READONLY You can't ...".
  const within = /@user_script: ?\d+: -(READONLY|OOM|MISCONF|MASTERDOWN|NOREPLICAS) /.exec(error.message)?.[1]
  return new RedisRefused(within ?? /^[A-Z][A-Z0-9]{1,20}(?=[ :]|$)/.exec(error.message)?.[0] ?? 'ERR')
}
