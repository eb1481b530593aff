/**
 * Mandate's own work: what nobody asked for, done with its own account, task by task.
 *
 * Security: it takes no proof, so no request may reach it. It is made in the composition and handed only to what runs
 * by itself; the linter forbids every door and every step to import this file. A task can do what the table says of it
 * and nothing else, and each act is recorded before it is sent.
 */
import { Refusal } from '../errors.ts'
import { accountOf, type Recording, recorded, type TokenSource } from './account.ts'
import { type ApiServer, ask } from './api-server.ts'
import { answeredToAccount } from './api-status.ts'
import { jsonOf, type Patch, patchOf } from './kubernetes-object.ts'
import type { OwnVerb, Right, TaskTable } from './own-tasks.ts'
import { collectionPath, namedPath, withQuery } from './resource-path.ts'
import type { Question } from './transport.ts'

type VerbOf<R extends Right> = R['verbs'][number]
/** The resources of a task on which it has a verb. */
type ResourceFor<R extends Right, V> = R extends Right ? (V extends VerbOf<R> ? R['resource'] : never) : never

/** Where, and what. `name` for all verbs but `create` and `list`; `body` for those that send one. */
export interface Act {
  readonly namespace?: string
  readonly name?: string
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
  return (task) => {
    const rights = Object.hasOwn(options.tasks, task) ? options.tasks[task] : undefined
    if (rights === undefined) throw new Refusal('own_work_refused', { detail: 'there is no such task' })
    return new OwnWork(server, options, task, rights)
  }
}

class OwnWork<R extends Right> {
  readonly #server: ApiServer
  readonly #options: OwnWorkOptions<TaskTable>
  readonly #task: string
  readonly #rights: readonly Right[]

  static {
    Object.freeze(OwnWork.prototype)
  }

  constructor(server: ApiServer, options: OwnWorkOptions<TaskTable>, task: string, rights: readonly Right[]) {
    this.#server = server
    this.#options = options
    this.#task = task
    this.#rights = rights
    Object.freeze(this)
  }

  /**
   * Does one thing and gives the answer's body. Throws a Refusal: `own_work_refused` for what the task does not hold,
   * `audit_unavailable` when it cannot be recorded; an ApiStatus such as 404 or 409.
   */
  async act<V extends VerbOf<R>>(verb: V, resource: ResourceFor<R, V>, act: Act = {}): Promise<Readonly<Record<string, unknown>>> {
    const right = this.#rights.find((candidate) => candidate.resource === resource && candidate.verbs.includes(verb))
    if (right === undefined) throw new Refusal('own_work_refused', { detail: 'the task has no such right' })
    // Read once, so that what is recorded is what is sent.
    const fixed = { ...act }
    const question = questionOf(verb, right, fixed)
    const { namespace = '', name = '' } = fixed
    const as = accountOf(this.#options.token)
    const properties = { group: right.group, resource: right.resource, namespace, name }
    const { audit, resource: at } = this.#options
    await recorded(audit, { event: 'own-work', task: this.#task, action: verb, resource: at, properties })
    return answeredToAccount(await ask(this.#server, as, question))
  }
}

export type { OwnWork }

function questionOf(verb: OwnVerb, right: Right, act: Act): Question {
  const [resource = '', subresource] = right.resource.split('/')
  const { group, version } = right
  const { namespace = '', name = '', body, signal, ...query } = act
  const where = { group, version, resource, namespace }
  const wholeKind = verb === 'list' || (verb === 'create' && subresource === undefined)
  const path = wholeKind ? collectionPath(where) : namedPath({ ...where, name, ...(subresource === undefined ? {} : { subresource }) })
  return {
    method: ({ get: 'GET', list: 'GET', create: 'POST', update: 'PUT', patch: 'PATCH', delete: 'DELETE' } as const)[verb],
    path: verb === 'list' ? withQuery(path, query) : path,
    ...(body === undefined ? {} : sentOf(verb, body)),
    ...(signal === undefined ? {} : { signal }),
  }
}

function sentOf(verb: OwnVerb, body: Patch): Pick<Question, 'json' | 'contentType'> {
  if (verb !== 'patch') return { json: jsonOf(body).json }
  const { json, contentType } = patchOf(body)
  return { json, contentType }
}
