/** An API server that keeps leases in memory, and the ways in which it fails each of several candidates. */
import { type Clock, pause } from '../../clock.ts'
import { Refusal } from '../../errors.ts'
import { ApiStatus } from '../api-status.ts'
import { isRecord, type KubernetesObject } from '../kubernetes-object.ts'
import type { Act } from '../own-work.ts'
import type { LeaseWork } from './lease-hold.ts'

/** What happens to a candidate's questions: `late` writes reach the server after who sent them has given up. */
export const FAULTS = ['none', 'slow', 'conflict', 'error', 'reset before', 'reset after', 'hang before', 'hang after', 'late'] as const
export type Fault = (typeof FAULTS)[number]

export interface LeaseServer {
  /** The capabilities of one candidate, whose questions fail as `faulty` says at that moment. */
  workOf(faulty: () => Fault): LeaseWork
  readonly lease: KubernetesObject | undefined
  readonly holder: string
  /** Every write that was done: verb and what it wrote. */
  readonly writes: Array<{ readonly verb: string; readonly holder: string }>
  /** Writes as somebody else would: without a compare. */
  put(spec: object): void
  remove(): void
}

/** `written` is told of each holder that is written, before who wrote it knows. */
export function leaseServer(clock: Clock, written: (holder: string) => void = () => undefined): LeaseServer {
  let lease: KubernetesObject | undefined
  let version = 0
  const writes: Array<{ verb: string; holder: string }> = []
  const holderOf = (object: KubernetesObject | undefined): string => {
    const spec = object?.['spec']
    return isRecord(spec) && typeof spec['holderIdentity'] === 'string' ? spec['holderIdentity'] : ''
  }
  const store = (object: Readonly<Record<string, unknown>>, uid: string): KubernetesObject => {
    version += 1
    const metadata = { ...(isRecord(object['metadata']) ? object['metadata'] : {}), uid, resourceVersion: String(version) }
    lease = structuredClone({ ...object, apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata })
    return lease
  }

  const done = (verb: string, { body }: Act): KubernetesObject => {
    const object = structuredClone(isRecord(body) ? body : {})
    const metadata = isRecord(object['metadata']) ? object['metadata'] : {}
    if (verb === 'create' && lease !== undefined) throw new ApiStatus(409, 'AlreadyExists', '')
    if (verb === 'update' && lease === undefined) throw new ApiStatus(404, 'NotFound', '')
    const same = metadata['uid'] === lease?.metadata.uid && metadata['resourceVersion'] === lease?.metadata.resourceVersion
    if (verb === 'update' && !same) throw new ApiStatus(409, 'Conflict', '')
    const stored = store(object, verb === 'create' ? `uid-${version}` : String(lease?.metadata.uid))
    const holder = holderOf(stored)
    writes.push({ verb, holder })
    written(holder)
    return structuredClone(stored)
  }
  const lost = () => new Refusal('upstream_unavailable')
  const hang = async (signal: AbortSignal | undefined): Promise<never> => {
    if (signal?.aborted !== true) await new Promise((resolve) => signal?.addEventListener('abort', resolve, { once: true }))
    throw lost()
  }

  const answer = async <T>(fault: Fault, signal: AbortSignal | undefined, write: boolean, work: () => T): Promise<T> => {
    if (fault === 'slow') await pause(clock, 3_000, signal)
    if (signal?.aborted) throw lost()
    if (fault === 'error') throw new Refusal('upstream_unavailable', { detail: 'it answered 500' })
    if (fault === 'conflict' && write) throw new ApiStatus(409, 'Conflict', '')
    if (fault === 'reset before') throw lost()
    if (fault === 'hang before') return hang(signal)
    if (fault === 'late' && write) {
      clock.after(8_000, () => {
        try {
          work()
        } catch {
          // Nobody waits for it any more.
        }
      })
      return hang(signal)
    }
    const said = work()
    if (fault === 'reset after') throw lost()
    return fault === 'hang after' ? hang(signal) : said
  }

  return {
    workOf(faulty) {
      const act = (verb: string, _resource: string, act: Act = {}) => answer(faulty(), act.signal, true, () => done(verb, act))
      return {
        lease: { act },
        upkeep: { act, look: (_resource, { signal }) => answer(faulty(), signal, false, () => structuredClone(lease)) },
      }
    },
    get lease() {
      return lease
    },
    get holder() {
      return holderOf(lease)
    },
    writes,
    put: (spec) => void store({ metadata: { name: 'sweep', namespace: 'mandate' }, ...lease, spec }, lease?.metadata.uid ?? 'uid-put'),
    remove: () => {
      lease = undefined
    },
  }
}
