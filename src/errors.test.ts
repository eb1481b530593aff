import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { inspect } from 'node:util'
import { asRefusal, Refusal } from './errors.ts'
import { REFUSALS, type RefusalCode } from './refusal-codes.ts'

const CODES = Object.keys(REFUSALS).filter((code): code is RefusalCode => code in REFUSALS)

describe('a refusal cannot be changed', () => {
  test('by adding to it', () => {
    const refusal = new Refusal('denied')
    assert.throws(() => Object.assign(refusal, { claims: 'of another caller' }), TypeError)
    assert.throws(() => Object.defineProperty(refusal, 'note', { value: 1 }), TypeError)
    assert.throws(() => Object.assign(refusal, { status: 200 }), TypeError)
    assert.ok(Object.isFrozen(refusal))
  })
})

describe('whatever was thrown', () => {
  test('stays itself when it is a refusal', () => {
    const refusal = new Refusal('token_expired')
    assert.equal(asRefusal(refusal), refusal)
  })
  test('is a fault otherwise, without a word of it', () => {
    for (const thrown of [new Error('hunter2'), 'hunter2', { code: 'denied', status: 200, message: 'hunter2' }, undefined, null]) {
      const refusal = asRefusal(thrown)
      assert.deepEqual([refusal.code, refusal.status, refusal.detail, refusal.cause], ['fault', 500, undefined, undefined])
      assert.ok(!`${inspect(refusal)} ${JSON.stringify(refusal)}`.includes('hunter2'))
    }
  })
})

describe('a refusal', () => {
  test('says its title, and its detail after it', () => {
    assert.equal(new Refusal('denied').message, 'No rule allows this caller here')
    assert.equal(new Refusal('denied', { detail: 'no group' }).message, 'No rule allows this caller here: no group')
    assert.equal(new Refusal('denied', { detail: 'no group' }).detail, 'no group')
  })
  test('of a 503 says when to try again, also when nobody set it', () => {
    for (const code of CODES) {
      const refusal = new Refusal(code)
      if (refusal.status === 503) assert.ok((refusal.retryAfterSeconds ?? 0) > 0, code)
      else assert.equal(refusal.retryAfterSeconds, undefined, code)
    }
    assert.equal(new Refusal('store_unavailable', { retryAfterSeconds: 9 }).retryAfterSeconds, 9)
  })
  test("carries the issuer's challenge and nothing else of anybody", () => {
    assert.equal(new Refusal('consent_needed', { claims: '{"a":1}' }).claims, '{"a":1}')
    assert.equal(new Refusal('consent_needed').cause, undefined)
  })
})

describe('the catalogue', () => {
  test('has stable codes of lower-case words', () => {
    for (const code of CODES) assert.match(code, /^[a-z]+(_[a-z]+)*$/)
  })
  test('has no title twice, a sentence as mend, and no success among the statuses', () => {
    const titles = CODES.map((code) => REFUSALS[code].title)
    assert.equal(new Set(titles).size, titles.length)
    for (const code of CODES) {
      const { status, title, mend } = REFUSALS[code]
      assert.ok(Number.isInteger(status) && status >= 400 && status <= 504, code)
      assert.match(title, /^\S.*[^.]$/, code)
      assert.match(mend, /^[A-Z].*\.$/, code)
    }
  })
  test('never answers "cannot tell" as "not signed in"', () => {
    for (const code of CODES.filter((each) => /unavailable|shutting_down/.test(each))) assert.ok(REFUSALS[code].status >= 500, code)
  })
  test('answers a bad token by 401 and a forbidden act by 403', () => {
    for (const code of CODES.filter((each) => each.startsWith('token_'))) assert.equal(REFUSALS[code].status, 401, code)
    for (const code of [
      'denied',
      'identity_reserved',
      'identity_unusable',
      'credential_not_offered',
      'credential_audience_wrong',
      'origin_refused',
      'csrf_refused',
    ] as const) {
      assert.equal(REFUSALS[code].status, 403, code)
    }
  })
})
