import { badRequest, invalid } from './status-error.ts'
import { unsupported } from './validation-causes.ts'

/** What the query of a write asks for (meta/v1 CreateOptions, UpdateOptions, PatchOptions). */
export type WriteOptions = {
  dryRun: boolean
  /** `fieldManager`, or the first part of the user agent. */
  manager: string
  hasManager: boolean
  force: boolean | undefined
  /** What happens to fields the server does not know: Ignore, Warn (the default) or Strict. */
  validation: string
}

const validations = ['', 'Ignore', 'Strict', 'Warn']

/**
 * Reads the options. Throws 422 for a value the API does not have: a client that asked for `dryRun=true` must not
 * get a real write instead.
 */
export function writeOptions(query: URLSearchParams, userAgent: string, kind: string): WriteOptions {
  for (const value of query.getAll('dryRun')) {
    if (value !== '' && value !== 'All') {
      throw invalid('meta.k8s.io', kind, '', [unsupported('dryRun', value, ['All'])])
    }
  }
  const validation = query.get('fieldValidation') ?? ''
  if (!validations.includes(validation)) throw invalid('meta.k8s.io', kind, '', [unsupported('fieldValidation', validation, validations)])
  const force = query.get('force')
  if (force !== null && force !== 'true' && force !== 'false') {
    throw badRequest(`strconv.ParseBool: parsing ${JSON.stringify(force)}: invalid syntax`)
  }
  const manager = query.get('fieldManager') ?? ''
  if (Buffer.byteLength(manager) > 128) {
    const message = 'Too long: may not be more than 128 bytes'
    throw invalid('meta.k8s.io', kind, '', [{ reason: 'FieldValueTooLong', message, field: 'fieldManager' }])
  }
  return {
    dryRun: query.getAll('dryRun').includes('All'),
    manager: manager || (userAgent.split('/')[0] ?? '').slice(0, 128) || 'unknown',
    hasManager: manager !== '',
    force: force === null ? undefined : force === 'true',
    validation,
  }
}
