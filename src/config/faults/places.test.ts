/** Where faults are in the file, in every form that a file may have. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { configOf } from '../config.fake.ts'
import { parseConfig } from '../config.ts'
import { FAULT_CODES } from './fault-codes.ts'
import { ConfigFaulty, type ToldFault } from './faults.ts'
import { placed, placesIn } from './places.ts'

const at = (source: string, path: string) => {
  const place = placesIn(source)(path)
  return place === undefined ? undefined : `${place.line}:${place.column}`
}

function faultsOf(source: string): readonly ToldFault[] {
  try {
    parseConfig(source)
  } catch (error) {
    if (error instanceof ConfigFaulty) return error.faults
    throw error
  }
  return []
}

describe('the place', () => {
  const source = 'a:\n  b: 1\n  c.d/e: { f: [1, { g: 2 }] }\nlist:\n  - x: 1\n  - &y { z: 1 }\nalso: *y\n'
  for (const [path, expected] of [
    ['a', '1:1'],
    ['a.b', '2:3'],
    ['a.c.d/e.f.1.g', '3:21'],
    ['list.1', '6:8'],
    ['list.1.z', '6:10'],
    ['also.z', '6:10'],
  ] as const)
    test(`of ${path}`, () => assert.equal(at(source, path), expected))

  test('of what is missing is that of its parent', () => {
    assert.equal(at(source, 'a.x.y'), '1:1')
    assert.equal(at(source, 'list.0.y'), '5:5')
    assert.equal(at(source, 'list.9'), '4:1')
    assert.equal(at(source, 'a.b.c'), '2:3')
    assert.equal(at(`# head\n${source}`, 'nowhere'), '2:1')
  })
  test('of the whole is none', () => assert.equal(at(source, ''), undefined))
  test('in JSON, in an empty text, and behind an alias that leads to itself', () => {
    assert.equal(at('{"a": {"b": [1,\n {"c": 2}]}}', 'a.b.1.c'), '2:3')
    assert.equal(at('', 'a'), '1:1')
    assert.equal(at('a: &a { b: *a }\n', 'a.b.b.b.c'), '1:9')
    assert.equal(at('a: *nowhere\n', 'a.b'), '1:1')
  })
  test('of many faults in one group, in time', () => {
    const many = Array.from({ length: 20_000 }, (_, number) => `k${number}: 1`).join('\n')
    const places = placesIn(many)
    for (let number = 0; number < 20_000; number += 1) assert.equal(places(`k${number}`)?.line, number + 1)
  })
})

describe('faults of a text', () => {
  const GOOD = `publicUrl: https://mandate.example
listen: { http: { port: 0 }, operations: { port: 0 } }
store: { memory: singleReplica }
providers:
  corp: { kind: oidc, issuer: "https://issuer.example", clientId: mandate, clientAuth: { method: none }, audience: api }
`
  const told = (source: string) => faultsOf(source).map(({ code, path, line, column }) => `${code} ${path} ${line}:${column}`)

  test('have their kind and place', () =>
    assert.deepEqual(told(`${GOOD}foo: 1\nlog: x\nsessions:\n  idle: 3 days\naudit: { file: [] }\n`).toSorted(), [
      'unknown_key foo 6:1',
      'wrong_form audit.file 10:10',
      'wrong_form sessions.idle 9:3',
      'wrong_type log 7:1',
    ]))
  test('of rules over several keys too', () => assert.deepEqual(told(`${GOOD}sessions: { idle: 9h }\n`), ['unsafe sessions.idle 6:13']))
  test('of the syntax', () => assert.deepEqual(told('a: 1\nb: "x\n'), ['yaml  3:1']))
  test('of a key that stands there twice', () => assert.deepEqual(told(`${GOOD}log: {}\nlog: {}\n`), ['duplicate log 7:1']))
  test('have kinds of the closed list alone', () => {
    for (const source of ['', '[', 'a: 1\na: 1', `${GOOD}x: 1`, GOOD.replace('0', '-1'), GOOD.replace('https', 'http')])
      for (const { code } of faultsOf(source)) assert.ok(Object.hasOwn(FAULT_CODES, code), code)
  })
  test('what is found later has its place; in what was built in code there is none', () => {
    const found = [{ path: 'store.memory', problem: 'p', mend: 'm' }]
    assert.deepEqual(placed(parseConfig(GOOD), found), [{ ...found[0], line: 3, column: 10 }])
    assert.deepEqual(placed(configOf(), found), found)
  })
})
