/**
 * The store of one process: what `mandate dev` and tests use, and a single replica that says so in its configuration.
 *
 * It passes the whole acceptance suite. Several parts of one process that stand for replicas each take a client of
 * their own with `another()`; closing one leaves the others open. Values are copied in and out, as a network would.
 *
 * Expired entries are invisible at once and are freed by later writes: each write looks at a few entries in turn, so
 * that the memory held by dead entries stays a fraction of what is alive without a timer or a long pause.
 */
import { randomUUID } from 'node:crypto'
import type { Clock } from '../clock.ts'
import { type Allowance, checkDraw, createAllowance } from './allowance.ts'
import { LOG_PAGE, lifetime } from './lifetime.ts'
import { type Entry, type LogEntry, type Store, StoreUnavailable } from './store.ts'

export interface MemoryStore extends Store {
  /** Another client of the same state, with listeners and a life of its own. */
  another(): MemoryStore
}

interface Held extends Entry {
  readonly ends: number
}

interface HeldLog {
  readonly epoch: string
  head: number
  /** Oldest first; expired ones leave from the front. */
  entries: Array<LogEntry & { readonly ends: number }>
}

interface HeldSet {
  /** When each member ends. */
  readonly members: Map<string, number>
  sweep(): void
}

interface State {
  readonly entries: Map<string, Held>
  readonly sets: Map<string, HeldSet>
  readonly allowances: Map<string, Allowance>
  readonly logs: Map<string, HeldLog>
  readonly wakes: Set<(channel: string) => void>
}

/** Entries looked at by one write. Two would do to keep up; eight makes a burst of dead entries short-lived. */
const SWEEP = 8

/** A fresh, empty store. */
export function createMemoryStore(clock: Clock): MemoryStore {
  const state: State = { entries: new Map(), sets: new Map(), allowances: new Map(), logs: new Map(), wakes: new Set() }
  const sweepEntries = sweeper(state.entries, (held) => held.ends <= clock.now())
  const sweepSets = sweeper(state.sets, (set) => {
    set.sweep()
    return set.members.size === 0
  })
  const sweepAllowances = sweeper(state.allowances, ({ ends }) => ends <= clock.now())
  return createClient(state, clock, () => {
    sweepEntries()
    sweepSets()
    sweepAllowances()
  })
}

/** Walks round and round a map, a few steps a call. A Map's iterator stays valid while the map changes. */
function sweeper<K, V>(map: Map<K, V>, dead: (value: V) => boolean): () => void {
  let walk = map.entries()
  return () => {
    for (let step = 0; step < SWEEP; step++) {
      const next = walk.next()
      if (next.done) {
        walk = map.entries()
        return
      }
      if (dead(next.value[1])) map.delete(next.value[0])
    }
  }
}

function createClient(state: State, clock: Clock, sweep: () => void): MemoryStore {
  const listeners = new Map<string, Set<() => void>>()
  let closed = false

  const open = () => {
    if (closed) throw new StoreUnavailable('the store is closed')
  }
  const alive = (key: string): Held | undefined => {
    const held = state.entries.get(key)
    return held !== undefined && held.ends > clock.now() ? held : undefined
  }
  const entry = (held: Held): Entry => ({ value: new Uint8Array(held.value), version: held.version })
  const logOf = (name: string): HeldLog => {
    const log = state.logs.get(name) ?? { epoch: randomUUID(), head: 0, entries: [] }
    state.logs.set(name, log)
    return log
  }
  const onWake = (channel: string) => {
    for (const listener of listeners.get(channel) ?? []) queueMicrotask(listener)
  }
  state.wakes.add(onWake)

  return {
    another: () => createClient(state, clock, sweep),

    async get(key) {
      open()
      const held = alive(key)
      return held && entry(held)
    },
    async put(key, value, { ifVersion, ttlMs }) {
      open()
      const ends = clock.now() + lifetime(ttlMs)
      sweep()
      if ((alive(key)?.version ?? 0) !== ifVersion) return undefined
      state.entries.set(key, { value: new Uint8Array(value), version: ifVersion + 1, ends })
      return ifVersion + 1
    },
    async take(key) {
      open()
      const held = alive(key)
      state.entries.delete(key)
      return held && entry(held)
    },
    async delete(key) {
      open()
      const held = alive(key)
      state.entries.delete(key)
      return held !== undefined
    },
    async touch(key, ttlMs) {
      open()
      const ends = clock.now() + lifetime(ttlMs)
      const held = alive(key)
      if (held) state.entries.set(key, { ...held, ends })
      return held !== undefined
    },

    async enrol(set, member, ttlMs) {
      open()
      const ends = clock.now() + lifetime(ttlMs)
      sweep()
      let held = state.sets.get(set)
      if (!held) {
        const members = new Map<string, number>()
        held = { members, sweep: sweeper(members, (until) => until <= clock.now()) }
        state.sets.set(set, held)
      }
      held.members.set(member, ends)
    },
    async withdraw(set, member) {
      open()
      state.sets.get(set)?.members.delete(member)
    },
    async count(set) {
      open()
      let count = 0
      for (const ends of state.sets.get(set)?.members.values() ?? []) if (ends > clock.now()) count++
      return count
    },

    async draw(name, draw) {
      open()
      checkDraw(draw)
      sweep()
      const allowance = state.allowances.get(name) ?? createAllowance(draw.perMs)
      state.allowances.set(name, allowance)
      return allowance.draw(clock.now(), draw)
    },

    async append(name, value, ttlMs) {
      open()
      const ends = clock.now() + lifetime(ttlMs)
      const log = logOf(name)
      log.head += 1
      log.entries.push({ sequence: log.head, value: new Uint8Array(value), ends })
      return log.head
    },
    async read(name, after) {
      open()
      const log = logOf(name)
      const now = clock.now()
      const live = log.entries.findIndex((held) => held.ends > now)
      log.entries.splice(0, live === -1 ? log.entries.length : live)
      const page: LogEntry[] = []
      // Sequences are dense, so the first entry tells where the one after `after` stands.
      const first = log.entries[0]?.sequence ?? 0
      for (let at = Math.max(0, after - first + 1); at < log.entries.length && page.length < LOG_PAGE; at++) {
        const held = log.entries[at]
        if (held && held.ends > now) page.push({ sequence: held.sequence, value: new Uint8Array(held.value) })
      }
      return { epoch: log.epoch, head: log.head, entries: page }
    },

    async wake(channel) {
      open()
      for (const deliver of state.wakes) deliver(channel)
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
      closed = true
      state.wakes.delete(onWake)
      listeners.clear()
    },
  }
}
