/** How the command says that something failed: what was wrong, where and how to mend it, and never a stack. */
import { Complaint, WrongUsage } from '../complaint.ts'
import { ConfigFaulty } from '../config/faults/faults.ts'
import { ReferenceUnreadable } from '../config/references.ts'
import { describeError } from '../log.ts'
import { faultLines } from './fault-lines.ts'

/** Prints an error and sets the exit status. Messages of libraries are not repeated: they can quote what they were given. */
export function complain(error: unknown): void {
  process.stderr.write(`mandate: ${wordsFor(error)}\n`)
  process.exitCode = exitStatusOf(error)
}

/** 2 for a command that was called wrongly, 1 for any other failure. */
export function exitStatusOf(error: unknown): 1 | 2 {
  return error instanceof WrongUsage ? 2 : 1
}

/** An error in words for the person at the terminal. */
export function wordsFor(error: unknown): string {
  if (error instanceof ConfigFaulty) {
    const { faults, routeNames, file } = error
    const count = `${faults.length} ${faults.length === 1 ? 'fault' : 'faults'}`
    return `the configuration has ${count} (config_faulty):\n${faultLines(faults, routeNames, file).trimEnd()}`
  }
  if (error instanceof Complaint || error instanceof ReferenceUnreadable) return error.message
  const { error: name, code } = describeError(error)
  if (code === 'EADDRINUSE') return `${addressOf(error)} is in use (EADDRINUSE): stop what uses it, or choose another port`
  if (code === 'EACCES') return 'an address or file may not be used by this user (EACCES)'
  return `failed by a fault of ours: ${name}${code === undefined ? '' : ` (${code})`}${process.env['MANDATE_DEBUG'] === undefined || !(error instanceof Error) ? '; MANDATE_DEBUG=1 shows where' : `\n${error.stack}`}`
}

/** The address that an error of the system names, where it names one. */
function addressOf(error: unknown): string {
  const { address, port } = error instanceof Error ? (error as { address?: unknown; port?: unknown }) : {}
  if (typeof address !== 'string' || typeof port !== 'number') return 'an address of the configuration'
  return `${address.includes(':') ? `[${address}]` : address}:${port}`
}
