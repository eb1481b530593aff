import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { isLoopbackHost } from './loopback.ts'
import { cidr, duration, name, origin, port, reference, secureUrl, size, text } from './values.ts'

interface Schema<T> {
  safeParse(value: unknown): { success: true; data: T } | { success: false }
}
const parsed = <T>(schema: Schema<T>, value: unknown): T | undefined => {
  const result = schema.safeParse(value)
  return result.success ? result.data : undefined
}
const refusesAll = (schema: Schema<unknown>, values: readonly unknown[]) => {
  for (const value of values) assert.equal(schema.safeParse(value).success, false, JSON.stringify(value))
}

describe('a duration', () => {
  test('refuses what is none', () => {
    refusesAll(duration, [
      '',
      '0s',
      '-1s',
      '1',
      's',
      '1 s',
      '1S',
      '1.5s',
      '01s',
      '1w',
      '1s1s',
      '1e3s',
      '１s',
      '1s\n',
      ' 1s',
      30,
      null,
      '366d',
      '999999999d',
      '8761h',
    ])
  })
  test('is read in milliseconds', () => {
    assert.deepEqual(
      ['250ms', '30s', '30m', '8h', '365d'].map((written) => parsed(duration, written)),
      [250, 30_000, 1_800_000, 28_800_000, 31_536_000_000],
    )
  })
  test('of any size that is taken is a date from now', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 999_999_999 }), fc.constantFrom('ms', 's', 'm', 'h', 'd'), (count, unit) => {
        const ms = parsed(duration, `${count}${unit}`)
        if (ms !== undefined) assert.ok(Number.isSafeInteger(ms) && !Number.isNaN(new Date(Date.UTC(2026) + ms).getTime()))
      }),
    )
  })
})

describe('a size', () => {
  test('refuses what is none', () => {
    refusesAll(size, ['', '0kB', '1', '1B', '1KB', '1kb', '1 MB', '1.5MB', '-1MB', '1MiB', '1MB\n', 1024, '1001GB', '9999999GB'])
  })
  test('is read in bytes', () => {
    assert.deepEqual(
      ['64kB', '3MB', '1GB'].map((written) => parsed(size, written)),
      [64_000, 3_000_000, 1_000_000_000],
    )
  })
})

describe('an address range', () => {
  test('refuses what is none', () => {
    refusesAll(cidr, [
      '',
      '10.0.0.0',
      '10.0.0.0/',
      '/8',
      '10.0.0.0/33',
      '10.0.0.0/-1',
      '10.0.0.0/8/8',
      '10.0.0/8',
      '010.0.0.0/8',
      '10.0.0.0/8 ',
      '10.0.0.0/1e1',
      '::1/129',
      'fe80::1%eth0/64',
      'localhost/8',
      '10.0.0.0/0x8',
      8,
    ])
  })
  test('takes both families', () => {
    for (const range of ['10.0.0.0/8', '192.0.2.1/32', '::1/128', '2001:db8::/32', '::ffff:10.0.0.0/104'])
      assert.equal(parsed(cidr, range), range)
  })
})

describe('a name', () => {
  test('refuses what is no DNS label', () => {
    refusesAll(name, ['', '-a', 'a-', 'A', 'a_b', 'a.b', 'a/b', '..', '__proto__', 'ä', 'a\n', 'a'.repeat(64)])
  })
  test('takes one', () => {
    for (const label of ['a', '0', 'a-b', 'a'.repeat(63)]) assert.equal(parsed(name, label), label)
  })
})

describe('an origin', () => {
  test('refuses what is none, or would send secrets in clear', () => {
    refusesAll(origin, [
      '',
      'mandate.example',
      '//mandate.example',
      'ftp://mandate.example',
      'javascript:alert(1)',
      'https://',
      'https://a@b',
      'https://a:b@c',
      'https://a/b',
      'https://a/?b',
      'https://a/?b=c',
      'https://a/#b',
      'http://mandate.example',
      'http://localhost.example',
      'http://127.0.0.1.example',
      1,
    ])
  })
  test('is reduced to its origin', () => {
    assert.equal(parsed(origin, 'https://Mandate.Example:443/'), 'https://mandate.example')
    assert.equal(parsed(origin, 'http://127.0.0.1:8080'), 'http://127.0.0.1:8080')
    assert.equal(parsed(origin, 'http://[::1]:1'), 'http://[::1]:1')
  })
  test('of an issuer is kept to the letter, because iss is compared so', () => {
    for (const issuer of ['https://Issuer.example/Realm/', 'https://issuer.example', 'https://issuer.example/'])
      assert.equal(parsed(secureUrl, issuer), issuer)
  })
})

test('a port refuses what is none', () => {
  refusesAll(port, [-1, 65_536, 1.5, '80', null, Number.NaN, Infinity])
  assert.deepEqual(
    [0, 65_535].map((each) => parsed(port, each)),
    [0, 65_535],
  )
})

test('a reference is env or file and nothing more', () => {
  refusesAll(reference, ['x', '', {}, { env: '' }, { file: '' }, { env: 'A', file: 'b' }, { env: 'A', x: 1 }, { env: 1 }, null, []])
  assert.deepEqual(parsed(reference, { env: 'A' }), { env: 'A' })
})

describe('text of the environment', () => {
  test('refuses a variable that is not set, also by a name that every object has something of', () => {
    refusesAll(
      text,
      ['MANDATE_TEST_NOT_SET', 'toString', 'constructor', '__proto__', 'hasOwnProperty'].map((env) => ({ env })),
    )
  })
  test('is that of the variable', () => {
    process.env['MANDATE_TEST_TEXT'] = 'found'
    assert.equal(parsed(text, { env: 'MANDATE_TEST_TEXT' }), 'found')
    delete process.env['MANDATE_TEST_TEXT']
  })
})

test('loopback is what no other machine can reach', () => {
  for (const host of ['localhost', '127.0.0.1', '127.255.255.254', '::1', '[::1]']) assert.ok(isLoopbackHost(host), host)
  for (const host of [
    '',
    '0.0.0.0',
    '::',
    '[::]',
    '128.0.0.1',
    '127',
    '127.0.0.1.example',
    'localhost.example',
    '::2',
    '::ffff:127.0.0.1',
    'LOCALHOST.',
  ])
    assert.ok(!isLoopbackHost(host), host)
})
