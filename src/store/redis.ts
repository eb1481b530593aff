/**
 * The store that replicas share: Redis 6 or later, or Valkey, without modules.
 *
 * Two connections: one for commands, one that listens for wakes. All wakes travel on one channel with the name of the
 * woken channel as the message: to begin and end listening then costs nothing on the wire and holds from the same
 * instant, and a wake is so small and rare (a refresh, a revocation) that every replica may hear each.
 *
 * A new connection is used only after Redis has accepted a write on it, so neither a read-only replica nor a server
 * that refuses writes is ever asked whether somebody is signed in. What the epoch of a log names includes the run of the
 * Redis process: after a restart or fail-over the last second of writes may be gone although the log is there.
 */
import { randomUUID } from 'node:crypto'
import type { Clock } from '../clock.ts'
import type { Log } from '../log.ts'
import type { Secret } from '../secret.ts'
import { checkDraw, keptFor } from './allowance.ts'
import { LOG_PAGE, lifetime } from './lifetime.ts'
import { redisAddress } from './redis-address.ts'
import { openConnection, type RedisClient } from './redis-connection.ts'
import { APPEND, COUNT, DRAW, ENROL, PUT, READ, TAKE } from './redis-scripts.ts'
import { type Entry, type LogEntry, type Store, StoreUnavailable } from './store.ts'

export interface RedisOptions {
  /** `redis://` or `rediss://`, with user, password and database as usual. */
  readonly url: Secret | string
  /** Takes `redis://` to another machine as well. Default false. */
  readonly plaintextOpen?: boolean
  /** PEM of the authorities to trust for `rediss://` instead of the system's. */
  readonly ca?: string | undefined
  /** Begins every key and the wake channel. Default `mandate:`. */
  readonly prefix?: string
  /** Milliseconds until a command without an answer counts as failed. Default 1000. */
  readonly commandTimeoutMs?: number
  readonly log: Log
  readonly clock: Clock
}

export interface RedisStore extends Store {
  /** Whether commands are being answered, as far as is known: for metrics and readiness. */
  readonly up: boolean
}

/**
 * Resolves once the first attempt to connect has ended, whether it succeeded or not: without Redis, Mandate starts and
 * every method rejects with StoreUnavailable until it is there. Throws a Complaint for the operator if the URL is unusable.
 */
export async function connectRedis(options: RedisOptions): Promise<RedisStore> {
  const { log, prefix = 'mandate:', commandTimeoutMs = 1000, plaintextOpen } = options
  const connecting = { address: redisAddress(options.url, { plaintextOpen }), ca: options.ca, commandTimeoutMs, clock: options.clock, log }
  const listeners = new Map<string, Set<() => void>>()
  const wakes = `${prefix}wake`
  let server = ''
  let warned = false

  const commands = openConnection({
    ...connecting,
    name: 'commands',
    async greet(client) {
      const written = await client.sendCommand<unknown>(['SET', `${prefix}write-probe`, '1', 'PX', '60000'])
      if (written !== 'OK') throw unreadable()
      // Where INFO is not allowed every connection counts as a new run: a needless re-read, never a missed loss.
      server = (await info(client, 'server', 'run_id')) ?? randomUUID()
      const eviction = await info(client, 'memory', 'maxmemory_policy')
      if (eviction !== undefined && eviction !== 'noeviction' && !warned) {
        warned = true
        log.warn('Redis may evict logins: set maxmemory-policy to noeviction', { maxmemoryPolicy: eviction })
      }
    },
  })
  const subscription = openConnection({
    ...connecting,
    name: 'wakes',
    greet: (client) =>
      client.subscribe(wakes, (channel) => {
        for (const listener of listeners.get(channel) ?? []) queueMicrotask(listener)
      }),
  })
  await Promise.all([commands.attempted, subscription.attempted])

  const entryKey = (key: string) => `${prefix}e:${key}`
  const setKey = (set: string) => `${prefix}s:${set}`
  const allowanceKey = (name: string) => `${prefix}a:${name}`
  const logKey = (name: string) => `${prefix}l:${name}`

  return {
    get up() {
      return commands.up
    },

    async get(key) {
      return entry(await commands.command(['GET', entryKey(key)]))
    },
    async put(key, value, { ifVersion, ttlMs }) {
      const expected = ifVersion === 0 ? '' : `${ifVersion}:`
      const stored = Buffer.concat([Buffer.from(`${ifVersion + 1}:`), value])
      const written = await commands.evaluate(PUT, entryKey(key), [expected, stored, String(lifetime(ttlMs))])
      return number(written) === 1 ? ifVersion + 1 : undefined
    },
    async take(key) {
      return entry(await commands.evaluate(TAKE, entryKey(key), []))
    },
    async delete(key) {
      return number(await commands.command(['DEL', entryKey(key)])) === 1
    },
    async touch(key, ttlMs) {
      return number(await commands.command(['PEXPIRE', entryKey(key), String(lifetime(ttlMs))])) === 1
    },

    async enrol(set, member, ttlMs) {
      await commands.evaluate(ENROL, setKey(set), [member, String(lifetime(ttlMs))])
    },
    async withdraw(set, member) {
      await commands.command(['ZREM', setKey(set), member])
    },
    async count(set) {
      return number(await commands.evaluate(COUNT, setKey(set), []))
    },

    async draw(name, draw) {
      checkDraw(draw)
      const { holder, sequence, spent, held, wanted, count, perMs, holdMs } = draw
      const numbers = [sequence, spent, held, wanted, count, perMs, holdMs, keptFor(draw)].map(String)
      const reply = await commands.evaluate(DRAW, allowanceKey(name), [holder, ...numbers])
      if (!Array.isArray(reply)) throw unreadable()
      const [granted, all, free, tenths]: unknown[] = reply
      if (!Array.isArray(tenths)) throw unreadable()
      return { granted: number(granted), spent: number(all), freeInMs: number(free), tenthsInMs: tenths.map(number) }
    },

    async append(name, value, ttlMs) {
      const args = [`epoch:${randomUUID()}`, Buffer.from(value), String(lifetime(ttlMs))]
      return number(await commands.evaluate(APPEND, logKey(name), args))
    },
    async read(name, after) {
      const args = [`epoch:${randomUUID()}`, String(after), String(LOG_PAGE)]
      const reply = await commands.evaluate(READ, logKey(name), args)
      if (!Array.isArray(reply)) throw unreadable()
      const [epoch, head, ...rest]: unknown[] = reply
      const entries: LogEntry[] = []
      for (let at = 0; at < rest.length; at += 2) entries.push({ sequence: number(rest[at]), value: bytes(rest[at + 1]) })
      return { epoch: `${bytes(epoch).toString()}@${server}`, head: number(head), entries }
    },

    async wake(channel) {
      await commands.command(['PUBLISH', wakes, channel])
    },
    listen(channel, listener) {
      // One function may listen twice; each listening ends by itself.
      const own = () => {
        if (listeners.get(channel)?.has(own)) listener()
      }
      const heard = listeners.get(channel) ?? new Set()
      listeners.set(channel, heard.add(own))
      return () => {
        heard.delete(own)
        if (heard.size === 0 && listeners.get(channel) === heard) listeners.delete(channel)
      }
    },

    async close() {
      listeners.clear()
      await Promise.all([commands.close(), subscription.close()])
    },
  }
}

/** One field of an INFO section; undefined where INFO is not allowed or does not say. */
async function info(client: RedisClient, section: string, field: string): Promise<string | undefined> {
  const text = await client.sendCommand<unknown>(['INFO', section]).catch(() => undefined)
  return typeof text === 'string' ? new RegExp(`^${field}:(.+?)\\r?$`, 'm').exec(text)?.[1] : undefined
}

/** Splits `<version>:<value>`. */
function entry(reply: unknown): Entry | undefined {
  if (reply === null) return undefined
  const stored = bytes(reply)
  const colon = stored.indexOf(0x3a)
  const version = Number(stored.subarray(0, colon).toString('latin1'))
  if (colon < 1 || !Number.isSafeInteger(version)) throw unreadable()
  return { value: stored.subarray(colon + 1), version }
}

function number(reply: unknown): number {
  if (typeof reply !== 'number') throw unreadable()
  return reply
}

function bytes(reply: unknown): Buffer {
  if (!Buffer.isBuffer(reply)) throw unreadable()
  return reply
}

/** An answer of another shape comes from something that is no Redis, or from somebody else's keys. */
function unreadable(): StoreUnavailable {
  return new StoreUnavailable('the store gave an answer that cannot be read')
}
