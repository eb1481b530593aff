/**
 * Runs the tests: `unit` is everything that needs only Node, `real` the suites on real parts, `package` the tarball as
 * it ships, `node24` the units on the older Node. Further arguments are files. Ends with one plain line: N passed, N
 * failed.
 *
 * Two files may be named for a run of several steps: with MANDATE_TEST_COUNTS the two numbers are appended to that
 * one, with MANDATE_TEST_FAILURES what failed. With MANDATE_TEST_AGAIN up to three files that failed run once more,
 * alone: what fails twice has failed, what passes then is told as unsteady, with its error, to be mended.
 */
import { appendFileSync, globSync } from 'node:fs'
import { resolve } from 'node:path'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { inspect } from 'node:util'

const [kind = 'unit', ...only] = process.argv.slice(2)
const { MANDATE_TEST_COUNTS, MANDATE_TEST_FAILURES, MANDATE_TEST_AGAIN } = process.env
const MOST_AGAIN = 3
const PATTERNS: Readonly<Record<string, readonly string[]>> = {
  unit: ['src/**/*.test.ts', 'test/journeys/**/*.test.ts', 'test/fakes/**/*.test.ts', 'test/house/**/*.test.ts'],
  real: ['test/real/**/*.test.ts'],
  package: ['test/package/**/*.test.ts'],
  node24: ['src/**/*.test.ts'],
}
const named = only.length > 0 ? only : (PATTERNS[kind] ?? []).flatMap((pattern) => globSync(pattern)).sort()
const files = named.map((file) => resolve(file))
if (kind === 'node24' && !process.version.startsWith('v24.')) {
  console.error(`this is Node ${process.version}, not 24`)
  process.exit(1)
}
if (files.length === 0) {
  console.error(`no tests of the kind ${kind}: use one of ${Object.keys(PATTERNS).join(', ')}`)
  process.exit(1)
}

interface Went {
  /** By file; one that died before its end is not in it. */
  readonly counts: Map<string, { readonly passed: number; readonly failed: number }>
  readonly failures: readonly string[]
}

/** Runs the files and shows each test as it ends. */
async function go(paths: readonly string[], concurrency: number): Promise<Went> {
  const counts: Went['counts'] = new Map()
  const failures: string[] = []
  const tell = (name: string, file: string | undefined, line: number | undefined, why: string): void => {
    failures.push(`✖ ${kind}: ${name}\n  ${file ?? ''}:${line ?? ''}\n${why.replace(/^/gm, '  ')}\n`)
  }
  const stream = run({ files: [...paths], concurrency, timeout: kind === 'real' ? 900_000 : 180_000 })
  stream.on('test:pass', ({ name, file, line, skip, todo }) => {
    if (skip !== undefined || todo !== undefined) tell(name, file, line, 'skipped, and so it cannot fail')
  })
  stream.on('test:fail', ({ name, file, line, details: { error } }) => {
    // A suite that fails by its hooks has no failing test below it, one that fails by its tests says nothing of its own.
    if ('failureType' in error && error.failureType === 'subtestsFailed') return
    tell(name, file, line, inspect(error.cause ?? error))
  })
  stream.on('test:summary', ({ file, counts: { passed, tests } }) => {
    // A skipped test is a test that cannot fail, so it counts as one that did.
    if (file !== undefined) counts.set(file, { passed, failed: tests - passed })
  })
  stream.compose(new spec()).pipe(process.stdout, { end: false })
  await new Promise((over) => stream.on('end', () => setImmediate(over)))
  return { counts, failures }
}

const failedIn = ({ counts }: Went): string[] => files.filter((file) => counts.get(file)?.failed !== 0)

// Real parts are heavy: two suites at once would measure each other's load.
const first = await go(files, kind === 'real' ? 1 : 2)
const told = [...first.failures]
const bad = failedIn(first)
if (MANDATE_TEST_AGAIN !== undefined && bad.length > 0 && bad.length <= MOST_AGAIN) {
  const second = await go(bad, 1)
  for (const file of bad) {
    const counts = second.counts.get(file)
    if (counts === undefined) continue
    first.counts.set(file, counts)
    if (counts.failed === 0) told.push(`~ ${kind}: unsteady, it passed when it ran again alone: ${file}\n`)
  }
  told.push(...second.failures)
}

const sum = { passed: 0, failed: 0 }
for (const file of files) {
  const { passed, failed } = first.counts.get(file) ?? { passed: 0, failed: 1 }
  sum.passed += passed
  sum.failed += failed
}
if (MANDATE_TEST_COUNTS !== undefined) appendFileSync(MANDATE_TEST_COUNTS, `${sum.passed} ${sum.failed}\n`)
if (MANDATE_TEST_FAILURES !== undefined) appendFileSync(MANDATE_TEST_FAILURES, told.join('\n'))
console.log(`\n${sum.passed} passed, ${sum.failed} failed`)
process.exitCode = sum.failed === 0 && sum.passed > 0 ? 0 : 1
