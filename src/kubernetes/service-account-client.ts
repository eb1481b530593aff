/**
 * A client that writes with the rights of a service account, for a user who has proven that they may.
 *
 * Security: it has no way to read, so nothing can be listed past a user's rights. Every write takes the proof of a
 * review and is compared with it part by part: verb, group, version, resource, subresource, namespace and name, in the
 * path and in the object. The proof is used up first, then the record is written, then the write is sent, once.
 *
 * What is compared is the text that is sent: the object is written as JSON before anything else, and neither its `toJSON`
 * nor a change while the record is written makes a difference.
 *
 * What a review does not see is refused: an update or patch that would create what the user may only change (an update
 * needs the object's uid, an apply the proof for both), and kinds that are not on the list of those this account writes
 * for users (the API server holds a user who binds a role to their own rights, but not this account: written-kinds.ts).
 * A review of something else stands for a write only where the options say so (review-pairs.ts).
 */
import { Refusal } from '../errors.ts'
import { accountOf, type Recording, recorded, type TokenSource } from './account.ts'
import { type ApiServer, ask } from './api-server.ts'
import { answeredToAccount } from './api-status.ts'
import { deleteOptionsOf, isRecord, jsonOf, type KubernetesObject, objectIn, type Patch, patchOf } from './kubernetes-object.ts'
import { collectionPath, namedPath, withQuery } from './resource-path.ts'
import { type ReviewPair, reviewPairs } from './review-pairs.ts'
import { type Action, type ReviewedAction, type Spent, spend } from './reviewed-action.ts'
import type { Question } from './transport.ts'
import { writtenKinds } from './written-kinds.ts'

export interface ServiceAccountOptions {
  readonly token: TokenSource
  readonly audit: Recording
  /** Names this API server in records, such as `cluster/prod`. */
  readonly resource: string
  /** The kinds that are written for users, as `jobs.batch`, `widgets.example/status`, `configmaps`: no other is. */
  readonly mayWrite: readonly string[]
  /** Those of `mayWrite` that are in `GIVES_AWAY`, named a second time: who may write them gets more than a review looks at. */
  readonly rightsOpen?: readonly string[]
  /** Reviews that stand for another write, by verb and kind; default: none. Whoever may do the one has the other done. */
  readonly onReviewOf?: readonly ReviewPair[]
  /** Whose the written fields are (`metadata.managedFields`), for the conflicts of an apply; default: `mandate`. */
  readonly fieldManager?: string
}

/** The subresources an object of the same kind is written to; `serviceaccounts/token` has a method of its own. */
const SAME_KIND = ['', 'status']

const APPLY = 'application/apply-patch+yaml'

/** A client that writes these kinds. Throws a TypeError for options that are missing, or have what they must not (`writtenKinds`, `reviewPairs`). */
export function serviceAccountClient(server: ApiServer, options: ServiceAccountOptions): ServiceAccountClient {
  return new ServiceAccountClient(server, options)
}

class ServiceAccountClient {
  readonly #server: ApiServer
  readonly #options: ServiceAccountOptions
  readonly #fieldManager: string
  readonly #writes: ReturnType<typeof writtenKinds>
  readonly #standsFor: ReturnType<typeof reviewPairs>

  static {
    Object.freeze(ServiceAccountClient.prototype)
  }

  constructor(server: ApiServer, options: ServiceAccountOptions) {
    this.#server = server
    this.#options = { ...options }
    this.#fieldManager = ownerOfFields(options.fieldManager)
    this.#writes = writtenKinds(options.mayWrite, options.rightsOpen)
    this.#standsFor = reviewPairs(options.onReviewOf, this.#writes)
    Object.freeze(this)
  }

  /** Needs a proof for `create`. Reviewed without a name, the object must have none either, but `generateName`. */
  async create(proof: ReviewedAction, object: KubernetesObject): Promise<KubernetesObject> {
    const spent = this.#spend(proof, 'create', [''])
    const { json } = matched(spent, object)
    const { group, version, resource, namespace } = spent.action
    const path = this.#owned(collectionPath({ group, version, resource, namespace }))
    return objectIn(await this.#write([spent], { method: 'POST', path, json }))
  }

  /** Needs a proof for `update`, of the object or its `status`. The object must hold the uid it was read with. */
  async update(proof: ReviewedAction, object: KubernetesObject): Promise<KubernetesObject> {
    const spent = this.#spend(proof, 'update', SAME_KIND)
    const { json, metadata } = matched(spent, object)
    // Without it some kinds are created by an update, with a resourceVersion too.
    if (typeof metadata['uid'] !== 'string' || metadata['uid'] === '') throw unlike('the object has no uid')
    return objectIn(await this.#write([spent], { method: 'PUT', path: this.#owned(namedPath(spent.action)), json }))
  }

  /** Needs a proof for `patch`, of the object or its `status`. It cannot create, and cannot rename or move. */
  async patch(proof: ReviewedAction, patch: Patch): Promise<KubernetesObject> {
    const spent = this.#spend(proof, 'patch', SAME_KIND)
    const { json, said, contentType } = patchOf(patch)
    if (isRecord(said) && said['metadata'] !== undefined) matchMetadata(spent, said['metadata'], false)
    return objectIn(await this.#write([spent], { method: 'PATCH', path: this.#owned(namedPath(spent.action)), json, contentType }))
  }

  /**
   * Server-side apply, never by force: fields that are another manager's are an ApiStatus (409). It makes what is not
   * there, so it needs a proof for `patch` and one for `create`, of one user and for this one object; both are used up.
   */
  async apply(patchProof: ReviewedAction, createProof: ReviewedAction, object: KubernetesObject): Promise<KubernetesObject> {
    let patching: Spent
    let creating: Spent
    try {
      patching = this.#spend(patchProof, 'patch', [''])
    } finally {
      creating = this.#spend(createProof, 'create', [''])
    }
    if (patching.asker !== creating.asker) throw unlike('the two are not of one user')
    if (!sameObject(patching.action, creating.action)) throw unlike('the two are not for one object')
    const { json } = matched(creating, object)
    const question = { method: 'PATCH', path: this.#owned(namedPath(patching.action)), json, contentType: APPLY }
    return objectIn(await this.#write([patching, creating], question))
  }

  /** Needs a proof for `delete`. With a uid only that very object is deleted, not one that took its name. What it owns goes after it. */
  async delete(proof: ReviewedAction, uid?: string): Promise<void> {
    const spent = this.#spend(proof, 'delete', [''])
    const json = deleteOptionsOf(uid === undefined ? {} : { uid })
    await this.#write([spent], { method: 'DELETE', path: namedPath(spent.action), json })
  }

  /** A token of another service account, bound to its audiences. Needs a proof for `create` of `serviceaccounts/token`. */
  async createToken(
    proof: ReviewedAction,
    audiences: readonly [string, ...string[]],
    expirationSeconds: number,
  ): Promise<KubernetesObject> {
    const spent = this.#spend(proof, 'create', ['token'])
    if (spent.action.group !== '' || spent.action.resource !== 'serviceaccounts') throw unlike('it is not for serviceaccounts/token')
    const { json } = jsonOf({ apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { audiences, expirationSeconds } })
    return objectIn(await this.#write([spent], { method: 'POST', path: namedPath(spent.action), json }))
  }

  #spend(proof: ReviewedAction, verb: string, subresources: readonly string[]): Spent {
    const spent = spend(proof, this.#server, verb)
    if (!subresources.includes(spent.action.subresource)) throw unlike('this write does not go to that subresource')
    if (!this.#writes(spent.action)) throw unlike('this kind is not in mayWrite')
    if (!this.#standsFor(spent.reviewed, spent.action)) throw unlike('what was reviewed does not stand for this write in onReviewOf')
    return spent
  }

  #owned(path: string): string {
    return withQuery(path, { fieldManager: this.#fieldManager })
  }

  /** Records, then sends: a record for each proof, and when one fails nothing is sent. */
  async #write(proofs: readonly Spent[], question: Question): Promise<Readonly<Record<string, unknown>>> {
    const { token, audit, resource } = this.#options
    const as = accountOf(token)
    // One write on two proofs is one of the two: each record says so.
    const oneOf = proofs.length === 1 ? {} : { oneOf: proofs.map(({ action }) => action.verb).join(', ') }
    const records = proofs.map(({ action: { verb, ...where }, reviewed, asker }) => {
      const properties = { ...where, ...oneOf }
      return recorded(audit, { event: 'escalated', asker, action: verb, resource, properties, reviewed })
    })
    await Promise.all(records)
    return answeredToAccount(await ask(this.#server, as, question))
  }
}

export type { ServiceAccountClient }

/** The text of an object that is what was reviewed, and its metadata as the text says it. */
function matched(spent: Spent, object: KubernetesObject): { readonly json: string; readonly metadata: Record<string, unknown> } {
  const { json, said } = jsonOf(object)
  const { apiVersion, metadata } = isRecord(said) ? said : {}
  const { group, version } = spent.action
  if (apiVersion !== (group === '' ? version : `${group}/${version}`)) throw unlike('apiVersion is of another group or version')
  return { json, metadata: matchMetadata(spent, metadata, true) }
}

/** Metadata that names what was reviewed; throws for other. What may be left out the API server takes from the path. */
function matchMetadata({ action }: Spent, metadata: unknown, whole: boolean): Record<string, unknown> {
  if (!isRecord(metadata)) throw unlike('metadata is not an object')
  const { name, namespace, generateName } = metadata
  if (namespace !== undefined && namespace !== action.namespace) throw unlike('the object is in another namespace')
  if (name === undefined ? whole && action.name !== '' : name !== action.name || name === '') throw unlike('the object has another name')
  // A made-up name is one that nobody reviewed.
  if (generateName !== undefined && action.verb === 'create' && action.name !== '') throw unlike('the object has no name of its own')
  return metadata
}

function sameObject(one: Required<Action>, other: Required<Action>): boolean {
  return (['group', 'version', 'resource', 'namespace', 'name'] as const).every((part) => one[part] === other[part])
}

/** Whose the fields are, by the API server's own rule for such a name: printable, and no more than 128 bytes. */
function ownerOfFields(name: unknown = 'mandate'): string {
  if (typeof name === 'string' && /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]+$/u.test(name) && Buffer.byteLength(name) <= 128) return name
  throw new TypeError('fieldManager is not a name: printable characters, at most 128 bytes')
}

function unlike(detail: string): Refusal {
  return new Refusal('proof_refused', { detail })
}
