import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { configOf, type Draft } from '../config.fake.ts'
import { ConfigFaulty } from '../faults/faults.ts'
import { advice } from './advice.ts'

const BEHIND = { behind: ['10.0.0.0/8'] }
const advised = (change: (draft: Draft) => unknown) =>
  advice(
    configOf((d) => {
      Object.assign(d.listen, BEHIND)
      change(d)
    }),
  )
    .map(({ path }) => path)
    .filter((path) => path !== 'store.memory')
const corp = (changes: Record<string, unknown>) => (d: Draft) => Object.assign(d.providers['corp'] ?? {}, changes)
const ranges =
  (...behind: string[]) =>
  (d: Draft) =>
    Object.assign(d.listen, { behind })

describe('a slip is told:', () => {
  const cases: ReadonlyArray<[string, (d: Draft) => unknown, ...string[]]> = [
    ['https without anything that ends TLS', ranges(), 'publicUrl'],
    [
      'an address that means its range',
      ranges('10.0.0.1/8', '10.0.0.0/8', '2001:db8::1/64', 'fd00::/8'),
      'listen.behind.0',
      'listen.behind.2',
    ],
    ['the path of traces, which is put after it', (d) => Object.assign(d, { tracing: { otlp: 'https://o/v1/traces' } }), 'tracing.otlp'],
    ['a placeholder', corp({ clientId: `\${CLIENT}` }), 'providers.corp.clientId'],
    ['a placeholder of a shell', corp({ audience: '$AUDIENCE' }), 'providers.corp.audience'],
    ['a client of machines and people', corp({ machineClients: ['a', 'b'], personClients: ['b'] }), 'providers.corp.machineClients'],
    ["Mandate's own client as a machine", corp({ machineClients: ['mandate'] }), 'providers.corp.machineClients'],
  ]
  for (const [what, change, ...paths] of cases) test(what, () => assert.deepEqual(advised(change), paths))

  test('the address of the discovery document as issuer, which nothing could equal', () => {
    const issuer = 'https://issuer.example/realms/a/.well-known/openid-configuration'
    assert.throws(
      () => configOf(corp({ issuer })),
      (error) => error instanceof ConfigFaulty && error.faults.map(({ path }) => path).join() === 'providers.corp.issuer',
    )
  })
})

test('ranges by their first address, and single addresses, are left alone', () => {
  assert.deepEqual(advised(ranges('10.0.0.0/8', '192.168.1.7/32', '172.16.0.0/12', '2001:db8::/32', '::1/128')), [])
})
