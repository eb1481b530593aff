import { badRequest, invalid } from './status-error.ts'

/** What the query of a write asks for (meta/v1 CreateOptions, UpdateOptions, PatchOptions). */
export type WriteOptions = {
  dryRun: boolean
  /** `fieldManager`, or the first part of the user agent. */
  manager: string
  hasManager: boolean
  force: boolean | undefined
}

const validations = ['', 'Ignore', 'Warn', 'Strict']

/**
 * Reads the options. Throws 422 for a value the API does not have: a client that asked for `dryRun=true` must not
 * get a real write instead.
 */
export function writeOptions(query: URLSearchParams, userAgent: string, kind: string): WriteOptions {
  for (const value of query.getAll('dryRun')) {
    if (value !== '' && value !== 'All') {
      throw unsupported(kind, 'dryRun', value, ['All'])
    }
  }
  const validation = query.get('fieldValidation') ?? ''
  if (!validations.includes(validation)) throw unsupported(kind, 'fieldValidation', validation, validations)
  const force = query.get('force')
  if (force !== null && force !== 'true' && force !== 'false') {
    throw badRequest(`strconv.ParseBool: parsing ${JSON.stringify(force)}: invalid syntax`)
  }
  const manager = query.get('fieldManager') ?? ''
  return {
    dryRun: query.getAll('dryRun').includes('All'),
    manager: manager || (userAgent.split('/')[0] ?? '').slice(0, 128) || 'unknown',
    hasManager: manager !== '',
    force: force === null ? undefined : force === 'true',
  }
}

function unsupported(kind: string, field: string, value: string, supported: readonly string[]): Error {
  const list = supported.map((choice) => JSON.stringify(choice)).join(', ')
  const message = `Unsupported value: ${JSON.stringify(value)}: supported values: ${list}`
  return invalid('meta.k8s.io', kind, '', [{ reason: 'FieldValueNotSupported', message, field }])
}
