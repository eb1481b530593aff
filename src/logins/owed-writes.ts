/**
 * Writes that this replica alone can make: how a presentation ended, and the tokens that it gave.
 *
 * They exist only in this process until they are stored, so a store that is away is tried again until it is back or
 * the login is over. An outage then costs its callers a 503 and not their logins.
 */
import { type Clock, pause } from '../clock.ts'
import { StoreUnavailable } from '../store/store.ts'

export interface OwedWrites {
  /** True while a write for this login is owed: what the store says of the login is then out of date. */
  has(loginId: string): boolean
  /**
   * Makes a write now. When the store is away it rejects with StoreUnavailable at once, and the write is made again and
   * again in the background until `until`. `write` must be one that is harmless to repeat.
   */
  make(loginId: string, until: number, write: () => Promise<void>): Promise<void>
  /** Gives up what the store does not take within a few seconds more. */
  close(): Promise<void>
}

const AGAIN_EVERY_MS = 250
const CLOSE_WITHIN_MS = 5_000

export function createOwedWrites(clock: Clock): OwedWrites {
  const owed = new Map<Promise<void>, string>()
  const closing = new AbortController()

  const again = async (until: number, write: () => Promise<void>): Promise<void> => {
    while (clock.now() < until) {
      await pause(clock, AGAIN_EVERY_MS, closing.signal)
      if (closing.signal.aborted) return
      const over = await write().then(
        () => true,
        (error: unknown) => !(error instanceof StoreUnavailable),
      )
      if (over) return
    }
  }

  return {
    // Few logins are being refreshed at the moment the store goes away, so looking through them costs nothing.
    has: (loginId) => owed.size > 0 && owed.values().some((owing) => owing === loginId),
    async make(loginId, until, write) {
      try {
        await write()
      } catch (error) {
        if (error instanceof StoreUnavailable) {
          const debt: Promise<void> = again(until, write).finally(() => owed.delete(debt))
          owed.set(debt, loginId)
        }
        throw error
      }
    },
    async close() {
      if (owed.size > 0) await Promise.race([Promise.all(owed.keys()), pause(clock, CLOSE_WITHIN_MS)])
      closing.abort()
      await Promise.all(owed.keys())
    },
  }
}
