import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { locateForBench } from './parts/bench-programs.ts'

const run = promisify(execFile)

test('the page on moving from oauth2-proxy speaks of each of its options, and of no other', async () => {
  const { stdout, stderr } = await run(await locateForBench('oauth2-proxy'), ['--help'], { timeout: 20_000 })
  const options = new Set([...(stdout + stderr).matchAll(/^ +(?:-[a-z], )?(--[a-z0-9-]+)/gm)].map(([, option = '']) => option))
  assert.ok(options.size > 100, 'its help lists its options')
  const page = await readFile('docs/guides/moving-from-oauth2-proxy.md', 'utf8')
  const named = new Set([...page.matchAll(/`(--[a-z0-9-]+)`/g)].map(([, option = '']) => option))
  assert.deepEqual([...options.difference(named)], [])
  assert.deepEqual([...named.difference(options)], [])
})
