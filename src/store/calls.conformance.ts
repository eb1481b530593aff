/** What every suite of the store needs: each method once, and waiting with a bound instead of a fixed time. */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Store, StoreUnavailable } from './store.ts'

/** One call of each method that answers. */
export const CALLS = {
  get: (store: Store): Promise<unknown> => store.get('k'),
  put: (store: Store): Promise<unknown> => store.put('k', Buffer.from('v'), { ifVersion: 0, ttlMs: 60_000 }),
  take: (store: Store): Promise<unknown> => store.take('k'),
  delete: (store: Store): Promise<unknown> => store.delete('k'),
  touch: (store: Store): Promise<unknown> => store.touch('k', 60_000),
  enrol: (store: Store): Promise<unknown> => store.enrol('s', 'm', 60_000),
  withdraw: (store: Store): Promise<unknown> => store.withdraw('s', 'm'),
  count: (store: Store): Promise<unknown> => store.count('s'),
  draw: (store: Store): Promise<unknown> =>
    store.draw('a', { holder: 'h', sequence: 1, spent: 0, held: 0, wanted: 1, count: 1, perMs: 1_000, holdMs: 1_000 }),
  append: (store: Store): Promise<unknown> => store.append('l', Buffer.from('v'), 60_000),
  read: (store: Store): Promise<unknown> => store.read('l', 0),
  wake: (store: Store): Promise<unknown> => store.wake('c'),
}

/** Every method rejects with StoreUnavailable, and none later than 1.5 s. */
export async function everyCallRejects(store: Store): Promise<void> {
  const rejects = async ([name, call]: [string, (store: Store) => Promise<unknown>]) => {
    const began = performance.now()
    await assert.rejects(call(store), StoreUnavailable, name)
    assert.ok(performance.now() - began < 1500, `${name} took ${performance.now() - began} ms`)
  }
  await Promise.all(Object.entries(CALLS).map(rejects))
}

/** Waits until something is true, at most `limitMs`: the bound of a test, never its expected time. */
export async function eventually(what: string, condition: () => Promise<boolean> | boolean, limitMs = 3000): Promise<void> {
  const limit = performance.now() + limitMs
  while (!(await condition())) {
    if (performance.now() > limit) assert.fail(`not within ${limitMs} ms: ${what}`)
    await sleep(5)
  }
}
