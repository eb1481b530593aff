/**
 * What the API server's answers to the service account mean to the user who asked, and what became of a write that had none.
 *
 * Security: whether an object was written by this request is read with the user's own credential. Who may not read it is told
 * no more than that the name is taken, unless the name itself holds what only this request could have put there.
 */
import { Refusal } from '../errors.ts'
import { ApiStatus } from '../kubernetes/api-status.ts'
import type { KubernetesObject } from '../kubernetes/kubernetes-object.ts'
import type { UserClient } from '../kubernetes/user-client.ts'
import type { Asked } from './asked.ts'
import { relationOf } from './marks.ts'
import type { Located } from './plan.ts'

/** Answers that leave open whether the write was done: none at all, half of one, or a fault of the API server's. */
const OPEN: ReadonlySet<string> = new Set(['upstream_unavailable', 'upstream_timeout', 'upstream_broke'])

export function isOpen(error: unknown): boolean {
  return error instanceof Refusal && OPEN.has(error.code)
}

export function isTaken(error: unknown): boolean {
  return error instanceof ApiStatus && error.status === 409 && error.reason === 'AlreadyExists'
}

/**
 * An answer of the API server as a refusal; what is none is given back as it is. Its own sentence may quote the whole of an
 * object, so it is for who asked only where they read it themselves, or were reviewed for that very write (`isTheirs`).
 */
export function refusalOf(error: unknown, isTheirs: boolean): unknown {
  if (!(error instanceof ApiStatus)) return error
  const { status, reason, said } = error
  const options = isTheirs && said !== '' ? { said } : reason === '' ? {} : { detail: `it said ${reason}` }
  if (status === 409) return new Refusal(reason === 'AlreadyExists' ? 'object_exists' : 'object_changed', options)
  if (status === 404) return new Refusal('object_unknown', options)
  if (status === 400 || status === 413 || status === 422) return new Refusal('object_invalid', options)
  return new Refusal('upstream_broke', { detail: `it answered ${status}` })
}

/** Of an object that was to be made: to whom it belongs, and whether what the API server says of it is for who asked. */
export interface Made {
  readonly ownerUid: string | undefined
  readonly isTheirs: boolean
}

/**
 * The object that an earlier write of this very request made, where there is one. Throws `idempotency_key_reused` when the
 * key was used with another request; otherwise what `error` means.
 */
export async function madeBefore(
  user: UserClient,
  at: Located,
  asked: Asked,
  { ownerUid, isTheirs }: Made,
  error: unknown,
): Promise<KubernetesObject> {
  const taken = isTaken(error)
  // Without a key nobody asks twice: who finds the name taken has been too late.
  if (taken && asked.key === undefined) throw refusalOf(error, isTheirs)
  const found = await read(user, at)
  if (found === 'forbidden' && taken && at.name.includes(asked.unique)) return namesOf(at)
  if (typeof found === 'string') throw refusalOf(error, isTheirs)
  switch (relationOf(found, asked, ownerUid)) {
    case 'this-attempt':
    case 'same-request':
      return found
    case 'same-key':
      throw new Refusal('idempotency_key_reused')
    case 'another':
      throw refusalOf(error, isTheirs)
  }
}

async function read(user: UserClient, { kind: { group, version, resource }, namespace, name }: Located) {
  try {
    return await user.get({ group, version, resource, namespace, name })
  } catch (error) {
    if (error instanceof Refusal && error.code === 'not_permitted') return 'forbidden'
    return 'unknown'
  }
}

/** What is known of an object that may not be read. */
function namesOf({ kind: { group, version, kind }, namespace, name }: Located): KubernetesObject {
  return {
    apiVersion: group === '' ? version : `${group}/${version}`,
    kind,
    metadata: { name, ...(namespace === '' ? {} : { namespace }) },
  }
}
