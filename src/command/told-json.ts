/** Faults and advice for machines: a closed set of fields, of which `code` and `path` are what scripts may rest on. */
import type { FaultCode } from '../config/faults/fault-codes.ts'
import type { Fault, RouteNames } from '../config/faults/faults.ts'
import { routeAt } from '../config/faults/route-names.ts'

/** Each with its kind (`kind` where it says none), its place in the file where that is known, and the route that it is of. */
export function toldJson(faults: readonly Fault[], names: RouteNames, kind: FaultCode): object[] {
  return faults.map(({ code = kind, path, line, column, problem, mend }) => ({
    code,
    path,
    route: routeAt(path, names),
    line,
    column,
    problem,
    mend,
  }))
}
