/** Faults and advice as they are printed: where, what and the mend, with the name of the route that a place is of. */
import type { Fault, RouteNames } from '../config/faults.ts'

/** Two lines a fault. */
export function faultLines(faults: readonly Fault[], names: RouteNames): string {
  return faults.map(({ path, problem, mend }) => `  ${shown(path, names)}: ${problem}\n    mend: ${mend}\n`).join('')
}

function shown(path: string, names: RouteNames): string {
  const [, at] = /^routes\.(\d+)(?:\.|$)/.exec(path) ?? []
  const name = at === undefined ? undefined : names[Number(at)]
  return name === undefined ? path || '(whole file)' : `${path} (${name})`
}
