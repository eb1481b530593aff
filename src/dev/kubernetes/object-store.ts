import { asText, clone, type KubernetesObject, nameOf, namespaceOf } from './object.ts'
import type { ResourceType } from './resource-table.ts'
import { expired } from './status-error.ts'

/** One change as it happened. `previous` is absent on creation; a deletion keeps the object with its last revision. */
export type StoreEvent = {
  revision: number
  type: 'ADDED' | 'MODIFIED' | 'DELETED'
  resource: ResourceType
  object: KubernetesObject
  previous?: KubernetesObject
}

/** How many changes are remembered for watches and for later pages of a list; older ones are 410 Gone. */
export const historyLimit = 1000

/**
 * All objects, one revision counter for all of them (as etcd has), and the recent past.
 *
 * What it hands out is shared and must not be changed: writers make a copy, and give that back.
 */
export class ObjectStore {
  readonly #objects = new Map<ResourceType, Map<string, KubernetesObject>>()
  readonly #history: StoreEvent[] = []
  readonly #listeners = new Set<(event: StoreEvent) => void>()
  #revision = 1
  #oldest = 1

  /** The revision of the latest change. */
  get revision(): number {
    return this.#revision
  }

  /** The oldest revision from which the past is still complete. */
  get oldestRevision(): number {
    return this.#oldest
  }

  get(type: ResourceType, namespace: string, name: string): KubernetesObject | undefined {
    return this.#of(type).get(keyOf(namespace, name))
  }

  /** The objects of one namespace, or of all, in the order of their keys. */
  list(type: ResourceType, namespace = ''): KubernetesObject[] {
    return sorted(this.#of(type), namespace)
  }

  /** As list, but as things were at a revision. Throws 410 when that is no longer known. */
  listAt(type: ResourceType, namespace: string, revision: number): KubernetesObject[] {
    this.assertKnown(revision, `The resourceVersion for the provided list is too old.`)
    const objects = new Map(this.#of(type))
    for (const event of this.#history.toReversed()) {
      if (event.revision <= revision) break
      if (event.resource !== type) continue
      const key = keyOf(namespaceOf(event.object), nameOf(event.object))
      if (event.previous === undefined) objects.delete(key)
      else objects.set(key, event.previous)
    }
    return sorted(objects, namespace)
  }

  /** Stores a new or changed object under the next revision, and returns it as stored. */
  put(type: ResourceType, object: KubernetesObject): KubernetesObject {
    const key = keyOf(namespaceOf(object), nameOf(object))
    const previous = this.#of(type).get(key)
    const stored = this.#stamped(object)
    this.#of(type).set(key, stored)
    this.#record(
      previous === undefined
        ? { revision: this.#revision, type: 'ADDED', resource: type, object: stored }
        : { revision: this.#revision, type: 'MODIFIED', resource: type, object: stored, previous },
    )
    return stored
  }

  /** Removes an object. Does nothing when it is gone already. */
  remove(type: ResourceType, namespace: string, name: string): KubernetesObject | undefined {
    const previous = this.#of(type).get(keyOf(namespace, name))
    if (previous === undefined) return undefined
    this.#of(type).delete(keyOf(namespace, name))
    const object = this.#stamped(previous)
    this.#record({ revision: this.#revision, type: 'DELETED', resource: type, object, previous })
    return object
  }

  /** The changes after a revision. Throws 410 when some of them are forgotten. */
  since(revision: number): StoreEvent[] {
    this.assertKnown(revision, `too old resource version: ${revision} (${this.#oldest})`)
    return this.#history.filter((event) => event.revision > revision)
  }

  /** Throws 410 Expired with this message when the revision lies before what is remembered. */
  assertKnown(revision: number, message: string): void {
    if (revision < this.#oldest) throw expired(message)
  }

  /** Forgets the past up to now, as a server does that has just begun to watch its storage. */
  forget(): void {
    this.#history.length = 0
    this.#oldest = this.#revision
  }

  /** Calls the listener at every change, in order, until the returned function is called. */
  onChange(listener: (event: StoreEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #of(type: ResourceType): Map<string, KubernetesObject> {
    let objects = this.#objects.get(type)
    if (objects === undefined) {
      objects = new Map()
      this.#objects.set(type, objects)
    }
    return objects
  }

  #stamped(object: KubernetesObject): KubernetesObject {
    this.#revision += 1
    const stored = clone(object)
    stored.metadata.resourceVersion = String(this.#revision)
    return stored
  }

  #record(event: StoreEvent): void {
    this.#history.push(event)
    const forgotten = this.#history.length > historyLimit ? this.#history.shift() : undefined
    if (forgotten !== undefined) this.#oldest = forgotten.revision
    for (const listener of this.#listeners) listener(event)
  }
}

function keyOf(namespace: string, name: string): string {
  return `${namespace}/${name}`
}

function sorted(objects: ReadonlyMap<string, KubernetesObject>, namespace: string): KubernetesObject[] {
  return [...objects]
    .filter(([key]) => namespace === '' || key.startsWith(`${namespace}/`))
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([, object]) => object)
}

/** The revision an object was last written at. */
export function revisionOf(object: KubernetesObject): number {
  return Number(asText(object.metadata.resourceVersion))
}
