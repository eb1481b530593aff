/** How the command says that something failed: what was wrong, where and how to mend it, and never a stack. */
import { Complaint } from '../complaint.ts'
import { ConfigFaulty } from '../config/faults.ts'
import { ReferenceUnreadable } from '../config/references.ts'
import { describeError } from '../log.ts'

/** Prints an error and sets the exit status. Messages of libraries are not repeated: they can quote what they were given. */
export function complain(error: unknown): void {
  process.stderr.write(`mandate: ${wordsFor(error)}\n`)
  process.exitCode = 1
}

function wordsFor(error: unknown): string {
  if (error instanceof ConfigFaulty) {
    const faults = error.faults.map(({ path, problem, mend }) => `  ${path || '(whole file)'} ${problem}\n    mend: ${mend}`)
    return `the configuration has ${faults.length} ${faults.length === 1 ? 'fault' : 'faults'} (config_faulty):\n${faults.join('\n')}`
  }
  if (error instanceof Complaint || error instanceof ReferenceUnreadable) return error.message
  const { error: name, code } = describeError(error)
  if (code === 'EADDRINUSE') return 'an address of the configuration is in use (EADDRINUSE): stop what uses it, or choose another port'
  if (code === 'EACCES') return 'an address or file may not be used by this user (EACCES)'
  return `failed by a fault of ours: ${name}${code === undefined ? '' : ` (${code})`}${process.env['MANDATE_DEBUG'] === undefined || !(error instanceof Error) ? '; MANDATE_DEBUG=1 shows where' : `\n${error.stack}`}`
}
