/** Audit events and sinks for tests. */
import { Refusal } from '../errors.ts'
import type { AuditEvent } from './audit-event.ts'
import type { AuditSink } from './audit-sink.ts'
import type { LineTarget } from './line-target.ts'

/** A refusal that nobody was authenticated for. */
export function anonymousRefusal(address: string, changes: Partial<Extract<AuditEvent, { event: 'refused' }>> = {}): AuditEvent {
  return {
    event: 'refused',
    attempt: 'a1',
    address,
    who: undefined,
    action: 'get',
    resource: 'gateway',
    properties: {},
    code: 'not_signed_in',
    detail: undefined,
    count: 1,
    ...changes,
  }
}

/** Something that is recorded before it is done. */
export function effectOf(what: string): AuditEvent {
  return { event: 'effect', attempt: 'a1', who: undefined, resource: 'cluster/prod', effect: what }
}

export interface MemorySink extends AuditSink {
  readonly recorded: AuditEvent[]
  readonly noted: AuditEvent[]
  /** From now on events of these names are refused; `all` for every one. */
  failing: ReadonlySet<string> | 'all'
}

/** A sink that keeps what it is given. */
export function memorySink(): MemorySink {
  const sink: MemorySink = {
    recorded: [],
    noted: [],
    failing: new Set(),
    async record(event) {
      if (sink.failing === 'all' || sink.failing.has(event.event)) throw new Refusal('audit_unavailable')
      sink.recorded.push(event)
    },
    note: (event) => void sink.noted.push(event),
  }
  return sink
}

export interface MemoryTarget extends LineTarget {
  /** What was written, a write each. */
  readonly writes: string[]
  /** What the next writes do instead of succeeding, first first. */
  readonly faults: Array<() => Promise<void>>
  closed: boolean
}

export function memoryTarget(): MemoryTarget {
  const target: MemoryTarget = {
    writes: [],
    faults: [],
    closed: false,
    async write(lines) {
      const fault = target.faults.shift()
      if (fault !== undefined) return fault()
      target.writes.push(lines.toString('utf8'))
    },
    async close() {
      target.closed = true
    },
  }
  return target
}

/** The events in JSON lines. Throws when a line does not parse. */
export function eventsIn(text: string): Array<{ readonly time: string } & AuditEvent> {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
}
