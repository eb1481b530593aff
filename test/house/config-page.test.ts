/** The page of the configuration has every key, and says of each how it is written. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { configPage } from '../../scripts/reference/config-page.ts'
import { code, table } from '../../scripts/reference/markdown.ts'
import { jsonSchema } from '../../src/config/json-schema.ts'

const rows = configPage()
  .split('\n')
  .filter((line) => line.startsWith('| `'))

test('refuses a key whose form has no name', () => {
  const shape = { odd: z.strictObject({ key: z.custom<string>().describe('Something') }).describe('A section') }
  assert.throws(() => configPage(shape), /^Error: no name for the form of odd\.key/)
})

test('refuses a key without a meaning', () => {
  assert.throws(() => configPage({ odd: z.strictObject({ key: z.string() }).describe('A section') }), /^Error: no meaning: odd\.key/)
})

test('refuses a cell that would end early', () => {
  assert.throws(() => table(['a'], [['`b|c`']]), /a bar that is not escaped/)
  assert.equal(
    table(['a'], [['`b\\|c`']])
      .split('\n')
      .at(-1),
    '| `b\\|c` |',
  )
  assert.deepEqual([code('a'), code('a`b')], ['`a`', '`` a`b ``'])
})

test('every row has the same four cells, and none says undefined', () => {
  for (const row of rows) {
    if (!/^\| `[a-zA-Z]+(\.|\[)/.test(row)) continue
    assert.equal(row.split(/(?<!\\)\|/).length, 6, row)
    assert.doesNotMatch(row.split(/(?<!\\)\|/)[2] ?? '', /undefined|object/, row)
  }
})

test('every key of the schema is on it, those of lists and alternatives as well', () => {
  const page = configPage()
  const keys = new Set<string>()
  const seen = new Set<unknown>()
  const collect = (value: unknown): void => {
    if (typeof value !== 'object' || value === null || seen.has(value)) return
    seen.add(value)
    const properties = Reflect.get(value, 'properties')
    if (typeof properties === 'object' && properties !== null) for (const key of Object.keys(properties)) keys.add(key)
    for (const inner of Object.values(value)) collect(inner)
  }
  collect(jsonSchema())
  // The one of references is said of all of them at once.
  const missing = [...keys].filter((key) => !['env', 'file'].includes(key) && !new RegExp(`(^## |[.])${key}\\b`, 'm').test(page))
  assert.deepEqual(missing, [])
  for (const key of ['upstream.health.every', 'upstream.servers', 'allow.claims.NAME', 'allow.scopes'])
    assert.ok(page.includes(`\n| \`routes[].${key}\` |`), key)
})
