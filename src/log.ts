/**
 * The operator's log: JSON lines on standard error, apart from the audit log.
 *
 * Security: a log line takes a fixed message and a flat record of scalars. Errors are reduced to their name and code,
 * never their message or stack, because messages of libraries can quote what they were given (promise 5). The one
 * exception is a fault of ours (`log.fault`), whose stack names code positions and whose message is withheld.
 */

export type Fields = Readonly<Record<string, string | number | boolean | undefined>>

export interface Log {
  info(message: string, fields?: Fields): void
  warn(message: string, fields?: Fields): void
  /** An unexpected error of our own: its name, code and the code positions of its stack. */
  fault(message: string, error: unknown, fields?: Fields): void
}

export type Level = 'info' | 'warn' | 'error' | 'silent'

const ORDER: Record<Level, number> = { info: 0, warn: 1, error: 2, silent: 3 }

// Names and codes are words of a program. Anything longer or with spaces was put together at run time.
const WORD = /^[A-Za-z_$][\w$.-]{0,63}$/

/** What may be said about an error from elsewhere: its class and its code, never its message. */
export function describeError(error: unknown): { error: string; code?: string; cause?: string } {
  if (!(error instanceof Error)) return { error: typeof error }
  const code = 'code' in error ? word(error.code) : undefined
  const described = { error: word(error.name) ?? 'Error', ...(code === undefined ? {} : { code }) }
  if (!(error.cause instanceof Error)) return described
  const { cause } = error
  return { ...described, cause: ('code' in cause ? word(cause.code) : undefined) ?? word(cause.name) ?? 'Error' }
}

/** The code of an error of the system, of TLS or of a library, such as ECONNREFUSED; undefined for what is not of that form. */
export function codeWord(code: unknown): string | undefined {
  return typeof code === 'string' && /^[A-Z0-9_]{1,64}$/.test(code) ? code : undefined
}

function word(value: unknown): string | undefined {
  return typeof value === 'string' && WORD.test(value) ? value : undefined
}

/** Where the error was made. The stack begins with the message, which may itself look like positions: it is cut off first. */
function positions(error: unknown): string | undefined {
  if (!(error instanceof Error) || typeof error.stack !== 'string') return undefined
  const end = error.stack.indexOf(error.message)
  if (end === -1) return undefined
  return error.stack
    .slice(end + error.message.length)
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .slice(0, 6)
    .map((line) => line.trim())
    .join(' < ')
}

/** A log that writes one JSON object a line through `write`. */
export function createLog(write: (line: string) => void, level: Level = 'info'): Log {
  const emit = (at: Level, message: string, fields: Fields = {}) => {
    if (ORDER[at] < ORDER[level]) return
    const fixed = { time: new Date().toISOString(), level: at, message }
    // Twice: first so that it comes first, then so that no field replaces it.
    write(`${JSON.stringify({ ...fixed, ...fields, ...fixed })}\n`)
  }
  return {
    info: (message, fields) => emit('info', message, fields),
    warn: (message, fields) => emit('warn', message, fields),
    fault: (message, error, fields) => emit('error', message, { ...fields, ...describeError(error), at: positions(error) }),
  }
}
