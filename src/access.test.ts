import assert from 'node:assert/strict'
import { describe, mock, test } from 'node:test'
import { type Attempt, access, type Outcome, reasonOf, type Steps } from './access.ts'
import type { Assumption, CredentialSource } from './assume/credential-source.ts'
import { type MemorySink, memorySink } from './audit/audit-sink.fake.ts'
import type { Authentication } from './authenticate/authenticator.ts'
import { createFakeClock } from './clock.fake.ts'
import { bearerCredential } from './credential.ts'
import type { Decision } from './decision.ts'
import { Refusal } from './errors.ts'
import type { Act, Acted } from './grant.ts'
import { createLog } from './log.ts'
import { bearerCaller, loginCaller } from './principal.fake.ts'
import type { Caller } from './principal.ts'
import { Secret } from './secret.ts'
import { StoreUnavailable } from './store/store.ts'

const ACTED: Acted = { result: 'completed', status: 200, bytes: 12, upstreamAuditId: 'up-1', cause: 'complete' }
const credential = (text: string) => bearerCredential(new Secret(text), Date.UTC(2026, 0, 2))
const granted = (text = 'token-1'): Assumption => ({ result: 'granted', credential: credential(text) })

interface Script {
  caller?: Caller
  authenticate?: () => Promise<Authentication>
  authorize?: () => Promise<Decision>
  assume?: () => Promise<Assumption>
  /** Default: one that says yes; `undefined` for a source without it. */
  evict?: CredentialSource['evict'] | undefined
  act?: Act
}

interface Stage {
  readonly outcome: Outcome
  /** Everything that happened, in order: steps, records and notes by their event. */
  readonly order: string[]
  readonly audit: MemorySink
  readonly logged: string
}

/** Runs one attempt over steps that write down that they were asked. */
async function run(script: Script = {}, failing: MemorySink['failing'] = new Set()): Promise<Stage> {
  const order: string[] = []
  const logged: string[] = []
  const audit = memorySink()
  audit.failing = failing
  const caller = script.caller ?? loginCaller()
  const asked = <T>(name: string, answer: () => Promise<T>) => {
    order.push(name)
    return answer()
  }
  const steps: Steps = {
    authenticator: {
      authenticate: () => asked('authenticate', script.authenticate ?? (async () => ({ result: 'authenticated', caller }))),
    },
    authorizer: { authorize: () => asked('authorize', script.authorize ?? (async () => ({ effect: 'allow', rule: 'cluster/prod' }))) },
    audit: {
      record: (event) => asked(`record ${event.event}`, () => audit.record(event)),
      note(event) {
        order.push(`note ${event.event}`)
        audit.note(event)
      },
    },
    clock: createFakeClock(),
    log: createLog((line) => logged.push(line)),
  }
  const source: CredentialSource = {
    assume: () => asked('assume', script.assume ?? (async () => granted())),
    ...('evict' in script
      ? script.evict && { evict: script.evict }
      : {
          evict() {
            order.push('evict')
            return true
          },
        }),
  }
  const attempt: Attempt = {
    id: 'attempt-1',
    address: '192.0.2.1',
    presented: {
      method: 'GET',
      writes: false,
      cookie: undefined,
      authorization: undefined,
      self: '',
      origin: undefined,
      fetchSite: undefined,
    },
    action: { name: 'get', writes: false },
    resource: { type: 'cluster', id: 'prod', properties: { resource: 'pods' } },
    target: { id: 'cluster/prod', audience: 'prod', scopes: [] },
    source,
    sourceName: 'forward-token',
  }
  const act: Act = (grant) => asked('act', () => (script.act ?? (async () => ACTED))(grant))
  const outcome = await access(steps, attempt, act)
  return { outcome, order, audit, logged: logged.join('') }
}

function refusalOf({ outcome }: Stage): Refusal {
  assert.equal(outcome.result, 'refused')
  return outcome.refusal
}

const STEPS = ['authenticate', 'authorize', 'assume'] as const
const rejecting = (step: (typeof STEPS)[number], error: unknown): Script => ({ [step]: () => Promise.reject(error) })

describe('refuses', () => {
  test('who shows nothing: not_signed_in, and asks no further step', async () => {
    const stage = await run({ authenticate: async () => ({ result: 'not-applicable' }) })
    assert.equal(refusalOf(stage).code, 'not_signed_in')
    assert.deepEqual(stage.order, ['authenticate', 'record refused'])
  })

  test('who was rejected, finally and with that reason', async () => {
    const stage = await run({ authenticate: async () => ({ result: 'rejected', refusal: new Refusal('token_expired') }) })
    assert.equal(refusalOf(stage).code, 'token_expired')
    assert.deepEqual(stage.order, ['authenticate', 'record refused'])
  })

  test('whom a rule denies, with its reason', async () => {
    const stage = await run({ authorize: async () => ({ effect: 'deny', code: 'too_many_requests', detail: 'enough' }) })
    assert.deepEqual([refusalOf(stage).code, refusalOf(stage).detail], ['too_many_requests', 'enough'])
    assert.deepEqual(stage.order, ['authenticate', 'authorize', 'record refused'])
  })

  test('of whom no rule speaks: silence denies', async () => {
    const stage = await run({ authorize: async () => ({ effect: 'abstain' }) })
    assert.equal(refusalOf(stage).code, 'denied')
    assert.deepEqual(stage.order, ['authenticate', 'authorize', 'record refused'])
  })

  for (const result of ['refused', 'needs-interaction', 'unavailable'] as const) {
    test(`when the credential is ${result}, with its refusal`, async () => {
      const stage = await run({ assume: async () => ({ result, refusal: new Refusal('consent_needed', { claims: '{"a":1}' }) }) })
      assert.deepEqual([refusalOf(stage).code, refusalOf(stage).claims], ['consent_needed', '{"a":1}'])
      assert.deepEqual(stage.order, [...STEPS, 'record refused'])
    })
  }

  test('when there were too many asks for a credential, with the time to wait', async () => {
    const stage = await run({ assume: async () => ({ result: 'too-many', retryAfterSeconds: 17 }) })
    assert.deepEqual([refusalOf(stage).status, refusalOf(stage).retryAfterSeconds], [429, 17])
  })
})

describe('cannot tell', () => {
  for (const step of STEPS) {
    test(`a store that does not answer in ${step} is 503 store_unavailable, never 401`, async () => {
      const stage = await run(rejecting(step, new StoreUnavailable('redis://:hunter2@store')))
      const refusal = refusalOf(stage)
      assert.deepEqual([refusal.code, refusal.status], ['store_unavailable', 503])
      assert.ok((refusal.retryAfterSeconds ?? 0) > 0)
      assert.equal(stage.order.at(-1), 'record refused')
      assert.ok(!stage.order.includes('act'))
      assert.ok(!stage.logged.includes('hunter2'))
    })

    test(`an unforeseen throw in ${step} is 500 fault and repeats no message`, async () => {
      const stage = await run(rejecting(step, new Error('token eyJhunter2')))
      const refusal = refusalOf(stage)
      assert.deepEqual([refusal.code, refusal.status, refusal.detail], ['fault', 500, undefined])
      assert.ok(!`${refusal.message}${refusal.stack}${JSON.stringify(refusal)}`.includes('hunter2'))
      assert.ok(!JSON.stringify(stage.audit.recorded).includes('hunter2'))
      assert.ok(!stage.logged.includes('hunter2'))
      assert.match(stage.logged, /"error":"Error"/)
      assert.deepEqual(stage.order.slice(-1), ['record refused'])
    })

    test(`a Refusal thrown in ${step} is answered as it is and recorded`, async () => {
      const stage = await run(rejecting(step, new Refusal('issuer_unavailable', { retryAfterSeconds: 3 })))
      assert.deepEqual([refusalOf(stage).code, refusalOf(stage).retryAfterSeconds], ['issuer_unavailable', 3])
      assert.equal(stage.audit.recorded[0]?.event, 'refused')
      assert.equal(stage.logged, '')
    })
  }

  test('something thrown that is no error is a fault as well', async () => {
    assert.equal(refusalOf(await run(rejecting('authorize', 'a string'))).code, 'fault')
    assert.equal(refusalOf(await run(rejecting('assume', undefined))).code, 'fault')
  })
})

describe('an ended caller', () => {
  const abortedBy = (reason?: unknown) => (reason === undefined ? AbortSignal.abort() : AbortSignal.abort(reason))

  test('is refused before any rule is asked', async () => {
    const stage = await run({ caller: loginCaller({ ended: abortedBy() }) })
    assert.equal(refusalOf(stage).code, 'login_ended')
    assert.deepEqual(stage.order, ['authenticate', 'record refused'])
  })

  test('with a bearer is told that the token was revoked', async () => {
    assert.equal(refusalOf(await run({ caller: bearerCaller('t', { ended: abortedBy() }) })).code, 'token_revoked')
  })

  test('of a replica that cannot tell any more gets 503', async () => {
    assert.equal(
      refusalOf(await run({ caller: loginCaller({ ended: abortedBy(new StoreUnavailable('blind')) }) })).code,
      'store_unavailable',
    )
  })

  test('of whom it was said why gets that answer', async () => {
    assert.equal(refusalOf(await run({ caller: loginCaller({ ended: abortedBy(new Refusal('login_expired')) }) })).code, 'login_expired')
  })

  for (const step of ['authorize', 'assume'] as const) {
    test(`who ends during ${step} is not acted for`, async () => {
      const ending = new AbortController()
      const end = <T>(answer: T) => {
        ending.abort()
        return Promise.resolve(answer)
      }
      const script: Script =
        step === 'authorize' ? { authorize: () => end({ effect: 'allow', rule: 'r' }) } : { assume: () => end(granted()) }
      const stage = await run({ caller: loginCaller({ ended: ending.signal }), ...script })
      assert.equal(refusalOf(stage).code, 'login_ended')
      assert.deepEqual(stage.order, [...STEPS, 'record refused'])
    })
  }

  test('gets no renewed credential', async () => {
    const ending = new AbortController()
    const stage = await run({
      caller: loginCaller({ ended: ending.signal }),
      async act(grant) {
        ending.abort()
        await grant.renew()
        return ACTED
      },
    })
    assert.equal(refusalOf(stage).code, 'login_ended')
  })
})

describe('no record, no action', () => {
  test('a log that cannot be written means that the act is never reached: 503 audit_unavailable', async () => {
    const stage = await run({}, 'all')
    assert.deepEqual([refusalOf(stage).code, refusalOf(stage).status], ['audit_unavailable', 503])
    assert.deepEqual(stage.order, [...STEPS, 'record granted', 'record refused'])
  })

  test('a log that takes the refusal but not the grant is no permission either', async () => {
    const stage = await run({}, new Set(['granted']))
    assert.equal(refusalOf(stage).code, 'audit_unavailable')
    assert.ok(!stage.order.includes('act'))
    assert.equal(stage.audit.recorded[0]?.event, 'refused')
  })

  test('a refusal that cannot be recorded becomes audit_unavailable', async () => {
    const stage = await run({ authenticate: async () => ({ result: 'rejected', refusal: new Refusal('token_expired') }) }, 'all')
    assert.equal(refusalOf(stage).code, 'audit_unavailable')
  })

  test('an effect is recorded before it is done, and not done when it cannot be', async () => {
    let done = 0
    const act: Act = async (grant) => {
      await grant.effect('delete pod web-0')
      done += 1
      return ACTED
    }
    const good = await run({ act })
    assert.deepEqual(good.order, [...STEPS, 'record granted', 'act', 'record effect', 'note completed'])
    assert.equal(done, 1)
    const bad = await run({ act }, new Set(['effect']))
    assert.equal(refusalOf(bad).code, 'audit_unavailable')
    assert.equal(done, 1)
    assert.deepEqual(bad.order.slice(-2), ['note failed', 'record refused'])
  })

  test('a stream whose beginning cannot be recorded is not begun', async () => {
    const stage = await run(
      {
        async act(grant) {
          await grant.streamOpened('up-1')
          return assert.fail('begun')
        },
      },
      new Set(['stream-opened']),
    )
    assert.equal(refusalOf(stage).code, 'audit_unavailable')
  })
})

describe('an act', () => {
  test('that refuses after the grant is recorded as failed and as refused', async () => {
    const stage = await run({ act: () => Promise.reject(new Refusal('upstream_timeout')) })
    assert.equal(refusalOf(stage).code, 'upstream_timeout')
    assert.deepEqual(stage.order, [...STEPS, 'record granted', 'act', 'note failed', 'record refused'])
    const [failed] = stage.audit.noted
    assert.ok(failed?.event === 'failed')
    assert.deepEqual([failed.code, failed.status, failed.attempt], ['upstream_timeout', 504, 'attempt-1'])
  })

  test('that throws something unforeseen is a fault, logged once and without its message', async () => {
    const stage = await run({ act: () => Promise.reject(new TypeError('hunter2')) })
    assert.equal(refusalOf(stage).code, 'fault')
    assert.equal(stage.logged.trim().split('\n').length, 1)
    assert.ok(!stage.logged.includes('hunter2'))
  })

  test('that throws before it returns a promise is a fault as well', async () => {
    const act: Act = () => {
      throw new Error('at once')
    }
    assert.equal(refusalOf(await run({ act })).code, 'fault')
  })

  test('that loses the store is 503', async () => {
    assert.equal(refusalOf(await run({ act: () => Promise.reject(new StoreUnavailable('x')) })).code, 'store_unavailable')
  })

  test('may renew: the old credential is evicted and the source asked again', async () => {
    const tokens = ['first', 'second']
    const seen: string[] = []
    const tokenOf = (given: { kind: string; token?: Secret }) => given.token?.expose() ?? ''
    const stage = await run({
      assume: async () => granted(tokens.shift()),
      async act(grant) {
        assert.ok(grant.refused(grant.credential))
        seen.push(tokenOf(grant.credential), tokenOf(await grant.renew()))
        return ACTED
      },
    })
    assert.deepEqual(seen, ['first', 'second'])
    assert.deepEqual(stage.order, [...STEPS, 'record granted', 'act', 'evict', 'assume', 'note completed'])
  })

  test('hears from the source whether another credential may be had, and tells it which one was refused', async () => {
    for (const evict of [() => false, undefined]) {
      const told: unknown[] = []
      const given = granted()
      await run({
        assume: async () => given,
        evict: evict && ((_caller, _target, refused) => told.push(refused) < 0),
        async act(grant) {
          assert.equal(grant.refused(grant.credential), false)
          return ACTED
        },
      })
      assert.deepEqual(told, evict && given.result === 'granted' ? [given.credential] : [])
    }
  })

  test("that may not renew is refused with the source's reason", async () => {
    const answers: Assumption[] = [granted(), { result: 'needs-interaction', refusal: new Refusal('login_expired') }]
    const stage = await run({
      assume: async () => answers.shift() ?? assert.fail(),
      async act(grant) {
        await grant.renew()
        return ACTED
      },
    })
    assert.equal(refusalOf(stage).code, 'login_expired')
  })
})

describe('every exit is recorded', () => {
  test('an allowed attempt: granted before the act, completed after it', async () => {
    const stage = await run()
    assert.deepEqual(stage.outcome, { result: 'acted', acted: ACTED, caller: loginCaller() })
    assert.deepEqual(stage.order, [...STEPS, 'record granted', 'act', 'note completed'])
    const [record] = stage.audit.recorded
    assert.ok(record?.event === 'granted')
    assert.deepEqual(
      [
        record.attempt,
        record.address,
        record.who?.subject,
        record.action,
        record.resource,
        record.properties,
        record.rule,
        record.credential,
      ],
      ['attempt-1', '192.0.2.1', 'alice', 'get', 'cluster/prod', { resource: 'pods' }, 'cluster/prod', 'forward-token'],
    )
    const [note] = stage.audit.noted
    assert.ok(note?.event === 'completed')
    assert.deepEqual([note.status, note.bytes, note.upstreamAuditId, note.milliseconds], [200, 12, 'up-1', 0])
  })

  test('a stream: opened and closed, with the cause', async () => {
    const stage = await run({
      async act(grant) {
        await grant.streamOpened('up-2')
        return { result: 'stream-closed', status: 200, bytes: 9, upstreamAuditId: 'up-2', cause: 'caller-ended' }
      },
    })
    assert.deepEqual(stage.order.slice(-2), ['record stream-opened', 'note stream-closed'])
    const [note] = stage.audit.noted
    assert.ok(note?.event === 'stream-closed')
    assert.equal(note.cause, 'caller-ended')
  })

  test('an answer that broke off: failed, with its code', async () => {
    const broke: Acted = {
      result: 'failed',
      status: 200,
      bytes: 3,
      upstreamAuditId: undefined,
      cause: 'upstream-broke',
      code: 'upstream_broke',
    }
    const stage = await run({ act: async () => broke })
    assert.deepEqual(stage.outcome, { result: 'acted', acted: broke, caller: loginCaller() })
    const [note] = stage.audit.noted
    assert.ok(note?.event === 'failed')
    assert.equal(note.code, 'upstream_broke')
  })

  test('a refusal: who it was as far as that is known, what they wanted, and why not', async () => {
    const unknown = (await run({ authenticate: async () => ({ result: 'not-applicable' }) })).audit.recorded[0]
    const known = (await run({ authorize: async () => ({ effect: 'deny', code: 'denied', detail: 'no group' }) })).audit.recorded[0]
    assert.ok(unknown?.event === 'refused' && known?.event === 'refused')
    assert.deepEqual([unknown.who, unknown.code, unknown.count], [undefined, 'not_signed_in', 1])
    assert.deepEqual(
      [known.who?.subject, known.code, known.detail, known.action, known.resource],
      ['alice', 'denied', 'no group', 'get', 'cluster/prod'],
    )
  })

  test('no record holds a credential', async () => {
    const stage = await run({ caller: bearerCaller('bearer-hunter2'), assume: async () => granted('credential-hunter2') })
    assert.ok(!JSON.stringify([...stage.audit.recorded, ...stage.audit.noted]).includes('hunter2'))
  })
})

test('a store outage is one line in ten seconds, not one a request, and says how many it stands for', (t) => {
  let now = 50_000
  mock.method(performance, 'now', () => now)
  t.after(() => mock.restoreAll())
  const lines: Array<Record<string, unknown>> = []
  const log = createLog((line) => void lines.push(JSON.parse(line)))
  const fails = () => assert.equal(reasonOf(new StoreUnavailable('gone'), log).code, 'store_unavailable')
  for (let i = 0; i < 1_000; i += 1) fails()
  assert.deepEqual(
    lines.map(({ message, attempts }) => [message, attempts]),
    [['the store cannot be reached', undefined]],
  )
  now += 10_000
  fails()
  assert.deepEqual([lines.length, lines[1]?.['attempts']], [2, 999])
  now += 10_000
  fails()
  assert.deepEqual([lines.length, lines[2]?.['attempts']], [3, undefined])
})
