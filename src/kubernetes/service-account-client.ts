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
 * needs the object's uid; there is no apply), and kinds that are not on the list of those this account writes for users
 * (the API server holds a user who binds a role to their own rights, but not this account: written-kinds.ts).
 */
import { Refusal } from '../errors.ts'
import { accountOf, type Recording, recorded, type TokenSource } from './account.ts'
import { type ApiServer, ask } from './api-server.ts'
import { answeredToAccount } from './api-status.ts'
import { isRecord, jsonOf, type KubernetesObject, objectIn, type Patch, patchOf } from './kubernetes-object.ts'
import { collectionPath, namedPath } from './resource-path.ts'
import { type ReviewedAction, type Spent, spend } from './reviewed-action.ts'
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
}

/** The subresources an object of the same kind is written to; `serviceaccounts/token` has a method of its own. */
const SAME_KIND = ['', 'status']

/** A client that writes these kinds. Throws a TypeError for a list that is missing, or has what it must not (`writtenKinds`). */
export function serviceAccountClient(server: ApiServer, options: ServiceAccountOptions): ServiceAccountClient {
  return new ServiceAccountClient(server, options)
}

class ServiceAccountClient {
  readonly #server: ApiServer
  readonly #options: ServiceAccountOptions
  readonly #writes: ReturnType<typeof writtenKinds>

  static {
    Object.freeze(ServiceAccountClient.prototype)
  }

  constructor(server: ApiServer, options: ServiceAccountOptions) {
    this.#server = server
    this.#options = { ...options }
    this.#writes = writtenKinds(options.mayWrite, options.rightsOpen)
    Object.freeze(this)
  }

  /** Needs a proof for `create`. Reviewed without a name, the object must have none either, but `generateName`. */
  async create(proof: ReviewedAction, object: KubernetesObject): Promise<KubernetesObject> {
    const spent = this.#spend(proof, 'create', [''])
    const { json } = matched(spent, object)
    const { group, version, resource, namespace } = spent.action
    return objectIn(await this.#write(spent, { method: 'POST', path: collectionPath({ group, version, resource, namespace }), json }))
  }

  /** Needs a proof for `update`, of the object or its `status`. The object must hold the uid it was read with. */
  async update(proof: ReviewedAction, object: KubernetesObject): Promise<KubernetesObject> {
    const spent = this.#spend(proof, 'update', SAME_KIND)
    const { json, metadata } = matched(spent, object)
    // Without it some kinds are created by an update, with a resourceVersion too.
    if (typeof metadata['uid'] !== 'string' || metadata['uid'] === '') throw unlike('the object has no uid')
    return objectIn(await this.#write(spent, { method: 'PUT', path: namedPath(spent.action), json }))
  }

  /** Needs a proof for `patch`, of the object or its `status`. It cannot create, and cannot rename or move. */
  async patch(proof: ReviewedAction, patch: Patch): Promise<KubernetesObject> {
    const spent = this.#spend(proof, 'patch', SAME_KIND)
    const { json, said, contentType } = patchOf(patch)
    if (isRecord(said) && said['metadata'] !== undefined) matchMetadata(spent, said['metadata'], false)
    return objectIn(await this.#write(spent, { method: 'PATCH', path: namedPath(spent.action), json, contentType }))
  }

  /** Needs a proof for `delete`. With a uid only that very object is deleted, not one that took its name. */
  async delete(proof: ReviewedAction, uid?: string): Promise<void> {
    const spent = this.#spend(proof, 'delete', [''])
    const { json } = jsonOf({ apiVersion: 'v1', kind: 'DeleteOptions', ...(uid === undefined ? {} : { preconditions: { uid } }) })
    await this.#write(spent, { method: 'DELETE', path: namedPath(spent.action), json })
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
    return objectIn(await this.#write(spent, { method: 'POST', path: namedPath(spent.action), json }))
  }

  #spend(proof: ReviewedAction, verb: string, subresources: readonly string[]): Spent {
    const spent = spend(proof, this.#server, verb)
    if (!subresources.includes(spent.action.subresource)) throw unlike('this write does not go to that subresource')
    if (!this.#writes(spent.action)) throw unlike('this kind is not in mayWrite')
    return spent
  }

  /** Records, then sends: when the record fails nothing is sent. */
  async #write({ action, asker }: Spent, question: Question): Promise<Readonly<Record<string, unknown>>> {
    const { verb, ...properties } = action
    const as = accountOf(this.#options.token)
    await recorded(this.#options.audit, {
      event: 'escalated',
      asker,
      action: verb,
      resource: this.#options.resource,
      properties,
      reviewed: action,
    })
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

function unlike(detail: string): Refusal {
  return new Refusal('proof_refused', { detail })
}
