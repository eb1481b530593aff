import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { faultsAfter, faultsFrom, goodDraft, lineOf } from '../config.fake.ts'
import { parseConfig } from '../config.ts'
import { ConfigFaulty } from './faults.ts'

const OTHERWISE = 'is a number that would be read otherwise than it is written, as 00123 is 123 and 1.10 is 1.1 | put it in quotes'

/** A file whose one route allows what is written. */
const fileWith = (allow: string, before = '') => `${before}
publicUrl: https://mandate.example
listen: { http: { port: 0 }, operations: { port: 0 } }
store: { memory: singleReplica }
providers:
  corp: { kind: oidc, issuer: "https://issuer.example", clientId: mandate, clientAuth: { method: none }, audience: api, machineClients: [robot] }
routes:
  - match: { host: app.example, path: /** }
    upstream: http://app.svc:8080
    allow: ${allow}
`
const faultsIn = (allow: string, before?: string) => faultsFrom(() => parseConfig(fileWith(allow, before)))
const claimsIn = (values: string) => parseConfig(fileWith(`{ claims: { tenant: [${values}] } }`)).routes[0]?.allow[0]?.claims?.['tenant']

describe('refuses in claims of a rule', () => {
  for (const number of [
    '00123',
    '0x10',
    '0o17',
    '12e7',
    '1e2',
    '1.10',
    '1.5',
    '7.0',
    '+7',
    '-0',
    '-007',
    '9007199254740992',
    '9007199254740993',
    '1234567890123456789',
    '-9007199254740993',
    '!!int "00123"',
    '!!float 1e2',
  ])
    test(`${number}, which would be compared as another text`, () => {
      assert.deepEqual(faultsIn(`{ claims: { tenant: [acme, ${number}] } }`), [`routes.0.allow.claims.tenant.1 | ${OTHERWISE}`])
      assert.deepEqual(faultsIn(`[{}, { claims: { tenant: [${number}] } }]`), [`routes.0.allow.1.claims.tenant.0 | ${OTHERWISE}`])
    })

  test('a number that is written elsewhere, behind an alias', () => {
    assert.deepEqual(faultsIn('{ groups: [&tenant "00123"], claims: { tenant: [*tenant] } }'), [])
    assert.deepEqual(faultsIn('[{ claims: { a: [&id 0x10] } }, { claims: { tenant: [*id] } }]'), [
      `routes.0.allow.0.claims.a.0 | ${OTHERWISE}`,
      `routes.0.allow.1.claims.tenant.0 | ${OTHERWISE}`,
    ])
  })

  test('numbers in JSON, all at once with what else is wrong', () => {
    const json = JSON.stringify({
      ...goodDraft(),
      routes: [
        { match: { host: 'a.example', path: '/**' }, upstream: 'http://a', allow: { claims: { tenant: [7, 'X'], plan: ['Y'] }, x: 1 } },
      ],
    })
    assert.deepEqual(
      faultsFrom(() => parseConfig(json.replace('"X"', '1.0').replace('"Y"', '1e400'))).map((line) => line.split(' | ')[0]),
      ['routes.0.allow.claims.plan.0', 'routes.0.allow.x', 'routes.0.allow.claims.tenant.1'],
    )
  })

  test('numbers that no text stands for, in configuration that is built in code', () => {
    const route = (value: number) => ({
      match: { host: 'a.example', path: '/**' },
      upstream: 'http://a',
      allow: { claims: { tenant: [value] } },
    })
    for (const value of [1.5, 2 ** 53, -(2 ** 53), 1e21])
      assert.deepEqual(
        faultsAfter((draft) => (draft['routes'] = [route(value)])),
        [`routes.0.allow.claims.tenant.0 | ${OTHERWISE}`],
      )
    assert.deepEqual(
      faultsAfter((draft) => (draft['routes'] = [route(Number.MAX_SAFE_INTEGER)])),
      [],
    )
  })

  test('no claim at all: silence would let in everybody', () => {
    assert.deepEqual(faultsIn('{ claims: {} }'), ['routes.0.allow.claims | is empty | name at least one claim'])
    assert.deepEqual(faultsIn('[{}, { callers: [machine], claims: {} }]'), ['routes.0.allow.1.claims | is empty | name at least one claim'])
  })

  test('without repeating what was written', () => {
    const secret = '1234567890123456789'
    const told = () => parseConfig(fileWith(`{ claims: { tenant: [${secret}, 0x2A] } }`))
    assert.throws(told, (error) => error instanceof ConfigFaulty && !/1234567890|0x2A|42/i.test(error.faults.map(lineOf).join()))
  })
})

describe('takes in claims of a rule', () => {
  test('whole numbers in plain digits, whatever else is written otherwise elsewhere', () => {
    assert.deepEqual(claimsIn('7, 0, -7, 9007199254740991, true'), ['7', '0', '-7', '9007199254740991', 'true'])
    assert.deepEqual(faultsIn('{ claims: { tenant: [7] } }\n    retries: 0x1'), [])
  })
  test('everything in quotes as it is', () => {
    assert.deepEqual(claimsIn('"00123", \'1.10\', "1234567890123456789", "true"'), ['00123', '1.10', '1234567890123456789', 'true'])
  })
  test('any number only as the text that stands there', () => {
    const digits = fc.stringMatching(/^[-+]?[0-9]{1,20}(\.[0-9]{1,3})?(e[0-9]{1,2})?$/)
    fc.assert(
      fc.property(fc.oneof(digits, fc.maxSafeInteger().map(String)), (number) => {
        if (faultsIn(`{ claims: { tenant: [${number}] } }`).length === 0) assert.deepEqual(claimsIn(number), [number])
      }),
    )
  })
})
