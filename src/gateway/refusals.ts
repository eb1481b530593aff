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

export interface Refusals {
  /** Counts it and answers with it. */
  answer(response: ServerResponse, requestId: string, form: Form, refusal: Refusal): void
  /** Records what was refused outside the journey. Resolves to what is to be said: `audit_unavailable` when it cannot be recorded. */
  record(method: string, requestId: string, address: string, refusal: Refusal): Promise<Refusal>
  /** Counts and records what was refused before there was a request to answer. */
  unread(address: string, refusal: Refusal): Promise<void>
}

export function createRefusals({ audit, metrics, origin }: RefusalParts): Refusals {
  const count = ({ code: reason }: Refusal) => metrics.count('mandate_refusals_total', { reason })
  const record: Refusals['record'] = async (method, requestId, address, refusal) => {
    try {
      const action = methodLabel(method).toLowerCase()
      await audit.record({
        event: 'refused',
        attempt: requestId,
        address,
        who: undefined,
        action,
        resource: 'gateway',
        properties: {},
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
    answer(response, requestId, form, refusal) {
      count(refusal)
      // Absolute, because it may be said on a host that nobody signs in on.
      answerRefusal({ response, requestId, form, signIn: `${origin}/login` }, refusal)
    },
    record,
    async unread(address, refusal) {
      count(refusal)
      await record('', randomUUID(), address, refusal)
    },
  }
}
