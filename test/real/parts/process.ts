import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** How to start one program and tell that it is ready. Times are milliseconds. */
export interface ChildOptions {
  /** What messages call it. */
  readonly name: string
  readonly program: string
  readonly args: readonly string[]
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /**
   * Asked again and again, with what the program wrote so far, until it answers true; a throw counts as "not yet". It must
   * not take another program for this one: whoever won a race for the port may answer there.
   */
  readonly ready: (logs: string) => Promise<boolean>
  /** How long it may take to become ready; 60 000 by default. */
  readonly readyWithin?: number
  /** How long SIGTERM may take before SIGKILL follows; 5 000 by default. */
  readonly stopWithin?: number
  /** What the kernel sends it if this process dies without a chance to act; SIGKILL by default. */
  readonly orphanSignal?: 'KILL' | 'TERM'
}

/** A running program, alone in its process group. */
export interface Child {
  readonly pid: number
  readonly running: boolean
  /** Resolves when it is gone to how it ended, such as `ended with exit code 0`. */
  readonly ended: Promise<string>
  /** The last 400 lines that it wrote to standard output and standard error. */
  logs(): string
  /** Sends a signal to its process group. Does nothing once it ended. */
  signal(signal: NodeJS.Signals): void
  /** Ends it: SIGTERM, then SIGKILL after `stopWithin`. Resolves when it is gone; calling it again is harmless. */
  stop(): Promise<void>
  /** Ends it by SIGKILL. Resolves when it is gone. */
  kill(): Promise<void>
}

/** A folder of this process's own, removed by `remove()` or at the latest when the process exits. */
export interface TemporaryFolder {
  readonly path: string
  remove(): Promise<void>
}

const keptLines = 400
const groups = new Set<number>()
const folders = new Set<string>()
let guarded = false

/**
 * Starts a program and resolves when it is ready. Throws an Error with the end of its output when it ends early, cannot
 * be run, or is not ready in time; nothing is left running then.
 */
export async function startChild(options: ChildOptions): Promise<Child> {
  guard()
  const [program, ...args] = [...leash(options.orphanSignal ?? 'KILL'), options.program, ...options.args]
  const process_ = spawn(program ?? options.program, args, {
    // Its own group, so that Ctrl-C reaches only this process, which then ends its parts, and so that a part which is a
    // shell script is ended with what it started.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  })
  const lines = keepLines(process_)
  let running = true
  const ended = new Promise<string>((resolve) => {
    process_.once('error', (error) => resolve(error.message))
    process_.once('exit', (code, signal) => resolve(`ended with ${signal ?? `exit code ${code}`}`))
  }).then((how) => {
    running = false
    groups.delete(process_.pid ?? 0)
    return how
  })
  const pid = process_.pid ?? 0
  if (pid !== 0) groups.add(pid)

  const signal = (name: NodeJS.Signals): void => {
    if (running && pid !== 0) signalGroup(pid, name)
  }
  const end = async (first: NodeJS.Signals): Promise<void> => {
    if (!running) return
    signal(first)
    // A program that a test paused cannot act on SIGTERM before it goes on.
    signal('SIGCONT')
    const timer = setTimeout(() => signal('SIGKILL'), options.stopWithin ?? 5_000)
    await ended
    clearTimeout(timer)
  }
  const child: Child = {
    pid,
    get running() {
      return running
    },
    ended,
    logs: () => lines.join('\n'),
    signal,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
  }

  const deadline = Date.now() + (options.readyWithin ?? 60_000)
  while (running && !(await options.ready(lines.join('\n')).catch(() => false))) {
    if (Date.now() > deadline) {
      await child.kill()
      throw new Error(`${options.name} was not ready in time\n${lines.slice(-40).join('\n')}`)
    }
    await Promise.race([sleep(50), ended])
  }
  if (!running) throw new Error(`${options.name} ${await ended} while starting\n${lines.slice(-40).join('\n')}`)
  // A test that forgets to stop a part must end all the same: the guard then ends the part.
  process_.unref()
  return child
}

/** Whether an Error of `startChild` says that somebody else took the port. */
export function isPortClash(error: unknown): boolean {
  return error instanceof Error && /address already in use|EADDRINUSE|already bound|port .* in use/i.test(error.message)
}

/**
 * Calls `start` with `count` free loopback ports, and again with others, three times at most, when a port was taken
 * between choosing and using it.
 */
export async function withFreePorts<T>(count: number, start: (ports: readonly number[]) => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await start(await freePorts(count))
    } catch (error) {
      if (tries === 3 || !isPortClash(error)) throw error
    }
  }
}

/** Ports of 127.0.0.1 that were free a moment ago, all different. */
export async function freePorts(count: number): Promise<number[]> {
  // All are held before the first is given back: else the kernel may hand out the same one twice.
  const servers = Array.from({ length: count }, () => createServer())
  const ports: number[] = []
  for (const server of servers) {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ port: 0, host: '127.0.0.1', exclusive: true }, resolve)
    })
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('a TCP server has no port')
    ports.push(address.port)
  }
  for (const server of servers) await new Promise((resolve) => server.close(resolve))
  return ports
}

/** Makes an empty folder that only this user can enter; `name` becomes part of its name. */
export async function temporaryFolder(name: string): Promise<TemporaryFolder> {
  guard()
  const path = await mkdtemp(join(tmpdir(), `mandate-${name}-`))
  folders.add(path)
  return {
    path,
    async remove() {
      await rm(path, { recursive: true, force: true, maxRetries: 5 })
      folders.delete(path)
    },
  }
}

function keepLines(child: ChildProcess): string[] {
  const lines: string[] = []
  for (const stream of [child.stdout, child.stderr]) {
    let rest = ''
    stream?.setEncoding('utf8').on('data', (text: string) => {
      const parts = (rest + text).split('\n')
      rest = parts.pop() ?? ''
      lines.push(...parts)
      lines.splice(0, lines.length - keptLines)
    })
    stream?.once('end', () => rest !== '' && lines.push(rest))
    // The pipes alone must not keep a finished test process alive.
    if (stream && 'unref' in stream && typeof stream.unref === 'function') stream.unref()
  }
  return lines
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal)
  } catch {
    // It ended in the meantime.
  }
}

/** The command that has the kernel end a part when this process is killed, where the system has one. */
function leash(signal: string): string[] {
  if (process.platform !== 'linux') return []
  const setpriv = (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'setpriv'))
  const path = setpriv.find((candidate) => existsSync(candidate))
  return path === undefined ? [] : [path, '--pdeathsig', signal, '--']
}

function guard(): void {
  if (guarded) return
  guarded = true
  const clear = (): void => {
    for (const pid of groups) signalGroup(pid, 'SIGKILL')
    for (const path of folders) rmSync(path, { recursive: true, force: true, maxRetries: 3 })
  }
  process.on('exit', clear)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      clear()
      process.kill(process.pid, signal)
    })
  }
}
