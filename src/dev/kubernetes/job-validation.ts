import { asArray, at, type Json, type KubernetesObject, same } from './object.ts'
import type { Cause } from './status-error.ts'
import { required, wrong } from './validation-causes.ts'

/** A job's pods end: they are not begun again for ever. */
export function jobCauses(object: KubernetesObject): Cause[] {
  const policy = at(object, 'spec', 'template', 'spec', 'restartPolicy')
  if (policy === 'OnFailure' || policy === 'Never') return []
  return [required('spec.template.spec.restartPolicy', 'valid values: "OnFailure", "Never"')]
}

/** What of a job may not change: the pods of one job are alike. */
export function jobChangeCauses(before: KubernetesObject, after: KubernetesObject): Cause[] {
  const fields = ['template', 'selector', 'completions', 'completionMode', 'manualSelector']
  return fields
    .filter((field) => !same(at(before, 'spec', field), at(after, 'spec', field)))
    .map((field) => wrong(`spec.${field}`, at(after, 'spec', field) ?? null, 'field is immutable'))
}

/** A status that says the job has ended says it whole (apis/batch/validation, `validateJobStatus`). */
export function jobStatusCauses({ status }: KubernetesObject): Cause[] {
  const holds = (type: string): boolean =>
    asArray(at(status, 'conditions')).some((condition) => at(condition, 'type') === type && at(condition, 'status') === 'True')
  const before = (end: string, first: string): Cause[] =>
    holds(end) && !holds(first)
      ? [wrong('status.conditions', null, `cannot set ${end}=True condition without the ${first}=true condition`)]
      : []
  const active: Json = at(status, 'active') ?? 0
  const isOver = holds('Complete') || holds('Failed')
  return [
    ...(holds('Complete') && at(status, 'completionTime') === undefined
      ? [required('status.completionTime', 'completionTime is required for Complete jobs')]
      : []),
    ...before('Complete', 'SuccessCriteriaMet'),
    ...before('Failed', 'FailureTarget'),
    ...(isOver && Number(active) > 0 ? [wrong('status.active', active, 'active>0 is invalid for finished job')] : []),
  ]
}
