import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { compileExpression, ExpressionFailed } from './expression.ts'
import type { Json } from './json.ts'

/** What a caller might send to make an innocent expression slow: about a megabyte of each. */
const MUCH: Json = {
  numbers: Array.from({ length: 150_000 }, (_, at) => at),
  objects: Array.from({ length: 20_000 }, (_, at) => ({ name: `n${at}` })),
  texts: Array.from({ length: 200_000 }, () => 'a'),
  text: 'a'.repeat(1_000_000),
  needle: `b${'a'.repeat(400_000)}`,
}

const WORK = 'it takes more work than an expression may'
const SIZE = 'what it makes is too large'

const stops = (what: string, source: string, problem: string) =>
  void test(what, { timeout: 20_000 }, () =>
    assert.throws(
      () => compileExpression(source, new Set(['body'])).evaluate({ body: MUCH }),
      (error) => error instanceof ExpressionFailed && error.message.startsWith(problem),
    ),
  )

const takes = (what: string, source: string, value: Json) =>
  void test(what, { timeout: 20_000 }, () => assert.deepEqual(compileExpression(source, new Set(['body'])).evaluate({ body: MUCH }), value))

describe('stops', () => {
  stops('lists in each other', 'body.numbers.map(i, body.numbers.map(j, i * j)).size()', WORK)
  stops('three exists in each other', 'body.numbers.exists(i, body.numbers.exists(j, body.numbers.exists(k, false)))', WORK)
  stops('what swallows failures', 'body.numbers.exists(i, body.numbers.all(j, true) && false) || true', WORK)
  stops('a search of each item in the list', 'body.numbers.all(i, i in body.numbers)', WORK)
  stops('comparing the whole for each item', 'body.numbers.exists(i, body == body && false)', WORK)
  stops('a slow function for each item', 'body.objects.map(o, body.text.lowerAscii()).size()', WORK)
  stops('a long text in a long text', 'body.text.contains(body.needle)', WORK)
  stops('a long text split by a long text', 'body.text.split(body.needle).size()', WORK)
  stops('each character replaced by a long text', 'body.text.replace("a", body.text).size()', WORK)
  stops('a pattern on a long text', 'body.text.matches("(a?){20}a{20}$")', WORK)
  stops('a pattern from a body', 'body.needle.matches(body.needle)', WORK)
  stops('a result of too many values', 'body.numbers', SIZE)
  stops('a result of too many characters', 'body.text', SIZE)
  stops('a result of keys', 'body.objects.map(o, {"name": o.name, "value": "x"})', SIZE)
  stops('text that is joined beyond what text can be', 'body.texts.join(body.text).size()', 'it ')
})

describe('takes', () => {
  takes('a long list once', 'body.numbers.filter(i, i > 149997)', [149_998, 149_999])
  takes('a list of objects once', 'body.objects.map(o, o.name).size()', 20_000)
  takes('each character once', 'body.text.replace("a", "bb").size()', 2_000_000)
  takes('sizes for each item', 'body.objects.map(o, body.objects.size()).size()', 20_000)
  takes('a key of a large body', '"name" in body || has(body.name)', false)
})
