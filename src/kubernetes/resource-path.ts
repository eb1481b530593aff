/**
 * The paths of resources, put together from parts that are each checked.
 *
 * Security: a name is text from elsewhere. One with a slash or dots would ask for something other than was meant, and
 * an empty one turns a delete into the deletion of all: both are refused, never mended. What may not be a path segment
 * is Kubernetes' own rule (`.`, `..`, `/`, `%`), and a little stricter.
 */
import { Refusal } from '../errors.ts'

/** A kind of resource, in a namespace or (without one) in the whole cluster. `group` is '' for the core group. */
export interface Collection {
  readonly group: string
  readonly version: string
  readonly resource: string
  readonly namespace?: string
}

/** One object, or a subresource of it. */
export interface Named extends Collection {
  readonly name: string
  readonly subresource?: string
}

const VERSION = /^v\d{1,3}(?:(?:alpha|beta)\d{1,3})?$/
const GROUP = /^(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)?$/
const WORD = /^[a-z][a-z0-9.-]{0,252}$/
const NAMESPACE = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/
// No white space, control characters, backslashes, slashes, percent signs, queries or fragments.
const NAME = /^(?!\.{1,2}$)[^\s\p{C}\\/%?#]{1,253}$/u

/** `/api/v1/namespaces/team-a/pods`. Throws a Refusal (`path_ambiguous`) for a part that cannot be one segment. */
export function collectionPath({ group, version, resource, namespace = '' }: Collection): string {
  check(GROUP.test(group), 'the group is not one')
  check(VERSION.test(version), 'the version is not one')
  check(WORD.test(resource), 'the resource is not one')
  check(namespace === '' || NAMESPACE.test(namespace), 'the namespace is not one')
  check(namespace === '' || group !== '' || resource !== 'namespaces', 'a namespace is in no namespace')
  const root = group === '' ? `/api/${version}` : `/apis/${group}/${version}`
  return `${root}${namespace === '' ? '' : `/namespaces/${namespace}`}/${resource}`
}

/** `/api/v1/namespaces/team-a/pods/web/status`. Throws as `collectionPath` does, also when the name is empty. */
export function namedPath(named: Named): string {
  const { name, subresource = '' } = named
  check(NAME.test(name), 'the name is empty or not one path segment')
  check(subresource === '' || WORD.test(subresource), 'the subresource is not one')
  return `${collectionPath(named)}/${encodeURIComponent(name)}${subresource === '' ? '' : `/${subresource}`}`
}

/** The query of a request, without what is not said. */
export function withQuery(path: string, query: Readonly<Record<string, string | number | boolean | undefined>>): string {
  const said = Object.entries(query).flatMap(([key, value]) => (value === undefined || value === '' ? [] : [[key, String(value)]]))
  return said.length === 0 ? path : `${path}?${new URLSearchParams(said)}`
}

function check(holds: boolean, detail: string): void {
  if (!holds) throw new Refusal('path_ambiguous', { detail })
}
