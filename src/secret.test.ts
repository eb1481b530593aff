import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { format, inspect } from 'node:util'
import { serialize } from 'node:v8'
import { Secret } from './secret.ts'

const VALUE = 'hunter2-hunter2'
const secret = new Secret(VALUE)

describe('a secret does not print itself', () => {
  const ways: Readonly<Record<string, () => string>> = {
    'as text': () => `${secret}${String(secret)}${[secret].join()}`,
    'by addition': () => `x${secret.toString()}`,
    'as JSON': () => JSON.stringify({ secret, list: [secret], [String(secret)]: 1 }),
    'to the inspector': () => inspect({ secret }, { depth: 9, showHidden: true }),
    'to the inspector without its own hook': () => inspect(secret, { customInspect: false, showHidden: true }),
    'in a format': () => ['%s', '%o', '%O', '%j', '%d'].map((each) => format(each, secret)).join(),
    'in the message of an error': () => inspect(new Error(`bad ${secret}`)),
    'as the cause of an error': () => inspect(new Error('bad', { cause: secret })),
    'in the properties of an error': () => inspect(Object.assign(new Error('bad'), { secret })),
    'in a map, a set and an array': () => inspect([new Map([[secret, secret]]), new Set([secret]), [secret]]),
    'when it is spread or listed': () => JSON.stringify([{ ...secret }, Object.entries(secret), Reflect.ownKeys(secret)].map(String)),
    'when it is cloned': () => inspect(structuredClone(secret)),
    'when it is serialized': () => serialize(secret).toString('latin1'),
    'as a date or number': () => `${Number(secret)} ${new Date(Number(secret))}`,
    'to a URL': () => new URLSearchParams({ token: String(secret) }).toString(),
  }
  for (const [how, print] of Object.entries(ways)) {
    test(how, () => assert.ok(!print().includes('hunter2')))
  }
})

describe('a secret', () => {
  test('gives its value to expose alone', () => assert.equal(secret.expose(), VALUE))
  test('tells its length', () => assert.equal(secret.length, VALUE.length))
  test('equals one of the same value and no other, whatever their lengths', () => {
    assert.ok(secret.equals(new Secret(VALUE)))
    for (const other of ['', VALUE.slice(1), `${VALUE} `, VALUE.toUpperCase()]) assert.ok(!secret.equals(new Secret(other)))
    assert.ok(new Secret('').equals(new Secret('')))
  })
  test('is named by its SHA-256', () => {
    assert.equal(new Secret('abc').digest(), 'ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0')
    assert.notEqual(secret.digest(), new Secret(`${VALUE}x`).digest())
  })
})
