/** Refusals as a door makes them: counted, recorded where the journey has not done so, and sent. */
import { randomUUID } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import type { AuditSink } from '../audit/audit-sink.ts'
import { Refusal } from '../errors.ts'
import { type Metrics, methodLabel } from '../metrics.ts'
import { answerRefusal, type Form } from './answers.ts'

export interface RefusalParts {
  readonly audit: AuditSink
  readonly metrics: Metrics
  /** Origin of the sign-in host. */
  readonly origin: string
}

/** What was asked for, where that is known. */
export interface About {
  readonly resource: string
  readonly properties: Readonly<Record<string, string>>
}

export interface Refusals {
  /** Counts it and answers with it. `route` names the target, such as `route/app`; `none` where there is none. */
  answer(response: ServerResponse, requestId: string, form: Form, refusal: Refusal, route?: string): void
  /** Counts it: somebody else answers. */
  count(refusal: Refusal, route: string): void
  /** Records what was refused outside the journey. Resolves to what is to be said: `audit_unavailable` when it cannot be recorded. */
  record(method: string, requestId: string, address: string, refusal: Refusal, about?: About): Promise<Refusal>
  /** Counts and records what was refused before there was a request to answer. */
  unread(address: string, refusal: Refusal): Promise<void>
}

export function createRefusals({ audit, metrics, origin }: RefusalParts): Refusals {
  const count = ({ code: reason }: Refusal, route = 'none') => metrics.count('mandate_refusals_total', { reason, route })
  const record: Refusals['record'] = async (method, requestId, address, refusal, about = { resource: 'gateway', properties: {} }) => {
    try {
      const action = methodLabel(method).toLowerCase()
      await audit.record({
        event: 'refused',
        attempt: requestId,
        address,
        who: undefined,
        action,
        ...about,
        code: refusal.code,
        detail: refusal.detail,
        count: 1,
      })
      return refusal
    } catch {
      return new Refusal('audit_unavailable')
    }
  }
  return {
    answer(response, requestId, form, refusal, route) {
      count(refusal, route)
      // Absolute, because it may be said on a host that nobody signs in on.
      answerRefusal({ response, requestId, form, signIn: `${origin}/login` }, refusal)
    },
    count,
    record,
    async unread(address, refusal) {
      count(refusal)
      await record('', randomUUID(), address, refusal)
    },
  }
}
