import { asArray, asText, at, clone, type JsonObject, type KubernetesObject, nameOf, namespaceOf, timestamp } from './object.ts'
import type { ObjectStore } from './object-store.ts'
import type { PodLogs } from './pod-logs.ts'
import { findResource, type ResourceType } from './resource-table.ts'

/** Pods with this annotation print a line every so often; its value is the interval in milliseconds, else 1000. */
export const chatterAnnotation = 'mandate.example/chatter'

/** The one node all pods run on. */
export const nodeName = 'dev'

const podType = typeOf('pods')

function typeOf(resource: string): ResourceType {
  const type = findResource('', 'v1', resource)
  if (type === undefined) throw new Error(`the resource table lacks ${resource}`)
  return type
}

/** The node object itself. */
export function nodeObject(): KubernetesObject {
  const condition = (type: string, status: string, reason: string): JsonObject => ({
    type,
    status,
    reason,
    message: '',
    lastHeartbeatTime: timestamp(),
    lastTransitionTime: timestamp(),
  })
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: nodeName, labels: { 'kubernetes.io/hostname': nodeName } },
    spec: {},
    status: {
      conditions: [condition('Ready', 'True', 'KubeletReady')],
      addresses: [{ type: 'Hostname', address: nodeName }],
      nodeInfo: { kubeletVersion: 'v1.36.0+mandate.dev', operatingSystem: 'linux', architecture: 'amd64' },
    },
  }
}

function running(pod: KubernetesObject, address: string): KubernetesObject {
  const started = timestamp()
  const next = clone(pod)
  next.spec = { ...(at(pod, 'spec') as JsonObject), nodeName }
  const conditions = ['PodReadyToStartContainers', 'Initialized', 'Ready', 'ContainersReady', 'PodScheduled']
  next.status = {
    phase: 'Running',
    conditions: conditions.map((type) => ({ type, status: 'True', lastProbeTime: null, lastTransitionTime: started })),
    hostIP: '127.0.0.1',
    hostIPs: [{ ip: '127.0.0.1' }],
    podIP: address,
    podIPs: [{ ip: address }],
    startTime: started,
    qosClass: asText(at(pod, 'status', 'qosClass')) || 'BestEffort',
    containerStatuses: asArray(at(pod, 'spec', 'containers')).map((container) => ({
      name: asText(at(container, 'name')),
      image: asText(at(container, 'image')),
      imageID: '',
      containerID: `dev://${asText(pod.metadata.uid)}`,
      ready: true,
      started: true,
      restartCount: 0,
      lastState: {},
      state: { running: { startedAt: started } },
    })),
  }
  return next
}

/**
 * Plays the node: a new pod runs a moment later, one being deleted is gone a moment later, and one that asked for it
 * chatters into its log. The returned function stops all of it.
 */
export function startKubelet(store: ObjectStore, logs: PodLogs): () => void {
  const timers = new Map<string, NodeJS.Timeout>()
  const soon = new Set<NodeJS.Immediate>()
  let pods = 0

  const chatter = (pod: KubernetesObject): void => {
    const setting = asText(at(pod.metadata, 'annotations', chatterAnnotation))
    const uid = asText(pod.metadata.uid)
    if (setting === '' || timers.has(uid)) return
    let count = 0
    const interval = Math.max(10, Number(setting) || 1000)
    timers.set(
      uid,
      setInterval(() => {
        count += 1
        logs.add(uid, `${nameOf(pod)} is alive (${count})`)
      }, interval).unref(),
    )
  }

  const settle = (namespace: string, name: string): void => {
    const pod = store.get(podType, namespace, name)
    if (pod === undefined) return
    if (pod.metadata.deletionTimestamp !== undefined) {
      if (asArray(pod.metadata.finalizers).length === 0) store.remove(podType, namespace, name)
      return
    }
    if (at(pod, 'status', 'phase') === 'Pending') {
      pods += 1
      const address = `10.244.${(pods >> 8) & 0xff}.${pods & 0xff}`
      logs.add(asText(pod.metadata.uid), `started ${nameOf(pod)}`)
      store.put(podType, running(pod, address))
    }
    chatter(pod)
  }

  const stop = store.onChange((event) => {
    if (event.resource !== podType) return
    const uid = asText(event.object.metadata.uid)
    if (event.type === 'DELETED') {
      clearInterval(timers.get(uid))
      timers.delete(uid)
      logs.remove(uid)
      return
    }
    // Later, as a kubelet is: whoever wrote the pod sees its own write first.
    const later = setImmediate(() => {
      soon.delete(later)
      settle(namespaceOf(event.object), nameOf(event.object))
    })
    soon.add(later)
  })
  return () => {
    stop()
    for (const timer of timers.values()) clearInterval(timer)
    for (const later of soon) clearImmediate(later)
  }
}
