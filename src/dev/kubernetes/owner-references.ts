import { asArray, asText, at, type KubernetesObject } from './object.ts'
import type { Cause } from './status-error.ts'
import { wrong } from './validation-causes.ts'

/** The faults of `metadata.ownerReferences`: each names one object by its uid, and one at most is the controller. */
export function ownerCauses(object: KubernetesObject): Cause[] {
  const field = 'metadata.ownerReferences'
  const references = asArray(object.metadata.ownerReferences)
  const faults = references.flatMap((reference) => {
    const [apiVersion, ...others] = ['apiVersion', 'kind', 'name', 'uid'].map((key) => [key, asText(at(reference, key))] as const)
    const version = apiVersion?.[1] ?? ''
    return [
      ...(/^[^/]+(?:\/[^/]+)?$/.test(version) ? [] : [wrong(`${field}.apiVersion`, version, 'version must not be empty')]),
      ...others.filter(([, value]) => value === '').map(([key]) => wrong(`${field}.${key}`, '', 'must not be empty')),
      ...(version === 'v1' && at(reference, 'kind') === 'Event'
        ? [wrong(field, reference, '/v1, Kind=Event is disallowed from being an owner')]
        : []),
    ]
  })
  const controllers = references.filter((reference) => at(reference, 'controller') === true)
  if (controllers.length < 2) return faults
  const [one, other] = controllers.map((reference) => `${asText(at(reference, 'kind'))}/${asText(at(reference, 'name'))}`)
  const why = `Only one reference can have Controller set to true. Found "true" in references for ${one} and ${other}`
  return [...faults, wrong(field, references, why)]
}
