/**
 * A client that acts as the user who asked, with the user's rights and no others.
 *
 * Security: there is none without a credential of a caller. What is missing or malformed is 401 before anything is
 * sent, what the API server does not take is 401 or 403, and this file knows of no other credential to go on with.
 * The class is not exported as a value, and its private fields make its type one that nothing else can pass for.
 */
import { bearerCredential, type Credential, impersonationCredential } from '../credential.ts'
import { Refusal } from '../errors.ts'
import { Secret } from '../secret.ts'
import { type ApiServer, ask, now, stream } from './api-server.ts'
import { answeredToUser } from './api-status.ts'
import {
  type DeleteOptions,
  deleteOptionsOf,
  isRecord,
  jsonOf,
  type KubernetesObject,
  objectIn,
  type Page,
  type Patch,
  pageIn,
  patchOf,
} from './kubernetes-object.ts'
import { type Collection, collectionPath, type Named, namedPath, withQuery } from './resource-path.ts'
import { type Action, type Review, type ReviewOptions, review } from './reviewed-action.ts'
import type { Answer, Asker, Question } from './transport.ts'
import { eventsIn, type WatchEvent } from './watch-events.ts'

export interface ListOptions {
  readonly labelSelector?: string
  readonly fieldSelector?: string
  /** Most items of one page. */
  readonly limit?: number
  /** From the page before. */
  readonly continue?: string
}

export interface WatchOptions {
  readonly labelSelector?: string
  readonly fieldSelector?: string
  /** Where to begin: that of a list. */
  readonly resourceVersion?: string
  readonly signal?: AbortSignal
}

/** Who the API server takes the user for. */
export interface UserInfo {
  readonly username: string
  readonly uid: string
  readonly groups: readonly string[]
}

const PAGE = 500

/** A client with the rights of this credential. Throws a Refusal: 401 without one or past its end, 403 for one without rights. */
export function userClient(server: ApiServer, credential: Extract<Credential, Asker>): UserClient {
  return new UserClient(server, credential)
}

/**
 * A client for who sent this `Authorization` header to you. Whether the token holds is for the API server to say, at
 * the first request. Throws a Refusal (401) when the header is missing, of another scheme, or carries no one token.
 */
export function userClientFromAuthorization(server: ApiServer, authorization: string | undefined): UserClient {
  if (authorization === undefined || authorization === '') throw new Refusal('not_signed_in')
  const token = /^bearer +([A-Za-z0-9\-._~+/]+=*) *$/i.exec(authorization)?.[1]
  if (token === undefined) throw new Refusal('authorization_malformed')
  if (token.length > 16_384) throw new Refusal('token_too_large')
  return new UserClient(server, bearerCredential(new Secret(token), Number.POSITIVE_INFINITY))
}

class UserClient {
  readonly #server: ApiServer
  readonly #as: Asker

  static {
    Object.freeze(UserClient.prototype)
  }

  constructor(server: ApiServer, credential: Credential | undefined) {
    this.#server = server
    this.#as = checked(credential)
    this.#current()
    Object.freeze(this)
  }

  async get(named: Named): Promise<KubernetesObject> {
    return objectIn(await this.#ask({ method: 'GET', path: namedPath(named) }))
  }

  /** One page. `items` follows the pages. */
  async list(collection: Collection, options: ListOptions = {}): Promise<Page> {
    return pageIn(await this.#ask({ method: 'GET', path: withQuery(collectionPath(collection), { ...options }) }))
  }

  /** All items, a page at a time. Throws an ApiStatus (410) when the next page is no longer to be had: begin again. */
  async *items(collection: Collection, options: Omit<ListOptions, 'continue'> = {}): AsyncGenerator<KubernetesObject, void, undefined> {
    for (let next: ListOptions | undefined = { limit: PAGE, ...options }; next !== undefined; ) {
      const page: Page = await this.list(collection, next)
      yield* page.items
      next = page.continue === undefined ? undefined : { ...next, continue: page.continue }
    }
  }

  /** Events until the API server ends them, `signal` fires (an AbortError) or the loop is left. */
  async *watch(collection: Collection, { signal, ...options }: WatchOptions = {}): AsyncGenerator<WatchEvent, void, undefined> {
    const path = withQuery(collectionPath(collection), { ...options, watch: true, allowWatchBookmarks: true })
    const answer = await stream(this.#server, this.#current(), {
      method: 'GET',
      path,
      ...(signal === undefined ? {} : { signal }),
    })
    if (!isStream(answer)) {
      answeredToUser(answer)
      throw new Refusal('upstream_broke', { detail: 'it did not answer with a watch' })
    }
    yield* eventsIn(answer)
  }

  async create(collection: Collection, object: KubernetesObject): Promise<KubernetesObject> {
    return objectIn(await this.#ask({ method: 'POST', path: collectionPath(collection), json: jsonOf(object).json }))
  }

  async update(named: Named, object: KubernetesObject): Promise<KubernetesObject> {
    return objectIn(await this.#ask({ method: 'PUT', path: namedPath(named), json: jsonOf(object).json }))
  }

  async patch(named: Named, patch: Patch): Promise<KubernetesObject> {
    const { json, contentType } = patchOf(patch)
    return objectIn(await this.#ask({ method: 'PATCH', path: namedPath(named), json, contentType }))
  }

  /** Server-side apply under a field manager's name. */
  async apply(named: Named, object: KubernetesObject, fieldManager: string): Promise<KubernetesObject> {
    const path = withQuery(namedPath(named), { fieldManager })
    return objectIn(await this.#ask({ method: 'PATCH', path, json: jsonOf(object).json, contentType: 'application/apply-patch+yaml' }))
  }

  /** With a `uid` only that very object is deleted, not one that took its name: an ApiStatus (409) otherwise. */
  async delete(named: Named, options: DeleteOptions = {}): Promise<void> {
    await this.#ask({ method: 'DELETE', path: namedPath(named), json: deleteOptionsOf(options) })
  }

  /**
   * Whether the user may do this, and if so the proof that a ServiceAccountClient takes: for one write of exactly this, or
   * of `write`, within ten seconds. A proof for another write than the one reviewed is taken only where that pair is in
   * `onReviewOf`. Throws a Refusal; `review_unavailable` (503) when nobody can tell, `proof_refused` for a write in another
   * namespace.
   */
  async review(action: Action, options: ReviewOptions = {}): Promise<Review> {
    return review(this.#server, this.#current(), action, options)
  }

  /** Who the API server takes the user for. */
  async selfReview(): Promise<UserInfo> {
    const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews'
    const { json } = jsonOf({ apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' })
    const { status } = await this.#ask({ method: 'POST', path, json })
    const info = isRecord(status) && isRecord(status['userInfo']) ? status['userInfo'] : {}
    const { username, uid, groups } = info
    if (typeof username !== 'string' || username === '') throw new Refusal('upstream_broke', { detail: 'it named no user' })
    return {
      username,
      uid: typeof uid === 'string' ? uid : '',
      groups: Array.isArray(groups) ? groups.filter((group: unknown) => typeof group === 'string') : [],
    }
  }

  async #ask(question: Question): Promise<Readonly<Record<string, unknown>>> {
    return answeredToUser(await ask(this.#server, this.#current(), question))
  }

  #current(): Asker {
    if (!(now(this.#server) < this.#as.expiresAt)) throw new Refusal('token_expired')
    return this.#as
  }
}

export type { UserClient }

/** Made anew by the constructors of credentials, which refuse what could not be sent: an object that looks like one is none. */
function checked(credential: Credential | undefined): Asker {
  // NaN is later than nothing and earlier than nothing: it would be no end at all.
  if (credential && !(typeof credential.expiresAt === 'number' && credential.expiresAt >= 0)) {
    throw new Refusal('credential_not_offered', { detail: 'its end is not a time' })
  }
  if (credential?.kind === 'bearer') return bearerCredential(credential.token, credential.expiresAt)
  if (credential?.kind === 'impersonation') return impersonationCredential(credential)
  throw new Refusal(credential === undefined ? 'not_signed_in' : 'credential_not_offered')
}

function isStream(answer: Answer | AsyncIterable<Buffer>): answer is AsyncIterable<Buffer> {
  return Symbol.asyncIterator in answer
}
