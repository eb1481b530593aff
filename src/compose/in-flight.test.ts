import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Authorizer, Question } from '../authorize/authorizer.ts'
import { bearerCaller } from '../principal.fake.ts'
import type { Caller } from '../principal.ts'
import { composeInFlight } from './in-flight.ts'

const DENIES: Authorizer = { authorize: async () => ({ effect: 'deny', code: 'denied', detail: 'no' }) }

function stage() {
  const held = new Map<Caller, number>()
  const change = (by: number) => (caller: Caller) => void held.set(caller, (held.get(caller) ?? 0) + by)
  const inFlight = composeInFlight({ attempts: 2, streams: 1 }, { hold: change(1), release: change(-1) })
  const asks = (caller: Caller): Question => ({
    caller,
    action: { name: 'get', writes: false },
    resource: { type: 'cluster', id: 'prod', properties: {} },
  })
  const enter = async (caller: Caller, stream = false) => {
    const place = inFlight.place(DENIES, stream)
    await place.authorizer.authorize(asks(caller))
    return place
  }
  return { held, inFlight, enter }
}

test('refuses beyond the bound as before, and holds nobody then', async () => {
  const { held, inFlight, enter } = stage()
  const caller = bearerCaller('a')
  await enter(caller)
  const second = await enter(caller)
  const third = inFlight.place(DENIES, false)
  await assert.rejects(enter(caller), { code: 'too_many_requests' })
  third.leave()
  assert.equal(held.get(caller), 2)
  second.goesOn()
  await enter(caller)
  assert.equal(held.get(caller), 3)
})

test('a caller is held from the question until the place is given back, whatever is answered, and once', async () => {
  const { held, enter } = stage()
  const caller = bearerCaller('a')
  const { leave, goesOn } = await enter(caller)
  assert.equal(held.get(caller), 1)
  goesOn()
  assert.equal(held.get(caller), 1)
  leave()
  leave()
  assert.equal(held.get(caller), 0)
  // The place is free as well: one of one stream.
  await enter(caller, true)
  assert.equal(held.get(caller), 1)
})
