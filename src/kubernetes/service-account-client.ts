/**
 * A client that writes with the rights of a service account, for a user who has proven that they may.
 *
 * Security: it has no way to read, so nothing can be listed past a user's rights. Every write takes the proof of a
 * review and is compared with it part by part: verb, group, resource, subresource, namespace and name, in the path and
 * in the object. The proof is used up first, then the record is written, then the write is sent, once.
 *
 * Three things that a review does not see are refused: an update or patch that would create what the user may only
 * change (an update needs the object's uid; there is no apply), writes to kinds that give rights away (the API server
 * holds a user who binds a role to their own rights, but not this account), and streams into pods and nodes.
 */
import { Refusal } from '../errors.ts'
import { accountOf, type Recording, recorded, type TokenSource } from './account.ts'
import { ApiServer, type Question } from './api-server.ts'
import { answeredToAccount } from './api-status.ts'
import { isRecord, type KubernetesObject, objectIn, type Patch } from './kubernetes-object.ts'
import { collectionPath, namedPath } from './resource-path.ts'
import { type ReviewedAction, type Spent, spend } from './reviewed-action.ts'

export interface ServiceAccountOptions {
  readonly token: TokenSource
  readonly audit: Recording
  /** Names this API server in records, such as `cluster/prod`. */
  readonly resource: string
  /** Kinds from `NOT_FOR_OTHERS` that are written all the same, as `resource.group` or `resource/subresource`. */
  readonly alsoFor?: readonly string[]
}

/** What this account never writes for a user unless told to: what holds secrets, gives rights, or opens a stream. */
export const NOT_FOR_OTHERS: readonly string[] = [
  'secrets',
  'roles.rbac.authorization.k8s.io',
  'rolebindings.rbac.authorization.k8s.io',
  'clusterroles.rbac.authorization.k8s.io',
  'clusterrolebindings.rbac.authorization.k8s.io',
  'certificatesigningrequests.certificates.k8s.io',
  'mutatingwebhookconfigurations.admissionregistration.k8s.io',
  'validatingwebhookconfigurations.admissionregistration.k8s.io',
  'apiservices.apiregistration.k8s.io',
]

/** The subresources an object of the same kind is written to; `serviceaccounts/token` has a method of its own. */
const SAME_KIND = ['', 'status']

export function serviceAccountClient(server: ApiServer, options: ServiceAccountOptions): ServiceAccountClient {
  return new ServiceAccountClient(server, options)
}

class ServiceAccountClient {
  readonly #server: ApiServer
  readonly #options: ServiceAccountOptions

  constructor(server: ApiServer, options: ServiceAccountOptions) {
    this.#server = server
    this.#options = options
  }

  /** Needs a proof for `create`. Reviewed without a name, the object must have none either, but `generateName`. */
  async create(proof: ReviewedAction, object: KubernetesObject): Promise<KubernetesObject> {
    const spent = this.#spend(proof, 'create', [''])
    const { group, resource, namespace } = spent.action
    const version = versionFor(spent, object)
    return objectIn(
      await this.#write(spent, { method: 'POST', path: collectionPath({ group, version, resource, namespace }), body: object }),
    )
  }

  /** Needs a proof for `update`, of the object or its `status`. The object must hold the uid it was read with. */
  async update(proof: ReviewedAction, object: KubernetesObject): Promise<KubernetesObject> {
    const spent = this.#spend(proof, 'update', SAME_KIND)
    const version = versionFor(spent, object)
    // Without it some kinds are created by an update, with a resourceVersion too.
    if (typeof object.metadata.uid !== 'string' || object.metadata.uid === '') throw unlike('the object has no uid')
    return objectIn(await this.#write(spent, { method: 'PUT', path: namedPath({ ...spent.action, version }), body: object }))
  }

  /** Needs a proof for `patch`, of the object or its `status`. It cannot create, and cannot rename or move. */
  async patch(proof: ReviewedAction, version: string, patch: Patch): Promise<KubernetesObject> {
    const spent = this.#spend(proof, 'patch', SAME_KIND)
    if (isRecord(patch) && patch['metadata'] !== undefined) matchMetadata(spent, patch['metadata'], false)
    const contentType = Array.isArray(patch) ? 'application/json-patch+json' : 'application/merge-patch+json'
    return objectIn(await this.#write(spent, { method: 'PATCH', path: namedPath({ ...spent.action, version }), body: patch, contentType }))
  }

  /** Needs a proof for `delete`. With a uid only that very object is deleted, not one that took its name. */
  async delete(proof: ReviewedAction, version: string, uid?: string): Promise<void> {
    const spent = this.#spend(proof, 'delete', [''])
    const body = { apiVersion: 'v1', kind: 'DeleteOptions', ...(uid === undefined ? {} : { preconditions: { uid } }) }
    await this.#write(spent, { method: 'DELETE', path: namedPath({ ...spent.action, version }), body })
  }

  /** A token of another service account, bound to its audiences. Needs a proof for `create` of `serviceaccounts/token`. */
  async createToken(
    proof: ReviewedAction,
    audiences: readonly [string, ...string[]],
    expirationSeconds: number,
  ): Promise<KubernetesObject> {
    const spent = this.#spend(proof, 'create', ['token'])
    if (spent.action.group !== '' || spent.action.resource !== 'serviceaccounts') throw unlike('it is not for serviceaccounts/token')
    const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { audiences, expirationSeconds } }
    return objectIn(await this.#write(spent, { method: 'POST', path: namedPath({ ...spent.action, version: 'v1' }), body }))
  }

  #spend(proof: ReviewedAction, verb: string, subresources: readonly string[]): Spent {
    const spent = spend(proof, this.#server, verb)
    const { group, resource, subresource } = spent.action
    if (!subresources.includes(subresource)) throw unlike('this write does not go to that subresource')
    const kind = group === '' ? resource : `${resource}.${group}`
    const never = subresource === '' || subresource === 'status' ? NOT_FOR_OTHERS.includes(kind) : false
    if (never && !(this.#options.alsoFor ?? []).includes(kind)) throw unlike('this kind is not written for others')
    return spent
  }

  /** Records, then sends: when the record fails nothing is sent. */
  async #write({ action, asker }: Spent, question: Question): Promise<Readonly<Record<string, unknown>>> {
    const { verb, ...properties } = action
    const as = accountOf(this.#options.token)
    await recorded(this.#options.audit, { event: 'escalated', asker, action: verb, resource: this.#options.resource, properties })
    return answeredToAccount(await ApiServer.ask(this.#server, as, question))
  }
}

export type { ServiceAccountClient }

/** The version an object names, when the object is what was reviewed. */
function versionFor(spent: Spent, object: KubernetesObject): string {
  const { apiVersion, metadata } = object
  const parts = typeof apiVersion === 'string' ? apiVersion.split('/') : []
  const [group, version] = parts.length === 2 ? parts : ['', ...parts]
  if (version === undefined || parts.length > 2 || group !== spent.action.group) throw unlike('apiVersion is of another group')
  matchMetadata(spent, metadata, true)
  return version
}

/** Throws unless metadata names what was reviewed; parts that may be left out are taken from the path by the API server. */
function matchMetadata({ action }: Spent, metadata: unknown, whole: boolean): void {
  if (!isRecord(metadata)) throw unlike('metadata is not an object')
  const { name, namespace, generateName } = metadata
  if (namespace !== undefined && namespace !== action.namespace) throw unlike('the object is in another namespace')
  if (name === undefined ? whole && action.name !== '' : name !== action.name || name === '') throw unlike('the object has another name')
  // A made-up name is one that nobody reviewed.
  if (generateName !== undefined && action.verb === 'create' && action.name !== '') throw unlike('the object has no name of its own')
}

function unlike(detail: string): Refusal {
  return new Refusal('proof_refused', { detail })
}
