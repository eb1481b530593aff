import { at, type KubernetesObject } from './object.ts'
import { badRequest, type Cause, type StatusError } from './status-error.ts'
import { wrong } from './validation-causes.ts'

/** Times of a lease have exactly six digits after the second: metav1.MicroTime reads no others. */
const microTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(?:Z|[+-]\d\d:\d\d)$/

/** What the server cannot decode in a lease; undefined when there is nothing. */
export function leaseUndecodable(object: KubernetesObject): StatusError | undefined {
  for (const field of ['acquireTime', 'renewTime']) {
    const time = at(object, 'spec', field) ?? null
    if (time === null || (typeof time === 'string' && microTime.test(time))) continue
    const why = `parsing time ${JSON.stringify(time)} as "2006-01-02T15:04:05.000000Z07:00": cannot parse`
    return badRequest(`Lease in version "v1" cannot be handled as a Lease: ${why}`)
  }
  return undefined
}

/** Whoever updates a lease says which version they have read: the elections of many rest on it. */
export function unconditionalCause(): Cause {
  return wrong('metadata.resourceVersion', 0, 'must be specified for an update')
}

export function leaseCauses({ spec }: KubernetesObject): Cause[] {
  const [lasts, transitions] = [at(spec, 'leaseDurationSeconds'), at(spec, 'leaseTransitions')]
  return [
    ...(typeof lasts === 'number' && lasts <= 0 ? [wrong('spec.leaseDurationSeconds', lasts, 'must be greater than 0')] : []),
    ...(typeof transitions === 'number' && transitions < 0
      ? [wrong('spec.leaseTransitions', transitions, 'must be greater than or equal to 0')]
      : []),
  ]
}
