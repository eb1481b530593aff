import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { compileExpression, ExpressionFailed, ExpressionFaulty } from './expression.ts'
import { anyJson, fullJson } from './json.fake.ts'
import type { Json } from './json.ts'

const ROOTS = new Set(['body', 'path'])

const compiled = (source: string) => compileExpression(source, ROOTS)
const evaluated = (source: string, body: Json = {}) => compiled(source).evaluate({ body, path: { project: 'Team' } })

const refuses = (what: string, source: string, problem: string) =>
  void test(what, () =>
    assert.throws(
      () => compiled(source),
      (error) => {
        assert.ok(error instanceof ExpressionFaulty)
        assert.equal(error.problem, problem)
        return true
      },
    ),
  )

const fails = (what: string, source: string, body: Json, problem: string) =>
  void test(what, () =>
    assert.throws(
      () => evaluated(source, body),
      (error) => {
        assert.ok(error instanceof ExpressionFailed)
        assert.equal(error.message, problem)
        return true
      },
    ),
  )

const gives = (what: string, source: string, body: Json, value: Json) =>
  void test(what, () => assert.deepEqual(evaluated(source, body), value))

describe('refuses to compile', () => {
  refuses('nothing', '', 'it is no CEL expression (from line 1, column 1)')
  refuses('what is no expression, and says where', '1 +\n  foo(', 'it is no CEL expression (from line 2, column 6)')
  refuses('an unknown variable', '1 +\n bodi.x', 'there is no variable bodi here, only body, path (line 2, column 2)')
  refuses('a variable of the library', '__proto__', 'there is no variable __proto__ here, only body, path (line 1, column 1)')
  refuses(
    'a variable of a comprehension outside of it',
    'body.map(i, i) == i',
    'there is no variable i here, only body, path (line 1, column 19)',
  )
  refuses('an unknown variable under has()', 'has(bodi.x)', 'there is no variable bodi here, only body, path (line 1, column 5)')
  refuses(
    'an unknown variable within a comprehension',
    'body.all(i, j)',
    'there is no variable j here, only body, path (line 1, column 13)',
  )
  refuses('an unknown variable as a key', '{"a": {x: 1}}', 'there is no variable x here, only body, path (line 1, column 8)')
  refuses('an unknown variable as an index', 'body[x]', 'there is no variable x here, only body, path (line 1, column 6)')
  refuses('an unknown function', 'body.s.reverse()', 'there is no function reverse (line 1, column 7)')
  refuses(
    'a function of ours that is no word of the language',
    'body.map(i, body.constructor(i))',
    'there is no function constructor (line 1, column 17)',
  )
  refuses(
    'a method as a function',
    'lowerAscii(body.s)',
    'the function lowerAscii is called otherwise: look at its arguments (line 1, column 1)',
  )
  refuses('too many arguments', 'body.s.replace("a")', 'the function replace is called otherwise: look at its arguments (line 1, column 7)')
  refuses('has() of no selection', 'has(body)', 'has() takes a selection, such as has(body.name) (line 1, column 1)')
  refuses(
    'a comprehension without a variable',
    'body.all(1 > 0)',
    'all() is called on a list or a map, with the name of a variable and an expression (line 1, column 5)',
  )
  refuses('a pattern that RE2 does not have', 'body.s.matches("(?=a)")', 'its pattern is no regular expression of RE2 (line 1, column 7)')
  refuses('a message', 'google.protobuf.Value{}', 'messages are not made here, only maps (line 1, column 1)')
  refuses('a source of 10,001 characters', `"${'a'.repeat(9_999)}"`, 'it is longer than 10000 characters')
  refuses('thousands of brackets', '('.repeat(4_999) + ')'.repeat(4_999), 'it is nested too deeply')
  test('thousands of operators', () => assert.throws(() => compiled(`${'1+'.repeat(4_000)}1`), ExpressionFaulty))
})

describe('fails, in words that quote nothing', () => {
  fails('a field that is not there', 'body.secret', {}, 'it selects a field that is not there (line 1, column 5)')
  fails('a field of the language', 'body.toString', {}, 'it selects a field that is not there (line 1, column 5)')
  test('a variable that is not given', () => {
    assert.throws(() => compiled('path.project').evaluate({ body: {} }), ExpressionFailed)
  })
  fails('an item that is not there', 'body[7]', [1], 'it asks for an item that is not there (line 1, column 1)')
  fails(
    'types that do not go together',
    'body.a + 1',
    { a: 'hunter2' },
    'a function or an operator in it does not take values of these types (line 1, column 8)',
  )
  fails(
    'an integer and a double',
    'body.a * 2',
    { a: 1.5 },
    'a function or an operator in it does not take values of these types (line 1, column 8)',
  )
  fails('a division by zero', 'body.a / 0', { a: 1 }, 'it divides by zero (line 1, column 8)')
  fails('a key twice', '{body.a: 1, "x": 2}', { a: 'x' }, 'it makes a map with one key twice (line 1, column 1)')
  fails('an integer beyond 2^53', '9007199254740992', {}, 'its integer is beyond 2^53')
  fails('an unsigned integer beyond 2^53', '9007199254740992u', {}, 'its integer is beyond 2^53')
  fails('an infinite number', '1.0 / 0.0', {}, 'its number is infinite or none')
  fails('no number', 'double(body)', 'x', 'its number is infinite or none')
  fails('no integer', 'int(body)', '', 'it has no value for this request (line 1, column 1)')
  fails('an integer in hexadecimal', 'int(body)', '0x10', 'it has no value for this request (line 1, column 1)')
  fails('bytes', 'b"x"', {}, 'it makes bytes, which JSON does not have')
  fails(
    'a timestamp',
    'timestamp("2020-01-01T00:00:00Z")',
    {},
    'it makes a timestamp, a duration or a type, which JSON does not have; use string() of it',
  )
  fails('a duration', 'duration("1s")', {}, 'it makes a timestamp, a duration or a type, which JSON does not have; use string() of it')
  fails('a type', 'type(body)', {}, 'it makes a timestamp, a duration or a type, which JSON does not have; use string() of it')
  fails('a key that is not text', '{1: 2}', {}, 'it makes a map with a key that is not text')
  fails('a key __proto__', '{body: {"admin": true}}', '__proto__', 'it makes a map with the key __proto__')
  fails('half a surrogate pair', 'body.charAt(0)', '😀', 'it makes text with half a surrogate pair')
})

describe('gives', () => {
  gives('the whole of a body', 'body', { a: [1, 2.5, 'x', true, { b: {} }] }, { a: [1, 2.5, 'x', true, { b: {} }] })
  gives('integers as integers', 'body.n + 1', { n: 3 }, 4)
  gives('unsigned integers as numbers', '2u', {}, 2)
  gives('no key for null, and null in a list', '{"a": body.a, "b": [body.a]}', { a: null }, { b: [null] })
  gives('no key for null deep in a body', 'body', { a: { b: null, c: [null] } }, { a: { c: [null] } })
  gives('a sent null as sent, by has()', 'has(body.a)', { a: null }, true)
  gives('a sent null as sent, by in', '"a" in body', { a: null }, true)
  gives('nothing for what the language has', '[has(body.constructor), "toString" in body]', {}, [false, false])
  gives('keys of the language as data', 'body.constructor.name', { constructor: { name: 'Object' } }, 'Object')
  gives('keys with dots as keys', 'body["a.b"]', { 'a.b': 1, a: { b: 2 } }, 1)
  gives('text in lower case', 'path.project.lowerAscii()', {}, 'team')
  gives('text that is joined, split and formatted', '"%s %d".format([body.split("/").join("-"), 3])', 'a/b', 'a-b 3')
  gives('split with the rest in the last part', 'body.split("/", 2)', 'a/b/c', ['a', 'b/c'])
  gives('replaced text as it is, not as a pattern', 'body.replace("X", "$&")', 'aXbX', 'a$&b$&')
  gives('a few replacements', 'body.replace("X", "-", 1)', 'aXbX', 'a-bX')
  gives('replacements of nothing', '[body.replace("", "-"), body.replace("", "-", 2), body.replace("", "-", 0)]', 'ab', [
    '-a-b-',
    '-a-b',
    'ab',
  ])
  gives('comprehensions in each other', 'body.map(i, body.filter(j, j > i).map(k, [k]))', [1, 2], [[[2]], []])
  gives('a comprehension over the keys of a map', 'body.map(k, k)', { a: 1, b: 2 }, ['a', 'b'])
  gives('map() with a condition', 'body.map(i, i > 1, i * i)', [1, 2, 3], [4, 9])
  gives('the same list twice', 'body.map(i, i) + body.map(i, i)', [1], [1, 1])
  gives(
    'exists, all and exists_one',
    '[body.exists(i, i > 2), body.all(i, i > 0), body.exists_one(i, i == 2)]',
    [1, 2, 3],
    [true, true, true],
  )
  gives('types to compare', 'type(body) == string', 'x', true)
})

describe('tells', () => {
  const uses = (source: string) => compiled(source).uses

  test('each variable with its constant fields, once', () => {
    assert.deepEqual(uses('path.project + body.spec["x"].y + path.project'), [
      ['path', 'project'],
      ['body', 'spec', 'x', 'y'],
    ])
  })
  test('what is under has(), in, an index and a method', () => {
    assert.deepEqual(uses('has(body.a) && "b" in path && body.l[path.i].c.startsWith(path.j)'), [
      ['body', 'a'],
      ['path'],
      ['body', 'l'],
      ['path', 'i'],
      ['path', 'j'],
    ])
  })
  test('what a comprehension runs over, and not its variable, even of the same name', () => {
    assert.deepEqual(uses('body.list.map(path, path.x + body.y)'), [
      ['body', 'list'],
      ['body', 'y'],
    ])
  })
  test('one text for two spellings, and two for two expressions', () => {
    const same = (a: string, b: string) => compiled(a).canonical === compiled(b).canonical
    assert.ok(same('body.a+1', ' body.a  + 1'))
    assert.ok(same("'x'", '"x"'))
    assert.ok(same('body.map(i,i)', 'body.map(i, i)'))
    for (const [a, b] of [
      ['body.a - (1 - 2)', 'body.a - 1 - 2'],
      ['1', '1u'],
      ['1', '1.0'],
      ['"x"', 'b"x"'],
      ['"body"', 'body'],
      ['has(body.a)', 'body.a'],
      ['"a\\"+body.a+\\"b"', '"a" + body.a + "b"'],
    ] as const) {
      assert.ok(!same(a, b), `${a} and ${b}`)
    }
  })
})

describe('holds for all', () => {
  const SOURCES = [
    'body',
    'body.x',
    'body.x.y',
    'body[0]',
    'body["x"]',
    'body.map(i, i)',
    'body.all(i, i == i)',
    '{"a": body, body.x: 1}',
    'body + body',
    'size(body)',
    'string(body)',
    'body in body',
    'has(body.constructor)',
    'body.x.split("").join("-")',
    'body.x.charAt(1)',
    'body.matches(body)',
    '"%s".format([body])',
    'body.x == body.y || body.x < body.y',
    'duration(body.x)',
    'timestamp(body).getHours(body)',
    'body.x.substring(1)',
    '-body.x',
    'int(body.x) / int(body.y)',
  ].map(compiled)

  test('an evaluation gives JSON or fails in one way, and its message has nothing of the body', () => {
    fc.assert(
      fc.property(fc.constantFrom(...SOURCES), anyJson, fc.string({ minLength: 12 }), (expression, json, mark) => {
        for (const body of [json, { x: mark, y: json }, { x: json, y: mark }]) {
          const before = JSON.stringify(body)
          try {
            const value = expression.evaluate({ body, path: {} })
            assert.deepEqual(JSON.parse(JSON.stringify(value)), value)
          } catch (error) {
            assert.ok(error instanceof ExpressionFailed)
            assert.ok(!error.message.includes(mark))
          }
          assert.equal(JSON.stringify(body), before)
          assert.equal(Object.keys(Object.prototype).length, 0)
        }
      }),
      { numRuns: 500 },
    )
  })

  test('what goes in comes out, and its order too', () => {
    fc.assert(fc.property(fullJson, (body) => assert.equal(JSON.stringify(evaluated('body', body)), JSON.stringify(body))))
  })

  test('whatever the source is, it compiles or is refused in one way', () => {
    const part = fc.constantFrom(
      'body',
      '.',
      'x',
      '(',
      ')',
      '[',
      ']',
      '"',
      '+',
      'map',
      ',',
      'i',
      '1',
      '?',
      ':',
      '{',
      '}',
      'has',
      '&&',
      '-',
      ' ',
      'matches',
      '\\',
    )
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(part).map((parts) => parts.join('')),
        ),
        (source) => {
          try {
            compiled(source)
          } catch (error) {
            assert.ok(error instanceof ExpressionFaulty, source)
          }
        },
      ),
      { numRuns: 1000 },
    )
  })
})
