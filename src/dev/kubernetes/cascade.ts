import { deleteObject } from './delete-object.ts'
import { asArray, asText, asTexts, at, clone, type KubernetesObject, nameOf, namespaceOf } from './object.ts'
import type { ObjectStore, StoreEvent } from './object-store.ts'
import { type ResourceType, resourceTypes } from './resource-table.ts'

/*
 * What kube-controller-manager does after a deletion: a namespace being deleted is emptied and then removed, and
 * objects whose last owner is gone follow it.
 */

const immediately = { dryRun: false, uid: '', resourceVersion: '', gracePeriodSeconds: 0, propagationPolicy: 'Background' }
const namespaced = resourceTypes.filter((type) => type.namespaced && type.verbs.includes('list'))

function hasOwner(object: KubernetesObject, uid: string): boolean {
  return asArray(object.metadata.ownerReferences).some((owner) => at(owner, 'uid') === uid)
}

/** Starts following deletions in a store; the returned function ends it. */
export function startCascade(store: ObjectStore): () => void {
  const pending: StoreEvent[] = []
  let scheduled: NodeJS.Immediate | undefined

  const sweep = (namespaces: ResourceType, namespace: KubernetesObject): void => {
    const name = nameOf(namespace)
    let left = 0
    for (const type of namespaced) {
      for (const object of store.list(type, name)) {
        if (!deleteObject(store, type, object, immediately).gone) left += 1
      }
    }
    const current = store.get(namespaces, '', name)
    if (left === 0 && asArray(current?.metadata.finalizers).length === 0) store.remove(namespaces, '', name)
  }

  const dependents = (uid: string): { type: ResourceType; object: KubernetesObject }[] =>
    resourceTypes.flatMap((type) => store.list(type).flatMap((object) => (hasOwner(object, uid) ? [{ type, object }] : [])))

  /** Lets go of an object that waits for its dependents, once there is nothing to wait for. */
  const release = (type: ResourceType, owner: KubernetesObject): void => {
    const current = store.get(type, namespaceOf(owner), nameOf(owner))
    const finalizers = asTexts(current?.metadata.finalizers)
    if (current?.metadata.deletionTimestamp === undefined) return
    const uid = asText(current.metadata.uid)
    const done: string[] = []
    if (finalizers.includes('foregroundDeletion')) {
      for (const { type: kind, object } of dependents(uid)) deleteObject(store, kind, object, immediately)
      if (dependents(uid).length === 0) done.push('foregroundDeletion')
    }
    if (finalizers.includes('orphan')) {
      for (const { type: kind, object } of dependents(uid)) {
        const freed = clone(object)
        const others = asArray(object.metadata.ownerReferences).filter((entry) => at(entry, 'uid') !== uid)
        if (others.length > 0) freed.metadata.ownerReferences = others
        else delete freed.metadata.ownerReferences
        store.put(kind, freed)
      }
      done.push('orphan')
    }
    if (done.length === 0) return
    const rest = finalizers.filter((finalizer) => !done.includes(finalizer))
    const next = clone(current)
    next.metadata.finalizers = rest
    store.put(type, next)
    if (rest.length === 0) store.remove(type, namespaceOf(owner), nameOf(owner))
  }

  const follow = (event: StoreEvent): void => {
    const uid = asText(event.object.metadata.uid)
    release(event.resource, event.object)
    if (event.type === 'DELETED') {
      for (const { type, object } of dependents(uid)) {
        if (asArray(object.metadata.ownerReferences).length === 1) deleteObject(store, type, object, immediately)
      }
      for (const reference of asArray(event.object.metadata.ownerReferences)) {
        for (const type of resourceTypes) {
          const owner = store.list(type).find((object) => object.metadata.uid === at(reference, 'uid'))
          if (owner !== undefined) release(type, owner)
        }
      }
    }
    const namespaces = resourceTypes.find((type) => type.resource === 'namespaces')
    if (namespaces === undefined) return
    const name = event.resource === namespaces ? nameOf(event.object) : namespaceOf(event.object)
    const namespace = store.get(namespaces, '', name)
    if (namespace?.metadata.deletionTimestamp !== undefined) sweep(namespaces, namespace)
  }

  // Not inside the change itself: the writer's own answer and event come first, as with a controller of its own.
  const stop = store.onChange((event) => {
    pending.push(event)
    scheduled ??= setImmediate(() => {
      scheduled = undefined
      for (const next of pending.splice(0)) follow(next)
    })
  })
  return () => {
    stop()
    if (scheduled !== undefined) clearImmediate(scheduled)
  }
}
