/** The command itself as a child process, as an operator or a platform starts it. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { eventually } from './eventually.ts'
import { type Child, startChild } from './parts/process.ts'

const MAIN = join(import.meta.dirname, '../../src/main.ts')

/** Starts a door or `dev`, and resolves when it is ready. */
export function startMandate(
  args: readonly string[],
  ready: (logs: string) => Promise<boolean>,
  env: Readonly<Record<string, string>> = {},
): Promise<Child> {
  return startChild({
    name: 'mandate',
    program: process.execPath,
    args: [MAIN, ...args],
    env,
    ready,
    readyWithin: 30_000,
    stopWithin: 20_000,
  })
}

export interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a tool of the command to its end. Any exit code is an answer. */
export function runMandate(args: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...args], { timeout: 60_000 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : 1, stdout, stderr })
    })
  })
}

/** Sends SIGTERM and resolves to how it ended. Rejects when it does not go by itself in time. */
export async function terminate(child: Child, withinMs = 15_000): Promise<string> {
  child.signal('SIGTERM')
  await eventually('it ended', () => !child.running, withinMs)
  return child.ended
}
