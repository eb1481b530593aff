/**
 * Runs the tests: `unit` is everything that needs only Node, `real` the suites on real parts, `package` the tarball as
 * it ships, `node24` the units on the older Node. Further arguments are files. Ends with one plain line: N passed, N
 * failed; with MANDATE_TEST_COUNTS the two numbers are appended to that file as well, and with MANDATE_TEST_FAILURES
 * what failed to that one.
 */
import { appendFileSync, globSync } from 'node:fs'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { inspect } from 'node:util'

const [kind = 'unit', ...only] = process.argv.slice(2)
const PATTERNS: Readonly<Record<string, readonly string[]>> = {
  unit: ['src/**/*.test.ts', 'test/journeys/**/*.test.ts', 'test/fakes/**/*.test.ts', 'test/house/**/*.test.ts'],
  real: ['test/real/**/*.test.ts'],
  package: ['test/package/**/*.test.ts'],
  node24: ['src/**/*.test.ts'],
}
const files = only.length > 0 ? only : (PATTERNS[kind] ?? []).flatMap((pattern) => globSync(pattern)).sort()
if (kind === 'node24' && !process.version.startsWith('v24.')) {
  console.error(`this is Node ${process.version}, not 24`)
  process.exit(1)
}
if (files.length === 0) {
  console.error(`no tests of the kind ${kind}: use one of ${Object.keys(PATTERNS).join(', ')}`)
  process.exit(1)
}

const counts = { passed: 0, failed: 0, skipped: 0 }
/** What failed: of a run in several steps only the end may be kept, and there it must stand. */
const failures: string[] = []
// Real parts are heavy: two suites at once would measure each other's load.
const stream = run({ files, concurrency: kind === 'real' ? 1 : 2, timeout: kind === 'real' ? 900_000 : 180_000 })
stream.on('test:pass', ({ name, file, line, details, skip, todo }) => {
  if (details.type === 'suite') return
  if (skip === undefined && todo === undefined) counts.passed += 1
  else {
    counts.skipped += 1
    failures.push(`✖ ${kind}: ${name}\n  ${file ?? ''}:${line ?? ''}\n  skipped, and so it cannot fail\n`)
  }
})
stream.on('test:fail', ({ name, file, line, details }) => {
  if (details.type !== 'suite') counts.failed += 1
  // A suite that fails by its hooks has no failing test below it, one that fails by its tests says nothing of its own.
  if ('failureType' in details.error && details.error.failureType === 'subtestsFailed') return
  failures.push(
    `✖ ${kind}: ${name}\n  ${file ?? ''}:${line ?? ''}\n${inspect(details.error.cause ?? details.error).replace(/^/gm, '  ')}\n`,
  )
})
const reporter = new spec()
stream.compose(reporter).pipe(process.stdout, { end: false })
stream.on('end', () => {
  // A skipped test is a test that cannot fail, so it counts as one that did.
  const failed = counts.failed + counts.skipped
  setImmediate(() => {
    const { MANDATE_TEST_COUNTS: countsFile, MANDATE_TEST_FAILURES: failuresFile } = process.env
    if (countsFile !== undefined) appendFileSync(countsFile, `${counts.passed} ${failed}\n`)
    if (failuresFile !== undefined) appendFileSync(failuresFile, failures.join('\n'))
    console.log(`\n${counts.passed} passed, ${failed} failed`)
    process.exitCode = failed === 0 && counts.passed > 0 ? 0 : 1
  })
})
