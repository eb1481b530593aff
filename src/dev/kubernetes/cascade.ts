import { deleteObject } from './delete-object.ts'
import { asArray, asText, at, type KubernetesObject, nameOf, namespaceOf } from './object.ts'
import type { ObjectStore, StoreEvent } from './object-store.ts'
import { type ResourceType, resourceTypes } from './resource-table.ts'

/*
 * What kube-controller-manager does after a deletion: a namespace being deleted is emptied and then removed, and
 * objects whose last owner is gone follow it.
 */

const immediately = { dryRun: false, uid: '', resourceVersion: '', gracePeriodSeconds: 0 }
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

  const follow = (event: StoreEvent): void => {
    const uid = asText(event.object.metadata.uid)
    if (event.type === 'DELETED') {
      for (const type of resourceTypes) {
        for (const object of store.list(type)) {
          const owners = asArray(object.metadata.ownerReferences)
          if (owners.length === 1 && hasOwner(object, uid)) deleteObject(store, type, object, immediately)
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
