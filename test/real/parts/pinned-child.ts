import { type Child, type ChildOptions, startChild } from './process.ts'

/** A server that stands before an upstream, at an address of loopback. */
export interface FrontServer {
  /** `http://127.0.0.1:<port>`, without a slash at the end. */
  readonly url: string
  readonly pid: number
  /** Where it writes one line for each request. */
  readonly accessLog: string
  /** Ends it and removes its files. */
  stop(): Promise<void>
}

/** What a front server is started with. */
export interface FrontServerOptions {
  /** Origin of what it stands before. */
  readonly upstream: string
  /** The one core on which it may run; any of them if not given. */
  readonly core?: number
}

/** `startChild`, on one core when one is named. The program replaces taskset, so the pid is its own. */
export function startPinned(core: number | undefined, options: ChildOptions): Promise<Child> {
  if (core === undefined) return startChild(options)
  return startChild({ ...options, program: 'taskset', args: ['-c', String(core), options.program, ...options.args] })
}
