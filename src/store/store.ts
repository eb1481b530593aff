/**
 * The contract of shared state. Everything replicas share goes through here, and nothing else does.
 *
 * Every write is a compare-and-set on a version that begins at 1 and grows by one: "absent" is version 0. A method
 * rejects with StoreUnavailable when the answer is not known; absence is only ever reported when the store said so
 * (promise 3: an outage is never read as "not signed in").
 *
 * Keys carry digests of ids, never ids; `sealed.ts` wraps this contract so that values are ciphertext.
 * The acceptance suite `store.conformance.ts` is the contract in full; every implementation passes all of it.
 */

import type { Draw, Drawn } from './allowance.ts'

export interface Entry {
  readonly value: Uint8Array
  readonly version: number
}

export interface LogEntry {
  readonly sequence: number
  readonly value: Uint8Array
}

export interface LogPage {
  /** Names one life of the log: it changes when a store has lost its contents. */
  readonly epoch: string
  /** Highest sequence given out in this epoch. */
  readonly head: number
  /**
   * Entries after the asked sequence, oldest first, expired ones left out. A page is bounded: read again after its last
   * entry until it is empty or reaches `head`.
   */
  readonly entries: readonly LogEntry[]
}

export interface PutOptions {
  /** The version the caller believes is there; 0 for absent. */
  readonly ifVersion: number
  /** Milliseconds until the entry is gone. */
  readonly ttlMs: number
}

export interface Store {
  get(key: string): Promise<Entry | undefined>
  /** Writes version `ifVersion + 1` and resolves to it; undefined when another version was there (nothing written). */
  put(key: string, value: Uint8Array, options: PutOptions): Promise<number | undefined>
  /** Reads and deletes in one step: of several takers exactly one gets the entry. */
  take(key: string): Promise<Entry | undefined>
  /** Deletes whatever is there; true when something was. */
  delete(key: string): Promise<boolean>
  /** Lengthens or shortens an entry's life; false when it is absent. */
  touch(key: string, ttlMs: number): Promise<boolean>

  /** Notes a member of a named set until `ttlMs` from now; noting it again moves its end. */
  enrol(set: string, member: string, ttlMs: number): Promise<void>
  /** Removes a member of a named set. */
  withdraw(set: string, member: string): Promise<void>
  /** Counts the members whose end has not come. */
  count(set: string): Promise<number>

  /**
   * Draws from an allowance that replicas share (`allowance.ts`): notes what was spent and reserves what is granted. The
   * time is the store's own. A repetition with the same sequence notes nothing twice, so an answer that was lost may be asked for again.
   */
  draw(allowance: string, draw: Draw): Promise<Drawn>

  /** Adds to a sequenced log; resolves to its sequence once every later `read` will see it. */
  append(log: string, value: Uint8Array, ttlMs: number): Promise<number>
  /**
   * Reads a log after a sequence. It is also a heartbeat: it resolves only if the store accepted a write in the same
   * step, so that a stale or read-only copy of the store cannot answer.
   */
  read(log: string, after: number): Promise<LogPage>

  /** Wakes listeners of `channel` on every replica, best effort: a lost wake costs latency, never correctness. */
  wake(channel: string): Promise<void>
  /** Calls `listener` at each wake of `channel` until the returned function is called. */
  listen(channel: string, listener: () => void): () => void

  /** Ends connections. Later calls reject. */
  close(): Promise<void>
}

/** The store cannot be reached, timed out, or refused: what it holds is unknown. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable'
}
