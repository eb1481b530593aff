/**
 * The journey of one attempt: authenticate, authorize, assume, act. Every door runs this function, and nothing
 * re-orders its steps.
 *
 * Security: the act is reached only through a Grant, and a Grant exists only after the caller was authenticated, a
 * rule allowed them, a credential with their rights was granted, and the audit log has accepted the record of it
 * (promise 7). A throw in a step before that means "cannot tell" and refuses; no step falls through to a weaker one.
 */
import { type Context, ROOT_CONTEXT, type Span, SpanStatusCode, trace } from '@opentelemetry/api'
import type { Assumption, CredentialSource, Target } from './assume/credential-source.ts'
import { type Who, whoIs, whoOf } from './audit/audit-event.ts'
import type { AuditSink } from './audit/audit-sink.ts'
import type { Authentication, Authenticator, Presented } from './authenticate/authenticator.ts'
import type { Authorizer } from './authorize/authorizer.ts'
import type { Clock } from './clock.ts'
import type { Credential } from './credential.ts'
import type { Action, Resource } from './decision.ts'
import { asRefusal, Refusal } from './errors.ts'
import type { Act, Acted, Grant } from './grant.ts'
import { describeError, type Log } from './log.ts'
import type { Caller, Stranger } from './principal.ts'
import type { RefusalCode } from './refusal-codes.ts'
import { StoreUnavailable } from './store/store.ts'
import { readTraceParent } from './trace-context.ts'

/** One thing that somebody wants done. */
export interface Attempt {
  readonly id: string
  /** Where it came from: an address, for the audit record. */
  readonly address: string
  readonly presented: Presented
  /** Why it is refused whoever asks; said and recorded once it is known who does. */
  readonly refusal?: Refusal | undefined
  readonly action: Action
  readonly resource: Resource
  readonly target: Target
  readonly source: CredentialSource
  /** Name of the credential source for the audit record. */
  readonly sourceName: string
  /** The header of this name, as it came: the trace that whoever asks says it belongs to. */
  readonly traceparent?: string | undefined
}

export interface Steps {
  readonly authenticator: Authenticator
  readonly authorizer: Authorizer
  readonly audit: AuditSink
  readonly clock: Clock
  readonly log: Log
  /** Whether spans go anywhere. Those that do not would still cost a tenth of a request. */
  readonly traced?: boolean
}

export type Outcome =
  | { readonly result: 'acted'; readonly acted: Acted; readonly caller: Caller }
  /** `stranger` is whom a token speaks of that holds, and who is nobody here. */
  | { readonly result: 'refused'; readonly refusal: Refusal; readonly caller: Caller | undefined; readonly stranger?: Stranger | undefined }

/** Why nothing was answered, where that is not a refusal in itself. */
const CAUSES: Readonly<Partial<Record<RefusalCode, string>>> = { upstream_unavailable: 'not-connected', upstream_timeout: 'timeout' }

const tracer = trace.getTracer('mandate')

/** Runs one attempt to its end. Never throws: whatever goes wrong is a refusal for the door to render. */
export function access(steps: Steps, attempt: Attempt, act: Act): Promise<Outcome> {
  if (steps.traced !== true) return journey(steps, attempt, act, undefined)
  return tracer.startActiveSpan(`${attempt.resource.type} ${attempt.action.name}`, {}, contextOf(attempt), async (span) => {
    span.setAttributes({ 'mandate.attempt': attempt.id, 'mandate.resource': attempt.resource.id })
    const outcome = await journey(steps, attempt, act, span)
    if (outcome.result === 'refused') {
      span.setAttribute('mandate.refusal', outcome.refusal.code)
      if (outcome.refusal.status >= 500) span.setStatus({ code: SpanStatusCode.ERROR })
    }
    span.end()
    return outcome
  })
}

/** The sender's span as the parent of ours, if it names one. */
function contextOf({ traceparent }: Attempt): Context {
  const parent = readTraceParent(traceparent)
  return parent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, { ...parent, isRemote: true })
}

async function journey(steps: Steps, attempt: Attempt, act: Act, span: Span | undefined): Promise<Outcome> {
  let caller: Caller | undefined
  let stranger: Stranger | undefined
  try {
    const answer = await steps.authenticator.authenticate(attempt.presented)
    if (answer.result === 'rejected') stranger = answer.stranger
    caller = authenticated(answer)
    if (attempt.refusal !== undefined) throw attempt.refusal
    span?.setAttribute('mandate.provider', caller.principal.provider)
    const rule = await authorize(steps, attempt, caller)
    const credential = await assume(attempt, caller)
    const who = whoOf(caller)
    const { id, address, action, resource } = attempt
    await steps.audit.record({
      event: 'granted',
      attempt: id,
      address,
      who,
      action: action.name,
      resource: nameOf(resource),
      properties: resource.properties,
      rule,
      credential: attempt.sourceName,
    })
    return { result: 'acted', acted: await carryOut(steps, attempt, act, caller, credential), caller }
  } catch (error) {
    const refusal = reasonOf(error, steps.log)
    return {
      result: 'refused',
      refusal: await recordRefusal(steps, attempt, caller ? whoOf(caller) : stranger && whoIs(stranger), refusal),
      caller,
      stranger,
    }
  }
}

function authenticated(answer: Authentication): Caller {
  if (answer.result === 'rejected') throw answer.refusal
  if (answer.result !== 'authenticated') throw new Refusal('not_signed_in')
  refuseEnded(answer.caller)
  return answer.caller
}

/** Refuses a caller whose proof has stopped holding. Who ended it may say why: a replica that cannot tell is 503, not 401. */
function refuseEnded({ ended, proof }: Caller): void {
  if (!ended.aborted) return
  const why: unknown = ended.reason
  if (why instanceof Refusal || why instanceof StoreUnavailable) throw why
  throw new Refusal(proof.kind === 'login' ? 'login_ended' : 'token_revoked')
}

async function authorize(steps: Steps, { action, resource }: Attempt, caller: Caller): Promise<string> {
  const decision = await steps.authorizer.authorize({ caller, action, resource })
  if (decision.effect === 'deny')
    throw new Refusal(decision.code, { detail: decision.detail, ...(decision.scopes && { scopes: decision.scopes }) })
  if (decision.effect !== 'allow') throw new Refusal('denied', { detail: 'no rule speaks of this resource' })
  return decision.rule
}

/** Asks for the credential. The steps take time, so it is not handed out to a caller who has ended meanwhile. */
async function assume({ source, target }: Attempt, caller: Caller): Promise<Credential> {
  const credential = granted(await source.assume(caller, target))
  refuseEnded(caller)
  return credential
}

function granted(answer: Assumption): Credential {
  switch (answer.result) {
    case 'granted':
      return answer.credential
    case 'too-many':
      throw new Refusal('too_many_requests', { retryAfterSeconds: answer.retryAfterSeconds })
    case 'refused':
    case 'needs-interaction':
    case 'unavailable':
      throw answer.refusal
  }
}

async function carryOut(steps: Steps, attempt: Attempt, act: Act, caller: Caller, credential: Credential): Promise<Acted> {
  const who = whoOf(caller)
  const resource = nameOf(attempt.resource)
  const began = steps.clock.now()
  const grant: Grant = {
    caller,
    credential,
    effect: (effect) => steps.audit.record({ event: 'effect', attempt: attempt.id, who, resource, effect }),
    refused: (refused) => attempt.source.evict?.(caller, attempt.target, refused) ?? false,
    renew: () => assume(attempt, caller),
    streamOpened: (upstreamAuditId) =>
      steps.audit.record({
        event: 'stream-opened',
        attempt: attempt.id,
        who,
        resource,
        properties: attempt.resource.properties,
        upstreamAuditId,
      }),
  }
  const finish = (acted: Acted) => {
    const { status, bytes, upstreamAuditId, cause } = acted
    const facts = { attempt: attempt.id, who, resource, status, upstreamAuditId, bytes, milliseconds: steps.clock.now() - began }
    if (acted.result === 'completed') steps.audit.note({ event: 'completed', ...facts })
    else if (acted.result === 'failed') steps.audit.note({ event: 'failed', code: acted.code ?? 'upstream_broke', cause, ...facts })
    else steps.audit.note({ event: 'stream-closed', cause, ...facts })
    return acted
  }
  try {
    return finish(await act(grant))
  } catch (error) {
    const refusal = reasonOf(error, steps.log)
    finish({
      result: 'failed',
      status: refusal.status,
      bytes: 0,
      upstreamAuditId: undefined,
      cause: CAUSES[refusal.code] ?? 'refused',
      code: refusal.code,
    })
    throw refusal
  }
}

async function recordRefusal(steps: Steps, attempt: Attempt, who: Who | undefined, refusal: Refusal): Promise<Refusal> {
  const { id, address, action, resource } = attempt
  try {
    await steps.audit.record({
      event: 'refused',
      attempt: id,
      address,
      who,
      action: action.name,
      resource: nameOf(resource),
      properties: resource.properties,
      code: refusal.code,
      detail: refusal.detail,
      count: 1,
    })
    return refusal
  } catch {
    return new Refusal('audit_unavailable')
  }
}

function nameOf(resource: Resource): string {
  return `${resource.type}/${resource.id}`
}

/** What a throw means to the caller: a store that does not answer is "cannot tell", anything unforeseen our fault. */
export function reasonOf(error: unknown, log: Log): Refusal {
  if (error instanceof Refusal) return error
  if (error instanceof StoreUnavailable) {
    logOutage(error, log)
    return new Refusal('store_unavailable')
  }
  log.fault('an attempt failed by a fault of ours', error)
  return asRefusal(error)
}

/** Every request of an outage fails alike: the log says so once in this time, and how often it did not. */
const OUTAGE_LINE_EVERY_MS = 10_000
const outages = new WeakMap<Log, { said: number; unsaid: number }>()

function logOutage(error: StoreUnavailable, log: Log): void {
  const outage = outages.get(log)
  const now = performance.now()
  if (outage !== undefined && now - outage.said < OUTAGE_LINE_EVERY_MS) {
    outage.unsaid += 1
    return
  }
  log.warn('the store cannot be reached', { ...describeError(error), ...(outage?.unsaid ? { attempts: outage.unsaid } : {}) })
  outages.set(log, { said: now, unsaid: 0 })
}
