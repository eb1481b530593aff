/**
 * Writes docs/reference and docs/promises.md from the code, so that they cannot say anything else:
 * `node scripts/reference.ts`. With `--check` it writes nothing and fails when a page differs;
 * `test/house/reference.test.ts` checks the same.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { jsonSchema } from '../src/config/json-schema.ts'
import { auditEventsPage, errorsPage, metricsPage } from './reference/catalogue-pages.ts'
import { configPage } from './reference/config-page.ts'
import { jsonText } from './reference/json-text.ts'
import { promisesPage } from './reference/promises-page.ts'

const FOLDER = resolve(import.meta.dirname, '../docs')

/** What each generated page must be, by its path. */
export function referencePages(): ReadonlyMap<string, string> {
  const pages = {
    'reference/config.md': configPage(),
    'reference/errors.md': errorsPage(),
    'reference/audit-events.md': auditEventsPage(),
    'reference/metrics.md': metricsPage(),
    'promises.md': promisesPage(),
    'reference/mandate.schema.json': jsonText(jsonSchema()),
  }
  return new Map(Object.entries(pages).map(([name, content]) => [resolve(FOLDER, name), content]))
}

/** The paths of pages that are not what they must be. */
export function staleReferencePages(): string[] {
  return [...referencePages()].filter(([path, content]) => read(path) !== content).map(([path]) => path)
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

function run(checkOnly: boolean): void {
  const stale = staleReferencePages()
  const pages = referencePages()
  for (const path of stale) {
    if (checkOnly) console.error(`${path} differs from the code: run node scripts/reference.ts`)
    else {
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, pages.get(path) ?? '')
    }
  }
  if (checkOnly && stale.length > 0) process.exitCode = 1
  if (!checkOnly) console.log(stale.length === 0 ? 'docs are what the code says' : `written: ${stale.join(', ')}`)
}

if (import.meta.main) run(process.argv.includes('--check'))
