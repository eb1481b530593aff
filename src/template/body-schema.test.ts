import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { BodySchemaFaulty, compileBodySchema } from './body-schema.ts'
import { anyJson } from './json.fake.ts'
import { type Json, parseJson } from './json.ts'

const refuses = (what: string, schema: object, problem: string) =>
  void test(what, () =>
    assert.throws(
      () => compileBodySchema(schema),
      (error) => {
        assert.ok(error instanceof BodySchemaFaulty)
        assert.equal(error.problem, problem)
        return true
      },
    ),
  )

const told = (schema: object, body: Json) => compileBodySchema(schema)(body).map(({ path, problem }) => `${path} ${problem}`)

const object = (properties: object, more: object = {}) => ({ type: 'object', properties, ...more })

const RE2 = 'is no regular expression of RE2, which has no look-around and no back-references'

describe('refuses a schema', () => {
  refuses('that is none', { type: 'objekt' }, 'it is no JSON Schema of 2020-12')
  refuses('that is a list', [], 'it is no JSON Schema of 2020-12')
  refuses('with a keyword that there is not', object({}, { propertees: {} }), 'it has a keyword that JSON Schema 2020-12 does not have')
  refuses('without a type', { properties: { a: { type: 'string' } } }, 'it has keywords of one type of value without that type beside them')
  refuses(
    'with a keyword of another type',
    { type: 'string', minimum: 1 },
    'it has keywords of one type of value without that type beside them',
  )
  refuses(
    'of another draft',
    object({}, { $schema: 'http://json-schema.org/draft-07/schema#' }),
    'its $schema is to be https://json-schema.org/draft/2020-12/schema',
  )
  for (const elsewhere of ['https://example.com/schema', 'other.json#/a', 'file:///etc/passwd', '//host/x']) {
    refuses(
      `with a $ref to ${elsewhere}`,
      object({ a: { $ref: elsewhere } }),
      'its $ref leads elsewhere: only those that begin with # are taken',
    )
  }
  refuses('with a $ref to what is not there', object({ a: { $ref: '#/$defs/x' } }), 'it has a $ref to a part of it that is not there')
  refuses('with an $id', object({}, { $id: 'https://example.com/x' }), 'it has an $id, which nothing here refers to')
  refuses('that is asynchronous', object({}, { $async: true }), 'it has $async, which is no keyword of JSON Schema')
  refuses('with a pattern that looks around', object({ a: { type: 'string', pattern: '(?=a)' } }), `its pattern (?=a) ${RE2}`)
  refuses(
    'with a pattern that refers back',
    object({ a: { type: 'string', pattern: String.raw`(a)\1` } }),
    String.raw`its pattern (a)\1 ${RE2}`,
  )
  refuses('with such a pattern of keys', object({}, { patternProperties: { '(?!a)': true } }), `its pattern (?!a) ${RE2}`)
  refuses(
    'with unique items without number',
    { type: 'array', items: { type: 'object' }, uniqueItems: true },
    'uniqueItems needs maxItems of at most 256 beside it',
  )
  refuses(
    'with unique items that are as large as a caller likes',
    { type: 'array', items: { type: 'object' }, maxItems: 10, uniqueItems: true },
    'uniqueItems needs items beside it that are of type string, number, integer or boolean',
  )
  refuses(
    'with a key __proto__',
    JSON.parse('{"type":"object","properties":{"__proto__":{"type":"string"}}}'),
    'it names a key __proto__, which no body can have',
  )
  test('with a format that there is not, and names those that there are', () => {
    assert.throws(() => compileBodySchema({ type: 'string', format: 'regex' }), /format that is not taken; there are date, /)
  })
})

describe('tells of a body', () => {
  const tells = (what: string, schema: object, body: Json, ...faults: string[]) =>
    void test(what, () => assert.deepEqual(told(schema, body), faults))

  tells(
    'all its faults at once',
    object(
      {
        name: { type: 'string', minLength: 3, pattern: '^[a-z]+$' },
        n: { type: 'integer', minimum: 1, maximum: 5 },
        kind: { enum: ['a', 'b'] },
      },
      { required: ['name', 'size'], additionalProperties: false },
    ),
    { name: 'A', n: 9, kind: 'c', 'x/y': 1 },
    ' lacks the key "size"',
    '/x~1y is no key that is taken here',
    '/name is to have at least 3 characters',
    '/name is to match the pattern "^[a-z]+$"',
    '/n is to be at most 5',
    '/kind is to be one of "a", "b"',
  )
  tells('another type', { type: ['string', 'null'] }, 1, ' is to be string or null')
  tells(
    'a key of the language that nobody sent',
    object({ constructor: { type: 'object' } }, { required: ['constructor'] }),
    {},
    ' lacks the key "constructor"',
  )
  tells('bounds', { type: 'number', exclusiveMinimum: 1, exclusiveMaximum: 0 }, 1, ' is to be less than 0', ' is to be more than 1')
  tells('lengths', { type: 'array', maxItems: 1, items: true }, [1, 2], ' is to have at most 1 items')
  tells(
    'items past those that are named',
    { type: 'array', prefixItems: [{ type: 'integer' }], minItems: 1, items: false },
    [1, 2],
    ' is to have at most 1 items',
  )
  tells('items twice', { type: 'array', items: { type: 'string' }, maxItems: 4, uniqueItems: true }, ['a', 'a'], ' holds one item twice')
  tells('keys', object({}, { minProperties: 1 }), {}, ' is to have at least 1 keys')
  tells('a constant', { const: { a: 1 } }, 1, ' is to be {"a":1}')
  tells('a format', { type: 'string', format: 'date-time' }, 'yesterday', ' is to be of the format "date-time"')
  tells('a number of a format', { type: 'integer', format: 'int32' }, 2 ** 31, ' is to be of the format "int32"')
  tells(
    'a text too long for its format',
    { type: 'string', format: 'email' },
    `${'a'.repeat(2048)}@b.cd`,
    ' is to be of the format "email"',
  )
  tells('multiples', { type: 'integer', multipleOf: 3 }, 4, ' is to be a multiple of 3')
  tells('names of keys', object({}, { propertyNames: { pattern: '^[a-z]$' } }), { A: 1 }, '/A is no name for a key here')
  tells('keys that need others', object({}, { dependentRequired: { a: ['b'] } }), { a: 1 }, ' lacks the key "b", which "a" needs beside it')
  tells('what is never taken', object({ a: false }), { a: 1 }, '/a is not taken here')
  tells('keys that nothing looked at', object({ a: true }, { unevaluatedProperties: false }), { b: 1 }, '/b is no key that is taken here')
  tells(
    'shapes',
    object({ a: { anyOf: [{ type: 'string' }, { type: 'null' }] } }),
    { a: 1 },
    '/a is to be string',
    '/a is to be null',
    '/a fits none of the shapes that are taken here',
  )
  tells(
    'references within',
    { type: 'object', $defs: { n: { type: 'integer' } }, properties: { a: { $ref: '#/$defs/n' } } },
    { a: 'x' },
    '/a is to be integer',
  )

  test('at most 100 faults', () => {
    assert.equal(
      told(
        { type: 'array', items: { type: 'string' } },
        Array.from({ length: 4_000 }, (_, at) => at),
      ).length,
      100,
    )
  })
  test('the first fault of a large one', () => {
    assert.deepEqual(
      told(
        { type: 'array', items: { type: 'string' } },
        Array.from({ length: 6_000 }, () => 1),
      ),
      ['/0 is to be string'],
    )
  })
  test('places that are short', () => {
    const [fault] = compileBodySchema(object({}, { additionalProperties: false }))({ ['k'.repeat(10_000)]: 1 })
    assert.equal(fault?.path.length, 503)
  })
})

describe('takes a body', () => {
  test('that fits, of any kind', () => {
    assert.deepEqual(
      told(object({ a: { type: 'string', format: 'uuid' } }, { required: ['a'] }), { a: '7d9ae9f0-6f0c-4f0e-9d35-3c7f1f5f0d11' }),
      [],
    )
    assert.deepEqual(told({}, [1, null]), [])
  })
  test('without changing it, also where the schema has a default', () => {
    const body = { n: '1' }
    compileBodySchema(object({ n: { type: ['integer', 'string'] }, m: { type: 'integer', default: 3 } }, { additionalProperties: true }))(
      body,
    )
    assert.deepEqual(body, { n: '1' })
  })
  test('in time, whatever the pattern is', { timeout: 20_000 }, () => {
    const check = compileBodySchema({ type: 'string', pattern: '^(a+)+$' })
    assert.equal(check(`${'a'.repeat(50_000)}!`).length, 1)
    assert.equal(check('a'.repeat(50_000)).length, 0)
  })
})

describe('holds for all', () => {
  test('no fault tells a value of the body', () => {
    const schema = object(
      {
        a: { type: 'integer' },
        b: { type: 'string', pattern: '^x$', maxLength: 3, format: 'ipv4' },
        c: { enum: [1, 2] },
        d: { const: 'q' },
        e: { type: 'array', items: { anyOf: [{ type: 'null' }, { not: { type: 'string' } }] } },
      },
      { required: ['z'] },
    )
    const check = compileBodySchema(schema)
    fc.assert(
      fc.property(fc.uuid(), (mark) => {
        const faults = check({ a: mark, b: mark, c: mark, d: mark, e: [mark, mark] })
        assert.ok(faults.length >= 6)
        assert.ok(!JSON.stringify(faults).includes(mark))
      }),
    )
  })
  test('a check answers with faults, whatever the body is, and leaves it as it was', () => {
    const check = compileBodySchema(
      object(
        { constructor: { type: 'string' }, x: { $ref: '#' }, y: { type: 'array', items: { type: 'number' } } },
        { required: ['toString'], additionalProperties: { type: 'object' } },
      ),
    )
    fc.assert(
      fc.property(anyJson, (json) => {
        const before = JSON.stringify(json)
        for (const { path, problem } of check(json)) {
          assert.ok(path === '' || path.startsWith('/'))
          assert.ok(problem.length > 0)
        }
        assert.equal(JSON.stringify(json), before)
      }),
    )
  })
  test('every path of a fault of a small body leads to a value, or names a key', () => {
    const check = compileBodySchema({ type: 'object', additionalProperties: { type: 'object', additionalProperties: { type: 'null' } } })
    const body = parseJson(Buffer.from('{"a/b": {"~": 1}, "": 2}'))
    assert.deepEqual(
      check(body).map(({ path }) => path),
      ['/a~1b/~0', '/'],
    )
  })
})
