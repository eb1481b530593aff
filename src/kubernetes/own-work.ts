/**
 * Mandate's own work: what nobody asked for, done with its own account, task by task.
 *
 * Security: it takes no proof, so no request may reach it. It is made in the composition and handed only to what runs
 * by itself; the linter forbids every door and every step to import this file. A task can do what the table says of it
 * and nothing else, and each act is recorded before it is sent; those that the table sums, under a record of their kind
 * that is at most ten minutes old (own-sums.ts).
 */
import { Refusal } from '../errors.ts'
import { saysAbsent } from './absence.ts'
import { accountOf, type Recording, recorded, type TokenSource } from './account.ts'
import { type ApiServer, ask, monotonic } from './api-server.ts'
import { answeredToAccount } from './api-status.ts'
import { jsonOf, type Patch, patchOf } from './kubernetes-object.ts'
import { type OwnSums, ownSums } from './own-sums.ts'
import type { OwnVerb, Right, TaskTable } from './own-tasks.ts'
import { collectionPath, namedPath, withQuery } from './resource-path.ts'
import type { Answer, Question } from './transport.ts'

type VerbOf<R extends Right> = R['verbs'][number]
/** The resources of a task on which it has a verb. */
type ResourceFor<R extends Right, V> = R extends Right ? (V extends VerbOf<R> ? R['resource'] : never) : never

/** Where, and what. `name` for all verbs but `create` and `list`; `body` for those that send one. */
export interface Act {
  readonly namespace?: string
  readonly name?: string
  /** Which of two kinds that are called the same in the table of the task. */
  readonly group?: string
  readonly version?: string
  readonly body?: Patch
  /** For `list`. */
  readonly labelSelector?: string
  readonly limit?: number
  readonly continue?: string
  readonly signal?: AbortSignal
}

export interface OwnWorkOptions<T extends TaskTable> {
  readonly token: TokenSource
  readonly audit: Recording
  /** Names this API server in records, such as `cluster/prod`. */
  readonly resource: string
  readonly tasks: T
}

/** The capability for one task after the other. Throws a Refusal (`own_work_refused`) for a task that is not in the table. */
export type Own<T extends TaskTable> = <N extends keyof T & string>(task: N) => OwnWork<T[N][number]>

export function createOwnWork<const T extends TaskTable>(server: ApiServer, options: OwnWorkOptions<T>): Own<T> {
  const sums = ownSums(options.audit, () => monotonic(server))
  return (task) => {
    const rights = Object.hasOwn(options.tasks, task) ? options.tasks[task] : undefined
    if (rights === undefined) throw new Refusal('own_work_refused', { detail: 'there is no such task' })
    return new OwnWork(server, options, task, rights, sums)
  }
}

class OwnWork<R extends Right> {
  readonly #server: ApiServer
  readonly #options: OwnWorkOptions<TaskTable>
  readonly #task: string
  readonly #rights: readonly Right[]
  readonly #sums: OwnSums

  static {
    Object.freeze(OwnWork.prototype)
  }

  constructor(server: ApiServer, options: OwnWorkOptions<TaskTable>, task: string, rights: readonly Right[], sums: OwnSums) {
    this.#server = server
    this.#options = options
    this.#task = task
    this.#rights = rights
    this.#sums = sums
    Object.freeze(this)
  }

  /**
   * Does one thing and gives the answer's body. Throws a Refusal: `own_work_refused` for what the task does not hold,
   * `audit_unavailable` when it cannot be recorded; an ApiStatus such as 404 or 409.
   */
  async act<V extends VerbOf<R>>(verb: V, resource: ResourceFor<R, V>, act: Act = {}): Promise<Readonly<Record<string, unknown>>> {
    // Read once, so that what is recorded is what is sent.
    const fixed = { ...act }
    return answeredToAccount(await this.#ask(verb, this.#right(verb, resource, fixed), fixed))
  }

  /**
   * Gets one object, or `undefined` when the API server says of this very object that there is none (absence.ts). Throws
   * as `act` does for every other answer: a 404 that speaks of something else tells nothing about the object.
   */
  async look(
    resource: 'get' extends VerbOf<R> ? ResourceFor<R, 'get'> : never,
    act: Act & { readonly name: string },
  ): Promise<Readonly<Record<string, unknown>> | undefined> {
    const fixed = { ...act }
    const right = this.#right('get', resource, fixed)
    const answer = await this.#ask('get', right, fixed)
    return saysAbsent(answer, { group: right.group, resource: right.resource, name: fixed.name }) ? undefined : answeredToAccount(answer)
  }

  #right(verb: OwnVerb, resource: string, { group, version }: Act): Right {
    const fitting = this.#rights.filter(
      (right) =>
        right.resource === resource &&
        right.verbs.includes(verb) &&
        (group === undefined || right.group === group) &&
        (version === undefined || right.version === version),
    )
    const [right] = fitting
    if (right === undefined) throw new Refusal('own_work_refused', { detail: 'the task has no such right' })
    if (fitting.some((other) => other.group !== right.group || other.version !== right.version)) {
      throw new Refusal('own_work_refused', { detail: 'the task has this right on two kinds: say which by its group and version' })
    }
    return right
  }

  async #ask(verb: OwnVerb, right: Right, act: Act): Promise<Answer> {
    const question = questionOf(verb, right, act)
    const { namespace = '', name = '' } = act
    const as = accountOf(this.#options.token)
    const properties = { group: right.group, resource: right.resource, namespace, name }
    const { audit, resource: at } = this.#options
    const event = { event: 'own-work', task: this.#task, action: verb, resource: at, properties } as const
    await (right.summed === true ? this.#sums(event) : recorded(audit, event))
    return ask(this.#server, as, question)
  }
}

export type { OwnWork }

function questionOf(verb: OwnVerb, right: Right, act: Act): Question {
  const [resource = '', subresource] = right.resource.split('/')
  const { group, version } = right
  const { namespace = '', name = '', body, signal, labelSelector, limit, continue: next } = act
  const where = { group, version, resource, namespace }
  const wholeKind = verb === 'list' || (verb === 'create' && subresource === undefined)
  const path = wholeKind ? collectionPath(where) : namedPath({ ...where, name, ...(subresource === undefined ? {} : { subresource }) })
  return {
    method: ({ get: 'GET', list: 'GET', create: 'POST', update: 'PUT', patch: 'PATCH', delete: 'DELETE' } as const)[verb],
    path: verb === 'list' ? withQuery(path, { labelSelector, limit, continue: next }) : path,
    ...(body === undefined ? {} : sentOf(verb, body)),
    ...(signal === undefined ? {} : { signal }),
  }
}

function sentOf(verb: OwnVerb, body: Patch): Pick<Question, 'json' | 'contentType'> {
  if (verb !== 'patch') return { json: jsonOf(body).json }
  const { json, contentType } = patchOf(body)
  return { json, contentType }
}
