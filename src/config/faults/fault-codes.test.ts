/** The kinds of fault are an interface: what the guide says of them is all of them, in the same words. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { FAULT_CODES } from './fault-codes.ts'

test('the guide lists every kind of fault, and no other', async () => {
  const guide = await readFile(new URL('../../../docs/guides/operations.md', import.meta.url), 'utf8')
  const [, table = ''] = /\| code \| what it is \|\n\| --- \| --- \|\n((?:\|.*\n)+)/.exec(guide) ?? []
  const rows = table.trim().split('\n')
  assert.deepEqual(
    rows,
    Object.entries(FAULT_CODES).map(([code, words]) => `| \`${code}\` | ${words} |`),
  )
})
