/** A store for tests whose outages are ordered: it goes away, hangs and comes back when told. */
import { type Store, StoreUnavailable } from './store.ts'

export interface Outage {
  readonly store: Store
  /** Every call rejects at once, as with a refused connection. */
  down(): void
  /** Every call waits, and rejects when `up` or `down` is called, as with a paused server. */
  hang(): void
  up(): void
}

/** Wraps a store. Wakes sent during an outage are lost, as with a broken connection. */
export function withOutage(inner: Store): Outage {
  let state: 'up' | 'down' | 'hanging' = 'up'
  let end = Promise.withResolvers<void>()

  const change = (to: typeof state) => {
    state = to
    end.resolve()
    end = Promise.withResolvers<void>()
  }
  const guard = async <T>(call: () => Promise<T>): Promise<T> => {
    if (state === 'up') return call()
    if (state === 'hanging') await end.promise
    throw new StoreUnavailable('the test ordered an outage')
  }

  const store: Store = {
    get: (key) => guard(() => inner.get(key)),
    put: (key, value, options) => guard(() => inner.put(key, value, options)),
    take: (key) => guard(() => inner.take(key)),
    delete: (key) => guard(() => inner.delete(key)),
    touch: (key, ttlMs) => guard(() => inner.touch(key, ttlMs)),
    enrol: (set, member, ttlMs) => guard(() => inner.enrol(set, member, ttlMs)),
    withdraw: (set, member) => guard(() => inner.withdraw(set, member)),
    count: (set) => guard(() => inner.count(set)),
    draw: (allowance, draw) => guard(() => inner.draw(allowance, draw)),
    append: (log, value, ttlMs) => guard(() => inner.append(log, value, ttlMs)),
    read: (log, after) => guard(() => inner.read(log, after)),
    wake: (channel) => guard(() => inner.wake(channel)),
    listen: (channel, listener) => inner.listen(channel, () => state === 'up' && listener()),
    close: () => inner.close(),
  }
  return { store, down: () => change('down'), hang: () => change('hanging'), up: () => change('up') }
}
