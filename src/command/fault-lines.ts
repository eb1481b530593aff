/** Faults and advice as they are printed: where, what and the mend, with the name of the route that a place is of. */
import { type Fault, type RouteNames, whereOf } from '../config/faults/faults.ts'
import { routeAt } from '../config/faults/route-names.ts'

/** Two lines a fault, and a third with its place in the file where that is known. */
export function faultLines(faults: readonly Fault[], names: RouteNames, file?: string): string {
  return faults.map((fault) => `  ${shown(fault, names)}: ${fault.problem}\n    mend: ${fault.mend}\n${placeOf(fault, file)}`).join('')
}

function shown(fault: Fault, names: RouteNames): string {
  const name = routeAt(fault.path, names)
  return name === undefined ? whereOf(fault) : `${whereOf(fault)} (${name})`
}

/** In the form that editors and terminals open by a click. */
function placeOf({ line, column }: Fault, file: string | undefined): string {
  return file === undefined || line === undefined || column === undefined ? '' : `    at: ${file}:${line}:${column}\n`
}
