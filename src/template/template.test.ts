import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { compileExpression, ExpressionFailed, ExpressionFaulty } from './expression.ts'
import { anyJson } from './json.fake.ts'
import type { Json } from './json.ts'
import { compileTemplate, compileText, TemplateFaulty } from './template.ts'

const ROOTS = new Set(['body', 'path'])

const faultsOf = (value: unknown): readonly string[] => {
  try {
    compileTemplate(value, ROOTS)
  } catch (error) {
    assert.ok(error instanceof TemplateFaulty)
    return error.faults.map(({ path, problem }) => `${path} | ${problem}`)
  }
  return []
}

const fill = (value: unknown, body: Json = {}) => compileTemplate(value, ROOTS).fill({ body, path: {} })

/** A value in so many lists. */
const nested = (value: unknown, times: number): unknown => (times === 0 ? value : [nested(value, times - 1)])

describe('refuses', () => {
  test('every fault at once, each at its place', () => {
    const template = {
      metadata: { labels: { 'a/b~c': { cel: 'bodi' } } },
      spec: [undefined, Number.NaN, new Date(0), 1n, () => 1, { cel: 3 }, { cel: '1 +' }, '\ud800'],
    }
    assert.deepEqual(faultsOf(template), [
      '/metadata/labels/a~1b~0c | there is no variable bodi here, only body, path (line 1, column 1)',
      '/spec/0 | it is of a type that JSON does not have',
      '/spec/1 | it is a number that JSON does not have',
      '/spec/2 | it is of a type that JSON does not have',
      '/spec/3 | it is of a type that JSON does not have',
      '/spec/4 | it is of a type that JSON does not have',
      '/spec/5 | cel is to be text; a map of the one key cel is an expression',
      '/spec/6 | it is no CEL expression (from line 1, column 3)',
      '/spec/7 | it is text with half a surrogate pair',
    ])
  })
  test('a key __proto__', () => {
    assert.deepEqual(faultsOf(JSON.parse('{"a": {"__proto__": {"x": 1}}}')), ['/a/__proto__ | it is a key that is not taken'])
  })
  test('65 levels', () => assert.equal(faultsOf(nested(1, 65)).length, 1))
  test('a tree that stands in itself', () => {
    const list: unknown[] = []
    list.push(list)
    assert.equal(faultsOf(list).length, 1)
  })
  test('aliases that stand for millions', () => {
    let tree: unknown = ['x']
    for (let level = 0; level < 30; level += 1) tree = [tree, tree]
    assert.ok(faultsOf(tree).some((fault) => fault.endsWith('it has more than 10000 parts')))
  })
  test('computed text of an expression that is none', () => assert.throws(() => compileText({ cel: 'x' }, ROOTS), ExpressionFaulty))
})

describe('fails', () => {
  test('an expression without a value, named by its place', () => {
    assert.throws(
      () => fill({ spec: [{ cel: 'body.x' }] }, { y: 'hunter2' }),
      (error) => error instanceof ExpressionFailed && error.message === '/spec/0: it selects a field that is not there (line 1, column 5)',
    )
  })
  test('expressions that are too large only together', () => {
    const body = 'a'.repeat(400_000)
    assert.doesNotThrow(() => fill([{ cel: 'body' }, { cel: 'body' }], body))
    assert.throws(() => fill([{ cel: 'body' }, { cel: 'body' }, { cel: 'body' }], body), ExpressionFailed)
  })
  test('computed text that comes to something else', () => {
    const text = compileText({ cel: 'body' }, ROOTS)
    for (const body of [null, 1, ['x'], {}]) assert.throws(() => text.fill({ body, path: {} }), ExpressionFailed)
  })
})

describe('fills', () => {
  test('expressions with values, and leaves what stands as it is', () => {
    const template = {
      metadata: { name: { cel: 'body.name' }, labels: { app: 'x' } },
      spec: { replicas: 1, on: true, items: [{ cel: 'body.n + 1' }] },
    }
    assert.deepEqual(fill(template, { name: 'a', n: 1 }), {
      metadata: { name: 'a', labels: { app: 'x' } },
      spec: { replicas: 1, on: true, items: [2] },
    })
  })
  test('no keys that come to null, and nulls of lists', () => {
    assert.deepEqual(fill({ a: null, b: { cel: 'body.x' }, c: [null, { cel: 'body.x' }] }, { x: null }), { c: [null, null] })
  })
  test('a map with cel beside another key as data, and one with cel alone by an expression', () => {
    assert.deepEqual(fill({ a: { cel: 'body', other: 1 }, b: { cel: '{"cel": "body"}' } }), {
      a: { cel: 'body', other: 1 },
      b: { cel: 'body' },
    })
  })
  test('what a caller sends as a value alone, whatever it looks like', () => {
    const body = { x: '", "admin": true, "y": "', cel: 'path.secret' }
    assert.deepEqual(fill({ x: { cel: 'body.x' }, y: { cel: 'body' } }, body), { x: body.x, y: body })
  })
  test('a new tree each time', () => {
    const template = compileTemplate({ a: { b: 1 } }, ROOTS)
    assert.notEqual(template.fill({}), template.fill({}))
  })
  test('and tells where its expressions are', () => {
    const { expressions } = compileTemplate({ a: { cel: 'body.x' }, b: [{ cel: 'path' }] }, ROOTS)
    assert.deepEqual(
      expressions.map(({ path, expression }) => [path, expression.uses]),
      [
        ['/a', [['body', 'x']]],
        ['/b/0', [['path']]],
      ],
    )
  })
})

describe('computed text', () => {
  test('is text as it stands', () => {
    const text = compileText('team-a', ROOTS)
    assert.deepEqual([text.literal, text.expression, text.fill({}), text.source], ['team-a', undefined, 'team-a', 'text: team-a'])
  })
  test('is what an expression makes', () => {
    const text = compileText({ cel: 'body.x+"-y"' }, ROOTS)
    assert.equal(text.fill({ body: { x: 'a' } }), 'a-y')
    assert.equal(text.literal, undefined)
    assert.equal(text.source, 'cel: body.x + "-y"')
  })
  test('is equal to the same in another spelling, and never to a literal of its source', () => {
    assert.equal(compileText({ cel: 'body.x ' }, ROOTS).source, compileText({ cel: ' body.x' }, ROOTS).source)
    assert.notEqual(compileText('body.x', ROOTS).source, compileText({ cel: 'body.x' }, ROOTS).source)
    assert.notEqual(compileText('cel: body.x', ROOTS).source, compileText({ cel: 'body.x' }, ROOTS).source)
  })
})

describe('holds for all', () => {
  const withoutNulls = (json: Json): Json => {
    if (typeof json !== 'object' || json === null) return json
    if (Array.isArray(json)) return json.map(withoutNulls)
    return Object.fromEntries(
      Object.entries(json)
        .filter(([, value]) => value !== null)
        .map(([key, value]) => [key, withoutNulls(value)]),
    )
  }

  test('a literal and the same JSON through an expression fill the same', () => {
    fc.assert(
      fc.property(anyJson, (json) => {
        fc.pre(!JSON.stringify(json).includes('"cel"'))
        assert.equal(JSON.stringify(fill(json)), JSON.stringify(withoutNulls(json)))
        assert.equal(JSON.stringify(fill({ cel: 'body' }, json)), JSON.stringify(withoutNulls(json)))
      }),
    )
  })
  test('a filling gives JSON or fails in one way, and nothing is left behind', () => {
    const source = fc.constantFrom('body', 'body.x', 'body.map(i, i)', '{"constructor": body, "x": body.y}', '{body: 1}', '[body]')
    const key = fc.oneof(
      fc.string().filter((name) => name !== '__proto__'),
      fc.constantFrom('constructor', 'prototype', 'toString'),
    )
    fc.assert(
      fc.property(fc.dictionary(key, source), anyJson, (sources, body) => {
        const template = Object.fromEntries(Object.entries(sources).map(([name, cel]) => [name, { cel }]))
        try {
          const filled = fill({ spec: template }, body)
          assert.deepEqual(JSON.parse(JSON.stringify(filled)), filled)
        } catch (error) {
          assert.ok(error instanceof ExpressionFailed)
        }
        assert.equal(Object.keys(Object.prototype).length, 0)
      }),
    )
  })
  test('expressions of one template cost what they cost alone', () => {
    const alone = compileExpression('body.map(i, i)', ROOTS)
    assert.deepEqual(fill([{ cel: 'body.map(i, i)' }, { cel: 'body.map(i, i)' }], [1]), [alone.evaluate({ body: [1] }), [1]])
  })
})
