/**
 * The proof that a user may do one thing: a SelfSubjectAccessReview, made as that user, that said "allowed".
 *
 * Security: this file makes proofs and is the only one that can. A proof is good for one write of exactly one action, at
 * the API server that was asked, for ten seconds and not beyond the user's credential. It is used up before the write is
 * sent, whatever becomes of it. What is reviewed is the request as the API server itself would read it: a create has no
 * name there, so a right that is bound to a name by `resourceNames` allows no create here either. Whoever cannot be asked
 * has allowed nothing: that is `review_unavailable` (503).
 *
 * The action is the reviewed one, or another that the reviewed one stands for (`write`). Then the proof names both, and
 * whoever takes it decides whether the one may stand for the other (review-pairs.ts). Both lie in one namespace, as the
 * API server reads them: a right in one namespace never becomes a write in another, or in the whole cluster.
 */
import { Refusal } from '../errors.ts'
import { type ApiServer, ask, monotonic, now } from './api-server.ts'
import { answeredToUser, sentenceIn } from './api-status.ts'
import { jsonOf } from './kubernetes-object.ts'
import { parseRequestInfo } from './request-info.ts'
import { collectionPath, namedPath } from './resource-path.ts'
import type { Asker } from './transport.ts'

/** What a user wants done, in Kubernetes' words; what is left out is ''. */
export interface Action {
  readonly verb: string
  /** '' for the core group. */
  readonly group: string
  /** Such as `v1`: it is reviewed, and what is written with the proof is of this version. */
  readonly version: string
  readonly resource: string
  readonly subresource?: string
  /** '' for what is in no namespace, or for all namespaces. */
  readonly namespace?: string
  /** '' for a list, and for a create whose name the API server makes. */
  readonly name?: string
}

export interface ReviewOptions {
  /** What the proof is for, when the reviewed action only stands for it; default: the reviewed action itself. */
  readonly write?: Action
}

export type Review =
  | { readonly allowed: true; readonly proof: ReviewedAction }
  /** `reason` is the API server's own sentence and may be empty. */
  | { readonly allowed: false; readonly reason: string }

/** What a proof stood for, once it is used up. */
export interface Spent {
  /** The write that it was for. */
  readonly action: Required<Action>
  /** What the API server was asked about: the same, or what stands for it. */
  readonly reviewed: Required<Action>
  /** Names the credential the review was made with, for the audit log. */
  readonly asker: string
}

const PROOF_LIVES_MS = 10_000
const ISSUE = Symbol('issue')

interface Issued extends Spent {
  readonly server: ApiServer
  readonly until: number
  readonly credentialUntil: number
}

/** Uses a proof up; set below, where its private fields can be read, and on nothing that a proof leads to. */
let use: (proof: unknown) => Issued

/** Told apart by its private field: nothing that looks alike is one, and only this file has the key to make one. */
class ReviewedAction {
  /** The write that this is good for. */
  readonly action: Required<Action>
  /** What the API server was asked about. */
  readonly reviewed: Required<Action>
  readonly #issued: Issued
  #used = false

  constructor(key: typeof ISSUE, issued: Issued) {
    if (key !== ISSUE) throw new TypeError('a proof comes from a review')
    this.action = issued.action
    this.reviewed = issued.reviewed
    this.#issued = issued
    Object.freeze(this)
  }

  static {
    use = (proof) => {
      if (typeof proof !== 'object' || proof === null || !(#issued in proof)) throw refused('it is not a proof')
      if (proof.#used) throw refused('it was used before')
      proof.#used = true
      return proof.#issued
    }
    Object.freeze(ReviewedAction.prototype)
  }
}

export type { ReviewedAction }

/**
 * Uses a proof up: the second asking finds it used, however the first ended. Throws a Refusal (`proof_refused`) for one
 * that does not hold here and now.
 */
export function spend(proof: unknown, server: ApiServer, verb: string): Spent {
  const { action, reviewed, asker, until, credentialUntil, server: asked } = use(proof)
  if (asked !== server) throw refused('another API server was asked')
  // Asked this way round, a time that is none holds for nothing.
  if (!(monotonic(server) <= until)) throw refused('it is too old')
  if (!(now(server) < credentialUntil)) throw refused('the credential it was made with has ended')
  if (action.verb !== verb) throw refused(`it is not for the verb ${verb}`)
  return { action, reviewed, asker }
}

/**
 * Asks as the user. Throws a Refusal: 401 or 403 when the user is not taken, `review_unavailable` when nobody can tell,
 * `proof_refused` for a write in another namespace than what is reviewed.
 */
export async function review(server: ApiServer, as: Asker, wanted: Action, { write }: ReviewOptions = {}): Promise<Review> {
  const reviewed = fixed(wanted)
  const action = write === undefined ? reviewed : fixed(write)
  const resourceAttributes = attributesOf(reviewed)
  if (attributesOf(action).namespace !== resourceAttributes.namespace) throw refused('it was reviewed in another namespace')
  // From before the question: the answer may be older than its arrival.
  const until = monotonic(server) + PROOF_LIVES_MS
  const status = await statusOf(server, as, { kind: 'SelfSubjectAccessReview', spec: { resourceAttributes } })
  const { allowed, denied, reason, evaluationError } = status
  if (allowed === true && denied !== true) {
    const issued = { action, reviewed, asker: askerOf(as), server, until, credentialUntil: as.expiresAt }
    return { allowed: true, proof: new ReviewedAction(ISSUE, issued) }
  }
  if (typeof allowed !== 'boolean' || (typeof evaluationError === 'string' && evaluationError !== ''))
    throw new Refusal('review_unavailable')
  return { allowed: false, reason: sentenceIn(reason) }
}

/** The action as it is now, whatever becomes of the object that named it. */
function fixed({ verb, group, version, resource, subresource = '', namespace = '', name = '' }: Action): Required<Action> {
  const action = Object.freeze({ verb, group, version, resource, subresource, namespace, name })
  // What only looks like text could read differently at the next look.
  if (!Object.values(action).every((part) => typeof part === 'string')) {
    throw new Refusal('path_ambiguous', { detail: 'a part of the action is not text' })
  }
  return action
}

async function statusOf(server: ApiServer, as: Asker, { kind, spec }: { kind: string; spec: object }): Promise<Record<string, unknown>> {
  const path = `/apis/authorization.k8s.io/v1/${kind.toLowerCase()}s`
  try {
    const { json } = jsonOf({ apiVersion: 'authorization.k8s.io/v1', kind, spec })
    const answer = await ask(server, as, { method: 'POST', path, json })
    const { status } = answeredToUser(answer)
    return typeof status === 'object' && status !== null ? (status as Record<string, unknown>) : {}
  } catch (error) {
    if (error instanceof Refusal && (error.status === 401 || error.status === 403)) throw error
    const again = error instanceof Refusal ? error.retryAfterSeconds : undefined
    throw new Refusal('review_unavailable', again === undefined ? {} : { retryAfterSeconds: again })
  }
}

/** The attributes that the API server would decide on for this very request. */
function attributesOf(action: Required<Action>): Required<Action> {
  const { verb, version, resource, subresource, name } = action
  const method = { create: 'POST', get: 'GET', list: 'GET', watch: 'GET', update: 'PUT', patch: 'PATCH', delete: 'DELETE' }[verb]
  // Verbs that no request has by itself (use, bind, deletecollection, ...) can be asked about; no write takes their proof.
  if (method === undefined) return action
  const where = { ...action, ...(resource === 'namespaces' && action.group === '' ? { namespace: '' } : {}) }
  const wholeKind = verb === 'list' || verb === 'watch' || (verb === 'create' && subresource === '')
  if (wholeKind && verb !== 'create' && name !== '') throw new Refusal('path_ambiguous', { detail: 'a list has no name' })
  if (wholeKind && name !== '') namedPath(where)
  const path = wholeKind ? collectionPath(where) : namedPath(where)
  const info = parseRequestInfo(method, decodeURIComponent(path), new URLSearchParams(verb === 'watch' ? 'watch=true' : ''))
  // Such as a resource "watch", which is a verb in a path: what is asked must be what was meant.
  const { apiGroup: group, apiVersion, namespace } = info
  const asMeant = info.verb === verb && group === action.group && apiVersion === version
  if (!asMeant || info.resource !== resource || info.subresource !== subresource) {
    throw new Refusal('path_ambiguous', { detail: 'the API server would read another action' })
  }
  return { verb: info.verb, group, version, resource: info.resource, subresource: info.subresource, namespace, name: info.name }
}

function askerOf(as: Asker): string {
  return as.kind === 'bearer' ? `bearer:${as.token.digest().slice(0, 16)}` : `user:${as.user}`
}

function refused(detail: string): Refusal {
  return new Refusal('proof_refused', { detail })
}
