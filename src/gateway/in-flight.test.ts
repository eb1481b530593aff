import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Authorizer, Question } from '../authorize/authorizer.ts'
import { Secret } from '../secret.ts'
import { createInFlight } from './in-flight.ts'

const ALLOWS: Authorizer = { authorize: async () => ({ effect: 'allow', rule: 'r' }) }

/** Somebody asks, with a proof that nobody else has. */
const asks = (subject: string, issuer = 'https://issuer.example'): Question => ({
  caller: {
    principal: { kind: 'person', provider: 'corp', issuer, subject, groups: [] },
    proof: { kind: 'bearer', token: new Secret('t'), digest: `${Math.random()}`, audiences: [], scopes: [], expiresAt: 0 },
    ended: new AbortController().signal,
  },
  action: { name: 'get', writes: false },
  resource: { type: 'cluster', id: 'prod', properties: {} },
})

const enter = async (inFlight: ReturnType<typeof createInFlight>, question: Question, stream = false) => {
  const place = inFlight.place(ALLOWS, stream)
  await place.authorizer.authorize(question)
  return place
}

suite('what one principal has in flight', () => {
  test('is refused beyond the bound, with whatever proof, and told when to come again', async () => {
    const inFlight = createInFlight({ attempts: 2, streams: 1 })
    await enter(inFlight, asks('alice'))
    await enter(inFlight, asks('alice'))
    await assert.rejects(enter(inFlight, asks('alice')), { code: 'too_many_requests', retryAfterSeconds: 1 })
    await enter(inFlight, asks('alice'), true)
    await assert.rejects(enter(inFlight, asks('alice'), true), { code: 'too_many_requests' })
  })

  test('is no matter to another principal, nor to the same subject of another issuer', async () => {
    const inFlight = createInFlight({ attempts: 1, streams: 1 })
    await enter(inFlight, asks('alice'))
    await enter(inFlight, asks('bob'))
    await enter(inFlight, asks('alice', 'https://other.example'))
  })

  test('is a stream once it goes on and no sooner, if there is room for one', async () => {
    const inFlight = createInFlight({ attempts: 2, streams: 1 })
    const [first, second] = [await enter(inFlight, asks('alice')), await enter(inFlight, asks('alice'))]
    await assert.rejects(enter(inFlight, asks('alice')), { code: 'too_many_requests' })
    first.goesOn()
    first.goesOn()
    assert.throws(() => second.goesOn(), { code: 'too_many_requests', retryAfterSeconds: 1 })
    const third = await enter(inFlight, asks('alice'))
    await assert.rejects(enter(inFlight, asks('alice')), { code: 'too_many_requests' })
    first.leave()
    first.goesOn()
    third.goesOn()
    second.leave()
    await enter(inFlight, asks('alice'))
    await enter(inFlight, asks('alice'))
    await assert.rejects(enter(inFlight, asks('alice'), true), { code: 'too_many_requests' })
  })

  test('makes room when it is over, once each', async () => {
    const inFlight = createInFlight({ attempts: 2, streams: 1 })
    const [first] = [await enter(inFlight, asks('alice')), await enter(inFlight, asks('alice'))]
    first.leave()
    first.leave()
    await enter(inFlight, asks('alice'))
    await assert.rejects(enter(inFlight, asks('alice')), { code: 'too_many_requests' })
  })

  test('that was refused, or never got to be decided, takes no place away and gives none back', async () => {
    const inFlight = createInFlight({ attempts: 1, streams: 1 })
    inFlight.place(ALLOWS, false).leave()
    const held = await enter(inFlight, asks('alice'))
    const refused = inFlight.place(ALLOWS, false)
    await assert.rejects(refused.authorizer.authorize(asks('alice')), { code: 'too_many_requests' })
    refused.leave()
    await assert.rejects(enter(inFlight, asks('alice')), { code: 'too_many_requests' })
    held.leave()
    await enter(inFlight, asks('alice'))
  })

  test('ends with an authorizer that cannot tell as well', async () => {
    const inFlight = createInFlight({ attempts: 1, streams: 1 })
    const broken = inFlight.place({ authorize: () => Promise.reject(new Error('cannot tell')) }, false)
    await assert.rejects(broken.authorizer.authorize(asks('alice')), /cannot tell/)
    broken.leave()
    await enter(inFlight, asks('alice'))
  })
})
