/** The answer that is at hand must come fast, and what makes a command slow is what it loads. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { test } from 'node:test'

const ROOT = join(import.meta.dirname, '../../..')

/** Every module that a file loads with itself; types are stripped and load nothing. */
function loadedWith(path: string, seen = new Set<string>()): Set<string> {
  const text = readFileSync(join(ROOT, path), 'utf8')
  for (const [, from = ''] of text.matchAll(/^(?:import|export) (?!type )(?:[^'"]*? from )?'([^']+)'/gm)) {
    const found = from.startsWith('.') ? relative(ROOT, join(ROOT, dirname(path), from)) : from
    if (seen.has(found)) continue
    seen.add(found)
    if (from.startsWith('.')) loadedWith(found, seen)
  }
  return seen
}

test('the command itself loads nothing before it knows what is asked', () => {
  assert.deepEqual([...loadedWith('src/main.ts')], [])
})

test('an answer that is at hand loads builtin modules and a few small files, and no package', () => {
  const all = [...loadedWith('src/command/sign-in/at-hand.ts')].filter((name) => !name.startsWith('node:'))
  assert.deepEqual(all.sort(), [
    'src/command/sign-in/exec-credential.ts',
    'src/command/sign-in/gateway-address.ts',
    'src/command/sign-in/kept-tokens.ts',
    'src/command/sign-in/pins.ts',
    'src/command/sign-in/private-file.ts',
    'src/complaint.ts',
    'src/secret.ts',
  ])
})

test('who waits for the lock has loaded no client of issuers', () => {
  const all = [...loadedWith('src/command/login.ts')]
  assert.deepEqual(
    all.filter((name) => /providers\/|undici|openid-client|zod/.test(name)),
    [],
  )
})
