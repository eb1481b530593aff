/**
 * Writes docs/reference and docs/promises.md from the code, so that they cannot say anything else:
 * `node scripts/reference.ts`. With `--check` it writes nothing and fails when a page differs;
 * `test/house/reference.test.ts` checks the same.
 */
import { resolve } from 'node:path'
import { jsonSchema } from '../src/config/json-schema.ts'
import { type Generated, writeOrCheck } from './generated.ts'
import { auditEventsPage, errorsPage, metricsPage } from './reference/catalogue-pages.ts'
import { configPage } from './reference/config-page.ts'
import { jsonText } from './reference/json-text.ts'
import { promisesPage } from './reference/promises-page.ts'

const FOLDER = resolve(import.meta.dirname, '../docs')

/** What each generated page must be, by its path. */
export function referencePages(): Generated {
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

if (import.meta.main) writeOrCheck(referencePages(), 'docs', 'scripts/reference.ts')
