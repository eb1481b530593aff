import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { createFakeClock } from '../clock.fake.ts'
import { bearerCredential, type Credential } from '../credential.ts'
import { Refusal } from '../errors.ts'
import { bearerCaller, loginCaller, principalOf, unsignedJwt } from '../principal.fake.ts'
import type { Caller, Principal } from '../principal.ts'
import { Secret } from '../secret.ts'
import { acquisitionKey, cached } from './cached.ts'
import type { Assumption, CredentialSource, Target } from './credential-source.ts'
import { createForwardToken } from './forward-token.ts'

const TARGET: Target = { id: 'cluster/prod', audience: 'prod', scopes: ['read'] }
const MINUTE = 60_000

function stage(lifeMs = 60 * MINUTE) {
  const clock = createFakeClock()
  const seen = { hits: 0, acquired: [] as string[], asked: 0, evicted: 0 }
  const script: { answer: () => Promise<Assumption> } = {
    answer: async () => ({ result: 'granted', credential: bearerCredential(new Secret(`token-${seen.asked}`), clock.now() + lifeMs) }),
  }
  const source: CredentialSource = {
    assume() {
      seen.asked += 1
      return script.answer()
    },
    evict() {
      seen.evicted += 1
      return true
    },
  }
  const cache = cached(source, clock, {
    hit() {
      seen.hits += 1
    },
    acquired: (result) => void seen.acquired.push(result),
  })
  return { clock, seen, script, cache }
}

const tokenIn = (credential: Credential) => (credential.kind === 'bearer' ? credential.token.expose() : credential.kind)
const tokenOf = (answer: Assumption) => (answer.result === 'granted' ? tokenIn(answer.credential) : answer.result)
const credentialOf = (answer: Assumption) => (answer.result === 'granted' ? answer.credential : assert.fail(answer.result))

// Few values of each part, so that pairs which differ in one part alone are common.
const few = fc.constantFrom('a', 'b', 'a,b', '"a","b"', '')
const someone: fc.Arbitrary<Principal> = fc.record({ issuer: few, subject: few }).map((parts) => principalOf(parts))
const acted: fc.Arbitrary<Principal> = fc
  .tuple(someone, fc.option(fc.tuple(someone, fc.option(someone))))
  .map(([who, by]) => (by === null ? who : { ...who, actor: by[1] === null ? by[0] : { ...by[0], actor: by[1] } }))
const callers: fc.Arbitrary<Caller> = fc
  .tuple(acted, fc.constantFrom('login', 'bearer'), fc.constantFrom('x', 'y'))
  .map(([principal, kind, proof]) =>
    kind === 'login' ? loginCaller({ principal, proof: { loginId: new Secret(proof).digest() } }) : bearerCaller(proof, { principal }),
  )
const targets: fc.Arbitrary<Target> = fc
  .record({
    id: few,
    audience: few,
    scopes: fc.array(few, { maxLength: 2 }),
    claims: fc.option(few, { nil: undefined }),
    resource: fc.option(few, { nil: undefined }),
  })
  .map(({ claims, resource, ...target }) => ({
    ...target,
    ...(claims === undefined ? {} : { claims }),
    ...(resource === undefined ? {} : { resource }),
  }))

/** Whether two asks are the same in every part that counts, said without the key. */
function same([one, to]: [Caller, Target], [other, into]: [Caller, Target]): boolean {
  const parts = (principal: Principal | undefined): unknown => principal && [principal.issuer, principal.subject, parts(principal.actor)]
  const proof = (caller: Caller) => (caller.proof.kind === 'login' ? ['l', caller.proof.loginId] : ['b', caller.proof.digest])
  const all = (caller: Caller, target: Target) => ({
    who: parts(caller.principal),
    proof: proof(caller),
    id: target.id,
    audience: target.audience,
    scopes: target.scopes,
    claims: target.claims ?? null,
    resource: target.resource ?? null,
  })
  try {
    assert.deepStrictEqual(all(one, to), all(other, into))
    return true
  } catch {
    return false
  }
}

describe('two asks that differ in any one part', () => {
  const asks = fc.tuple(callers, targets)

  test('have different keys; the same ones have one', () => {
    fc.assert(
      fc.property(asks, asks, (one, other) => {
        assert.equal(acquisitionKey(...one) === acquisitionKey(...other), same(one, other))
      }),
      { numRuns: 3_000 },
    )
  })

  test('never share a flight or an entry', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(asks, { minLength: 2, maxLength: 12 }), async (all) => {
        const { cache, seen } = stage()
        const inFlight = await Promise.all(all.map((ask) => cache.assume(...ask)))
        const distinct = all.filter((ask, at) => !all.slice(0, at).some((earlier) => same(earlier, ask))).length
        assert.equal(seen.asked, distinct)
        const kept = await Promise.all(all.map((ask) => cache.assume(...ask)))
        assert.equal(seen.asked, distinct)
        for (const [at, ask] of all.entries()) {
          for (const [before, earlier] of all.slice(0, at).entries()) {
            for (const answers of [inFlight, kept]) {
              assert.equal(tokenOf(answers[at] ?? assert.fail()) === tokenOf(answers[before] ?? assert.fail()), same(earlier, ask))
            }
          }
        }
      }),
      { numRuns: 200 },
    )
  })

  const caller = loginCaller()
  const other: ReadonlyArray<[string, Caller, Target]> = [
    ['issuer', loginCaller({ principal: { issuer: 'https://other.example' } }), TARGET],
    ['subject', loginCaller({ principal: { subject: 'bob' } }), TARGET],
    ['actor', loginCaller({ principal: { actor: principalOf({ subject: 'robot' }) } }), TARGET],
    ['login', loginCaller({ proof: { loginId: 'login-2' } }), TARGET],
    ['kind of proof', bearerCaller('t', { proof: { digest: 'login-1' } }), TARGET],
    ['target', caller, { ...TARGET, id: 'cluster/test' }],
    ['audience', caller, { ...TARGET, audience: 'test' }],
    ['scopes', caller, { ...TARGET, scopes: ['read', 'write'] }],
    ['fewer scopes', caller, { ...TARGET, scopes: [] }],
    ['claims', caller, { ...TARGET, claims: '{"acr":"2"}' }],
    ['resource', caller, { ...TARGET, resource: 'https://prod.example' }],
  ]
  for (const [what, who, target] of other) {
    test(`${what}: asked for itself`, async () => {
      const { cache, seen } = stage()
      const [one, two] = await Promise.all([cache.assume(caller, TARGET), cache.assume(who, target)])
      assert.equal(seen.asked, 2)
      assert.notEqual(tokenOf(one), tokenOf(two))
    })
  }

  test('resource: two that are named differ, and one is not the claims of the other', async () => {
    const { cache, seen } = stage()
    for (const more of [{ resource: 'a' }, { resource: 'b' }, { claims: 'a' }, {}]) await cache.assume(caller, { ...TARGET, ...more })
    assert.equal(seen.asked, 4)
  })

  test('token digest: a second bearer of one person is asked for itself', async () => {
    const { cache, seen } = stage()
    await cache.assume(bearerCaller('narrow'), TARGET)
    await cache.assume(bearerCaller('wide'), TARGET)
    assert.equal(seen.asked, 2)
  })
})

describe('does not keep', () => {
  for (const result of ['refused', 'needs-interaction', 'unavailable'] as const) {
    test(`an answer that is ${result}: the next ask is asked anew`, async () => {
      const { cache, seen, script } = stage()
      const grant = script.answer
      script.answer = async () => ({ result, refusal: new Refusal('denied') })
      assert.equal((await cache.assume(loginCaller(), TARGET)).result, result)
      script.answer = grant
      assert.equal((await cache.assume(loginCaller(), TARGET)).result, 'granted')
      assert.deepEqual([seen.asked, seen.hits, seen.acquired], [2, 0, [result, 'granted']])
    })
  }

  test('a throw: all who waited get it, and the next ask is asked anew', async () => {
    const { cache, seen, script } = stage()
    const grant = script.answer
    script.answer = () => Promise.reject(new Error('lost'))
    const both = await Promise.allSettled([cache.assume(loginCaller(), TARGET), cache.assume(loginCaller(), TARGET)])
    assert.deepEqual(
      both.map(({ status }) => status),
      ['rejected', 'rejected'],
    )
    script.answer = grant
    assert.equal((await cache.assume(loginCaller(), TARGET)).result, 'granted')
    assert.deepEqual(seen.acquired, ['threw', 'granted'])
  })

  test('a source that throws at once leaves no flight behind', async () => {
    const { cache, script } = stage()
    const grant = script.answer
    script.answer = () => {
      throw new Error('at once')
    }
    await assert.rejects(cache.assume(loginCaller(), TARGET))
    script.answer = grant
    assert.equal((await cache.assume(loginCaller(), TARGET)).result, 'granted')
  })

  test('the credential of a caller who ended while it was obtained', async () => {
    const { cache, seen } = stage()
    const ending = new AbortController()
    const asking = cache.assume(loginCaller({ ended: ending.signal }), TARGET)
    ending.abort()
    await asking
    await cache.assume(loginCaller(), TARGET)
    assert.deepEqual([seen.asked, seen.hits], [2, 0])
  })

  test('a credential that was evicted; the source is told as well', async () => {
    const { cache, seen } = stage()
    const refused = credentialOf(await cache.assume(loginCaller(), TARGET))
    await cache.assume(loginCaller({ principal: { subject: 'bob' } }), TARGET)
    assert.equal(cache.evict?.(loginCaller(), TARGET, refused), true)
    await cache.assume(loginCaller({ principal: { subject: 'bob' } }), TARGET)
    assert.deepEqual([seen.asked, seen.hits, seen.evicted], [2, 1, 1])
    await cache.assume(loginCaller(), TARGET)
    assert.equal(seen.asked, 3)
  })

  test('a credential that has already expired, or whose end is no time', async () => {
    for (const life of [0, -10 * MINUTE, Number.NaN]) {
      const { cache, seen } = stage(life)
      await cache.assume(loginCaller(), TARGET)
      await cache.assume(loginCaller(), TARGET)
      assert.deepEqual([seen.asked, seen.hits], [2, 0], String(life))
    }
  })

  test('what is past its use in memory: it is let go when others come', async () => {
    setFlagsFromString('--expose-gc')
    const collect: unknown = runInNewContext('gc')
    assert.ok(typeof collect === 'function')
    const { cache, clock } = stage(MINUTE)
    const weakly = async (loginId: string): Promise<WeakRef<object>> => {
      const answer = await cache.assume(loginCaller({ proof: { loginId } }), TARGET)
      return new WeakRef(answer.result === 'granted' ? answer.credential : assert.fail())
    }
    const kept = [await weakly('one'), await weakly('two'), await weakly('three')]
    clock.jump(2 * MINUTE)
    await cache.assume(loginCaller({ proof: { loginId: 'somebody else' } }), TARGET)
    // Targets of weak references are held until the turn that made them is over.
    await new Promise(setImmediate)
    collect()
    assert.deepEqual(
      kept.map((each) => each.deref()),
      [undefined, undefined, undefined],
    )
  })

  test('more than 50,000: the oldest go first', async () => {
    const { cache, seen } = stage()
    const callerAt = (at: number) => loginCaller({ proof: { loginId: `login-${at}` } })
    for (let at = 0; at <= 50_000; at++) await cache.assume(callerAt(at), TARGET)
    await cache.assume(callerAt(1), TARGET)
    assert.equal(seen.hits, 1)
    await cache.assume(callerAt(0), TARGET)
    assert.deepEqual([seen.asked, seen.hits], [50_002, 1])
  })
})

describe('when a target refuses what it is sent (401)', () => {
  /** One request of a caller: what the target refuses is renewed if it may be, and sent once more. */
  const request = async (cache: CredentialSource, caller: Caller): Promise<string[]> => {
    const first = credentialOf(await cache.assume(caller, TARGET))
    if (cache.evict?.(caller, TARGET, first) !== true) return [tokenIn(first)]
    return [tokenIn(first), tokenOf(await cache.assume(caller, TARGET))]
  }

  test('a loop of requests asks for one credential more, and one every half minute', async () => {
    const { cache, seen, clock } = stage()
    for (let i = 0; i < 100; i++) await request(cache, loginCaller())
    assert.equal(seen.asked, 2)
    for (let second = 0; second < 90; second++) {
      clock.jump(1_000)
      await request(cache, loginCaller())
    }
    assert.equal(seen.asked, 5)
  })

  test('a hundred at once ask for one credential more', async () => {
    const { cache, seen } = stage()
    const first = credentialOf(await cache.assume(loginCaller(), TARGET))
    const renewed = await Promise.all(
      Array.from({ length: 100 }, async () => {
        assert.equal(cache.evict?.(loginCaller(), TARGET, first), true)
        return tokenOf(await cache.assume(loginCaller(), TARGET))
      }),
    )
    assert.deepEqual([[...new Set(renewed)], seen.asked], [['token-2'], 2])
  })

  test('a renewed one that it refuses as well is kept, for as long as half a minute', async () => {
    const { cache, seen, clock } = stage()
    assert.deepEqual(await request(cache, loginCaller()), ['token-1', 'token-2'])
    clock.jump(29_999)
    assert.deepEqual(await request(cache, loginCaller()), ['token-2'])
    clock.jump(1)
    assert.deepEqual(await request(cache, loginCaller()), ['token-2', 'token-3'])
    assert.equal(seen.evicted, 2)
  })

  test('one that is late does not cost those who come after it what was renewed meanwhile', async () => {
    const { cache, seen, clock } = stage()
    const old = credentialOf(await cache.assume(loginCaller(), TARGET))
    await request(cache, loginCaller())
    clock.jump(MINUTE)
    assert.equal(cache.evict?.(loginCaller(), TARGET, old), true)
    assert.equal(tokenOf(await cache.assume(loginCaller(), TARGET)), 'token-2')
    assert.deepEqual([seen.asked, seen.evicted], [2, 1])
  })

  test('the same credential is known when it is dressed', async () => {
    const { cache, seen } = stage()
    const bare = credentialOf(await cache.assume(loginCaller(), TARGET))
    assert.equal(cache.evict?.(loginCaller(), TARGET, { ...bare, lines: [['X-Mandate-Subject', 'alice']] }), true)
    assert.equal(tokenOf(await cache.assume(loginCaller(), TARGET)), 'token-2')
    assert.equal(seen.evicted, 1)
  })

  test('nobody else waits: another caller and another target are renewed for themselves', async () => {
    const { cache, seen } = stage()
    await request(cache, loginCaller())
    await request(cache, loginCaller({ principal: { subject: 'bob' } }))
    assert.equal(seen.asked, 4)
    const there = { ...TARGET, id: 'cluster/test' }
    const first = credentialOf(await cache.assume(loginCaller(), there))
    assert.equal(cache.evict?.(loginCaller(), there, first), true)
  })

  test('a caller who leaves before the new one is there does not begin the half minute anew', async () => {
    const { cache, seen, clock } = stage()
    for (let i = 0; i < 20; i++) {
      cache.evict?.(loginCaller(), TARGET, credentialOf(await cache.assume(loginCaller(), TARGET)))
      clock.jump(1_000)
    }
    assert.equal(seen.asked, 2)
  })

  test('a login is not refreshed for it: a cluster that always says 401 costs two reads of its tokens', async () => {
    const clock = createFakeClock()
    const asked: string[] = []
    const source = createForwardToken({
      token: 'id-token',
      passThroughOpen: false,
      audienceFor: () => 'prod',
      takenAsBearer: () => false,
      logins: {
        async fresh(loginId) {
          asked.push(loginId)
          return { token: new Secret(unsignedJwt({ aud: 'prod', sub: loginId })), expiresAt: clock.now() + 60 * MINUTE }
        },
      },
    })
    const cache = cached(source, clock, { hit: () => undefined, acquired: () => undefined })
    for (let i = 0; i < 1_000; i++) await request(cache, loginCaller())
    assert.deepEqual(asked, ['login-1', 'login-1'])
  })
})

describe('renews', () => {
  const usedFor = async (lifeMs: number): Promise<number> => {
    const { cache, seen, clock } = stage(lifeMs)
    await cache.assume(loginCaller(), TARGET)
    const step = lifeMs / 300
    for (let at = step; at <= lifeMs; at += step) {
      clock.jump(step)
      await cache.assume(loginCaller(), TARGET)
      if (seen.asked > 1) return at
    }
    return lifeMs
  }

  test('a token of 300 s a fifth of its life before its end, not five minutes', async () => {
    assert.equal(await usedFor(300_000), 240_000)
  })
  test('a token of an hour five minutes before its end', async () => {
    assert.equal(await usedFor(60 * MINUTE), 55 * MINUTE)
  })
  test('never hands out what is past its end, whatever its life', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 24 * 60 * MINUTE }),
        fc.integer({ min: 0, max: 25 * 60 * MINUTE }),
        async (life, later) => {
          const { cache, clock } = stage(life)
          const first = await cache.assume(loginCaller(), TARGET)
          clock.jump(later)
          const second = await cache.assume(loginCaller(), TARGET)
          assert.ok(second.result === 'granted' && second.credential.expiresAt > clock.now())
          if (tokenOf(first) === tokenOf(second)) assert.ok(later < life - Math.min(5 * MINUTE, life / 5))
        },
      ),
    )
  })
})

describe('shares', () => {
  test('one flight among all who ask the same at once', async () => {
    const { cache, seen, script } = stage()
    const answer = Promise.withResolvers<Assumption>()
    script.answer = () => answer.promise
    const all = Promise.all(Array.from({ length: 100 }, () => cache.assume(loginCaller(), TARGET)))
    answer.resolve({ result: 'granted', credential: bearerCredential(new Secret('one'), Date.UTC(2026, 1, 1)) })
    assert.deepEqual([...new Set((await all).map(tokenOf))], ['one'])
    assert.deepEqual([seen.asked, seen.hits, seen.acquired], [1, 0, ['granted']])
  })

  test('an entry with a later caller of the same proof', async () => {
    const { cache, seen } = stage()
    await cache.assume(loginCaller(), TARGET)
    assert.equal(tokenOf(await cache.assume(loginCaller(), TARGET)), 'token-1')
    assert.deepEqual([seen.asked, seen.hits], [1, 1])
  })
})
