/**
 * Acts on a brokered operation: check as the user, then write as the service.
 *
 * Security: the order is the promise. The body is read and found right (400); what the operation needs to know is read as the
 * user; each write is reviewed as the user (403, or 503 when nobody can tell); and only when every review has said "allowed" is
 * the service account used for the first time. The user client is made of the grant's credential and nothing else: there is no
 * branch here that goes on with other rights. Between a review and its write lie at most ten seconds (`reviewed-action.ts`);
 * rights that are taken away in that time are still used once, and never on a retry, which is reviewed anew.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AuditEvent } from '../audit/audit-event.ts'
import { whoOf } from '../audit/audit-event.ts'
import type { Credential } from '../credential.ts'
import { Refusal } from '../errors.ts'
import type { Act, Grant } from '../grant.ts'
import type { Recording } from '../kubernetes/account.ts'
import type { ApiServer } from '../kubernetes/api-server.ts'
import type { ReviewedAction } from '../kubernetes/reviewed-action.ts'
import type { ServiceAccountClient } from '../kubernetes/service-account-client.ts'
import { type UserClient, userClient } from '../kubernetes/user-client.ts'
import type { Log } from '../log.ts'
import { ExpressionFailed } from '../template/expression.ts'
import type { Json } from '../template/json.ts'
import { askedOf, principalOf } from './asked.ts'
import { type Owner, objectsOf } from './marks.ts'
import type { Broker, Operation } from './operation.ts'
import { refusalOf } from './outcome.ts'
import { locate, type Planned, type PlannedWrite, planStep, type Variables } from './plan.ts'
import { readBody } from './request-body.ts'
import { carryOut, type Wrote } from './step.ts'

/** Where a broker works, and with what. */
export interface BrokerTarget {
  readonly broker: Broker
  readonly apiServer: ApiServer
  readonly audit: Recording
  /** A client of the service account whose writes are recorded here. */
  readonly account: (audit: Recording) => ServiceAccountClient
  /** Why the account must not be used now; undefined when it may. */
  readonly closed: () => Refusal | undefined
  readonly log: Log
  readonly now: () => number
}

export interface BrokeredRequest {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly attempt: string
  /** Names the operation in records, such as `brokered/sessions`. */
  readonly resource: string
  /** The parameters of the path. */
  readonly path: Readonly<Record<string, string>>
  readonly idempotencyKey: string | undefined
  /** Sends the answer and resolves, with its length, once it is out. */
  readonly answer: (status: number, value: unknown) => Promise<number>
}

/** Proofs live for ten seconds; one that is older than this is made anew rather than used. */
const PROOF_IS_FRESH_MS = 8_000

/** An act for one request. Throws a Refusal as long as nothing was answered. */
export function brokeredAct(target: BrokerTarget, operation: Operation, asked: BrokeredRequest): Act {
  return async (grant) => {
    const { status, value } = await run(target, operation, asked, grant)
    const bytes = await asked.answer(status, value)
    return { result: 'completed', status, bytes, upstreamAuditId: undefined, cause: 'complete' }
  }
}

/** An expression without a value for a request is the operator's trouble: they are told where, never what the request held. */
async function told<T>({ broker, log }: BrokerTarget, { name }: Operation, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof ExpressionFailed)) throw error
    log.warn('a template has no value for a request', { broker: broker.name, operation: name, problem: error.message })
    throw new Refusal('template_failed')
  }
}

async function run(target: BrokerTarget, operation: Operation, request: BrokeredRequest, grant: Grant) {
  const { broker } = target
  const { path } = request
  const body = await readBody(request.request, request.response, operation, broker.bodyLimit)
  // A body may have taken its time.
  refuseEnded(grant)
  const { principal } = grant.caller
  const asked = askedOf({
    attempt: request.attempt,
    broker: broker.name,
    operation: operation.name,
    principal,
    idempotencyKey: request.idempotencyKey,
    path,
    body: body.bytes,
  })
  const user = userClient(target.apiServer, askerIn(grant.credential))
  const known = { path, body: body.value, principal: principalOf(principal), unique: asked.unique }
  // Before anything is asked of the API server: the names of a write may not depend on it unless something was given.
  const planned = (variables: Variables) => told(target, operation, () => operation.steps.map((step) => planStep(broker, step, variables)))
  const early = operation.given.size === 0 ? await planned(known) : undefined
  const objects = await told(target, operation, () => readGiven(broker, operation, user, known))
  const variables = { ...known, given: objectsOf(objects) }
  const plan = early ?? (await planned(variables))
  const proofs = await reviewAll(user, plan, target.now)
  const mayWrite = () => {
    refuseEnded(grant)
    const closed = target.closed()
    if (closed !== undefined) throw closed
  }
  mayWrite()
  const account = target.account(recordingOf(target.audit, request, grant))
  const wrote: Wrote[] = []
  for (const [at, write] of plan.entries()) {
    try {
      // Every write passes here: a logout, or an account that was found to be too strong, stops the next one.
      const proof = async (nth: number) => {
        const one = await proofs(at, nth)
        mayWrite()
        return one
      }
      const writing = { user, account, asked, callerText: broker.callerText, variables, objects, proof }
      const done = await told(target, operation, () => carryOut(write, writing))
      wrote.push(done)
      if (done.object !== undefined) objects.set(write.step.as, { kind: done.kind, object: done.object })
    } catch (error) {
      throw wrote.length === 0 ? error : afterOthers(error, wrote)
    }
  }
  return answerOf(operation, wrote)
}

/** The rights of the caller as a client shows them. A credential that carries none is no credential for a cluster. */
function askerIn(credential: Credential): Exclude<Credential, { kind: 'identity' }> {
  if (credential.kind === 'identity') throw new Refusal('credential_not_offered')
  return credential
}

async function readGiven(broker: Broker, { given }: Operation, user: UserClient, variables: Readonly<Record<string, Json>>) {
  const objects = new Map<string, Owner>()
  for (const [name, place] of given) {
    const { kind, namespace, name: named } = locate(broker, place, { ...variables, given: objectsOf(objects) })
    const { group, version, resource } = kind
    try {
      objects.set(name, { kind, object: await user.get({ group, version, resource, namespace, name: named }) })
    } catch (error) {
      throw refusalOf(error, true)
    }
  }
  return objects
}

/** Reviews every write, all at once. Gives the proofs by step and write; throws unless each of them was allowed. */
async function reviewAll(user: UserClient, plan: readonly Planned[], now: () => number) {
  const began = now()
  const made = await Promise.all(plan.map(({ writes }) => Promise.all(writes.map((write) => reviewed(user, write)))))
  return async (step: number, nth: number): Promise<ReviewedAction> => {
    const proof = made[step]?.[nth]
    const write = plan[step]?.writes[nth]
    if (proof === undefined || write === undefined) throw new Refusal('proof_refused', { detail: 'this write was not reviewed' })
    return now() - began < PROOF_IS_FRESH_MS ? proof : reviewed(user, write)
  }
}

async function reviewed(user: UserClient, { write, reviewed: standIn }: PlannedWrite): Promise<ReviewedAction> {
  const asked = standIn ?? write
  const answer = await (standIn === undefined ? user.review(write) : user.review(standIn, { write }))
  if (answer.allowed) return answer.proof
  const { verb, resource, subresource } = asked
  const detail = `${verb} ${resource}${subresource === '' ? '' : `/${subresource}`}`
  throw new Refusal('not_permitted', { detail, said: answer.reason })
}

/** The decision and the escalation as one record, with who asked. */
function recordingOf(audit: Recording, { attempt, resource }: BrokeredRequest, { caller }: Grant): Recording {
  return {
    record: (event: AuditEvent) => {
      if (event.event !== 'escalated') return audit.record(event)
      const { asker, action, properties, reviewed: allowed } = event
      return audit.record({ event: 'brokered', attempt, who: whoOf(caller), asker, action, resource, properties, reviewed: allowed })
    },
  }
}

/** A logout takes effect before each write, not only before the first. */
function refuseEnded({ caller }: Grant): void {
  if (!caller.ended.aborted) return
  const why: unknown = caller.ended.reason
  throw why instanceof Error && why.name !== 'AbortError'
    ? why
    : new Refusal(caller.proof.kind === 'login' ? 'login_ended' : 'token_revoked')
}

/** A refusal after something was written says so: with the same Idempotency-Key the rest can be asked for again. */
function afterOthers(error: unknown, wrote: readonly Wrote[]): unknown {
  if (!(error instanceof Refusal)) return error
  const before = wrote.map(({ object, kind }) => (object === undefined ? kind.resource : `${kind.resource} ${object.metadata.name ?? ''}`))
  const { code, detail, said, faults, retryAfterSeconds } = error
  return new Refusal(code, {
    detail: `${detail === undefined ? '' : `${detail}; `}written before it: ${before.join(', ')}`,
    ...(said === undefined ? {} : { said }),
    ...(faults === undefined ? {} : { faults }),
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  })
}

/**
 * What the user gets to see. Never what is in a Secret, and a token only where the operator's key says so. The whole object
 * only to who was reviewed for that very write, and so would get it from the API server; when another right stood for it, what
 * the account can see is not theirs to see, and they get its name.
 */
function answerOf({ steps, answer }: Operation, wrote: readonly Wrote[]): { readonly status: number; readonly value: unknown } {
  const step = steps[answer]
  const done = wrote[answer]
  if (step === undefined || done === undefined) throw new Refusal('fault')
  if (step.do === 'token') {
    const { token } = done
    const value = { expirationTimestamp: token?.expires, ...(step.inAnswerOpen ? { token: token?.value.expose() } : {}) }
    return { status: 201, value }
  }
  if (done.object === undefined) return { status: 204, value: undefined }
  const { apiVersion, kind, metadata } = done.object
  const { name, namespace, uid } = metadata
  const isSecret = done.kind.group === '' && done.kind.resource === 'secrets'
  const whole = step.review === undefined && !isSecret
  return { status: step.do === 'create' ? 201 : 200, value: whole ? done.object : { apiVersion, kind, metadata: { name, namespace, uid } } }
}
