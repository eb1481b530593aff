/** Runs a prepared attempt through the journey: in its place among what the caller has going on, counted and timed. */
import { type Attempt, access, type Outcome, type Steps } from '../access.ts'
import type { Refusal } from '../errors.ts'
import type { Act, Grant } from '../grant.ts'
import { type Metrics, methodLabel, statusLabel } from '../metrics.ts'
import type { Caller } from '../principal.ts'
import { REFUSALS, type RefusalCode } from '../refusal-codes.ts'
import type { InFlight, Place } from './in-flight.ts'

export interface JourneyParts {
  readonly steps: Steps
  readonly metrics: Metrics
  readonly inFlight: InFlight
}

/** An attempt, and what is done once it is granted. */
export interface Prepared {
  readonly attempt: Attempt
  readonly act: Act
  /** True when the answer goes on. */
  readonly stream: boolean
  /** True when the answer may turn out to go on. */
  readonly mayGoOn?: boolean
}

/** The refusal with which it ended, or undefined when it was answered. `heard` is told who asked, if that is known. Never rejects. */
export type Journey = (prepared: Prepared, heard?: (caller: Caller) => void) => Promise<Refusal | undefined>

/** The label of an attempt in metrics: a configured name. */
export function routeLabel({ attempt: { resource } }: Prepared): string {
  return `${resource.type}/${resource.id}`
}

export function createJourney({ steps, metrics, inFlight }: JourneyParts): Journey {
  return async (prepared, heard) => {
    const { attempt, act, stream, mayGoOn = false } = prepared
    const began = performance.now()
    const place = inFlight.place(steps.authorizer, stream)
    const counted = mayGoOn ? countedOnceItGoesOn(act, place) : act
    const outcome = await access({ ...steps, authorizer: place.authorizer }, attempt, counted).finally(place.leave)
    const route = routeLabel(prepared)
    metrics.count('mandate_requests_total', {
      route,
      method: methodLabel(attempt.presented.method),
      status: statusLabel(statusOf(outcome)),
    })
    const { provider, kind } = whose(outcome)
    metrics.count('mandate_attempts_total', { provider, kind, result: codeOf(outcome) ?? 'ok' })
    const wentOn = stream || (outcome.result === 'acted' && outcome.acted.result === 'stream-closed')
    if (!wentOn) metrics.observe('mandate_request_duration_seconds', { route }, (performance.now() - began) / 1000)
    if (outcome.caller !== undefined) heard?.(outcome.caller)
    return outcome.result === 'refused' ? outcome.refusal : undefined
  }
}

/** Counts an attempt among the streams from when its answer turns out to be one; there must be a place left. */
function countedOnceItGoesOn(act: Act, place: Place): Act {
  return (grant) => {
    const streamOpened: Grant['streamOpened'] = async (upstreamAuditId) => {
      place.goesOn()
      await grant.streamOpened(upstreamAuditId)
    }
    return act({ ...grant, streamOpened })
  }
}

/** Whom an attempt is counted for. */
function whose(outcome: Outcome): { readonly provider: string; readonly kind: string } {
  if (outcome.caller !== undefined) return outcome.caller.principal
  const stranger = outcome.result === 'refused' ? outcome.stranger : undefined
  return stranger === undefined ? { provider: 'none', kind: 'none' } : { provider: stranger.provider, kind: 'unknown' }
}

/** What the target is to blame for when an answer failed that had begun; any other cause is the caller's, or a bound of ours. */
const OF_THE_TARGET = new Set(['upstream-broke', 'upstream-paused'])

/** Why it was refused, or what came of an answer that the target did not bring to its end: half of one is no success. */
function codeOf(outcome: Outcome): RefusalCode | undefined {
  if (outcome.result === 'refused') return outcome.refusal.code
  const { result, cause, code } = outcome.acted
  return result === 'failed' && OF_THE_TARGET.has(cause) ? code : undefined
}

function statusOf(outcome: Outcome): number {
  if (outcome.result === 'refused') return outcome.refusal.status
  const code = codeOf(outcome)
  return code === undefined ? outcome.acted.status : REFUSALS[code].status
}
