import { type Child, type ChildOptions, startChild } from './process.ts'

/** `startChild`, on one core when one is named. The program replaces taskset, so the pid is its own. */
export function startPinned(core: number | undefined, options: ChildOptions): Promise<Child> {
  if (core === undefined) return startChild(options)
  return startChild({ ...options, program: 'taskset', args: ['-c', String(core), options.program, ...options.args] })
}
