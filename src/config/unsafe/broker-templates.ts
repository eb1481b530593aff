/**
 * Faults of templates: what would make of a write another than the reviewed one, or forge what Mandate writes on objects.
 *
 * Security: kind, namespace and name come from the step, which is what the user is reviewed for. A template may repeat them
 * in the same words, so that it reads like an object, and may not say anything else of them. No expression stands for the
 * whole of an object or of its metadata, because nobody could see here what it yields.
 */
import type { KindConfig, WriteConfig } from '../broker.ts'
import type { Fault } from '../faults/faults.ts'
import { isGroup, templateFaults, textOf } from './broker-expressions.ts'
import type { Scope } from './broker-scope.ts'

type Step<D extends WriteConfig['do']> = Extract<WriteConfig, { do: D }>
type Group = Readonly<Record<string, unknown>>

/** Keys of metadata that say which object it is, whose it is, or who wrote it. */
const OF_MANDATE = ['generateName', 'uid', 'ownerReferences', 'managedFields']
const MARKS = 'mandate/'

/** The faults of the whole object of a create or an apply; `kind` is undefined when it is not configured. */
export function wholeObjectFaults(step: Step<'create' | 'apply'>, kind: KindConfig | undefined, path: string, scope: Scope): Fault[] {
  const { object } = step
  if (isComputed(object)) return [wholeFault(path)]
  const apiVersion = kind && (kind.group === '' ? kind.version : `${kind.group}/${kind.version}`)
  const { metadata } = object
  const said = isGroup(metadata) ? metadata : {}
  return [
    ...(kind === undefined ? [] : [...sameFaults(object, 'apiVersion', apiVersion, path), ...sameFaults(object, 'kind', kind.kind, path)]),
    ...sameFaults(said, 'name', step.name, `${path}.metadata`),
    ...sameFaults(said, 'namespace', step.namespace, `${path}.metadata`),
    ...metadataFaults(metadata, OF_MANDATE, `${path}.metadata`),
    ...markFaults(object, path),
    ...templateFaults(object, path, scope),
  ]
}

/** The faults of a merge patch. */
export function patchFaults({ patch }: Step<'patch'>, path: string, scope: Scope): Fault[] {
  if (isComputed(patch)) return [wholeFault(path)]
  const status = Object.hasOwn(patch, 'status')
  return [
    ...['apiVersion', 'kind'].filter((key) => Object.hasOwn(patch, key)).map((key) => stepsFault(`${path}.${key}`)),
    ...(status ? [{ path: `${path}.status`, problem: 'is not changed by a patch of the object', mend: 'use a step with do: status' }] : []),
    ...metadataFaults(patch['metadata'], ['name', 'namespace', ...OF_MANDATE], `${path}.metadata`),
    ...markFaults(patch, path),
    ...templateFaults(patch, path, scope),
  ]
}

/** The faults of a merge patch of the status; it is put below `status`, so there is nothing else that it could reach. */
export function statusFaults({ status }: Step<'status'>, path: string, scope: Scope): Fault[] {
  return templateFaults(status, path, scope)
}

function sameFaults(within: Group, key: string, expected: unknown, path: string): Fault[] {
  if (!Object.hasOwn(within, key)) return []
  const [said, meant] = [textOf(within[key])?.source, textOf(expected)?.source]
  // What does not compile is told where it stands.
  if (expected !== undefined && meant === undefined) return []
  if (said !== undefined && said === meant) return []
  return [
    {
      path: `${path}.${key}`,
      problem: `yields another ${key} than is reviewed`,
      mend: 'leave it out: the step says it',
    },
  ]
}

function metadataFaults(metadata: unknown, refused: readonly string[], path: string): Fault[] {
  if (metadata === undefined) return []
  if (isComputed(metadata)) return [wholeFault(path)]
  if (!isGroup(metadata)) return [{ path, problem: 'is not a group of keys', mend: 'write a group of keys' }]
  return refused.filter((key) => Object.hasOwn(metadata, key)).map((key) => stepsFault(`${path}.${key}`))
}

/** Whatever else stands beside it. */
function isComputed(value: unknown): boolean {
  return isGroup(value) && Object.hasOwn(value, 'cel')
}

function wholeFault(path: string): Fault {
  return {
    path,
    problem: 'is one expression, so that nobody sees what it says of kind, namespace and name',
    mend: 'write its keys out, with expressions below them',
  }
}

function stepsFault(path: string): Fault {
  return { path, problem: 'is not for a template to say: Mandate writes it, or leaves it as it is', mend: 'remove it' }
}

/** Also deep within: what is made of a template of a template would look like written by Mandate. */
function markFaults(value: unknown, path: string): Fault[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]): Fault[] => {
    const here = `${path}.${key}`
    if (!Array.isArray(value) && key.startsWith(MARKS))
      return [{ path: here, problem: 'begins as the marks do by which Mandate knows what it wrote', mend: 'choose another key' }]
    return markFaults(inner, here)
  })
}
