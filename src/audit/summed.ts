/**
 * Sums refusals that come in floods: those that nobody was authenticated for by network, the others by principal. Each
 * gets ten records a second; what goes beyond is counted by its reason and written as one record a reason, and for each kind
 * and provider as which a principal was taken, when the second is over, so a flood fills counters instead of the disk.
 */
import type { Clock, Timer } from '../clock.ts'
import type { AuditEvent, Who } from './audit-event.ts'
import type { AuditSink } from './audit-sink.ts'

type Refused = Extract<AuditEvent, { event: 'refused' }>

const RECORDS_A_SECOND = 10
const SECOND_MS = 1_000
// More networks and principals than this in one second share a window, so that spoofed addresses cost no memory.
const MOST_WINDOWS = 5_000
const OTHERS = 'others'
const SEVERAL = 'several'

interface Window {
  recorded: number
  /** Sums by reason code, of which there is a closed list, and by as whom the principal was taken. */
  readonly sums: Map<string, Refused>
}

export interface SummedSink extends AuditSink {
  /** Writes the sums of the second that is under way; for the stop. */
  settle(): void
}

/** Wraps a sink; everything but refusals passes unchanged. `networkOf` cuts off what one caller can choose of an address. */
export function summed(sink: AuditSink, clock: Clock, networkOf: (address: string) => string): SummedSink {
  let windows = new Map<string, Window>()
  let timer: Timer | undefined

  const settle = () => {
    timer?.cancel()
    timer = undefined
    const over = windows
    windows = new Map()
    for (const { sums } of over.values()) for (const sum of sums.values()) sink.note(sum)
  }

  return {
    settle,
    note: (event) => sink.note(event),
    record(event) {
      if (event.event !== 'refused') return sink.record(event)
      timer ??= clock.after(SECOND_MS, settle)
      const { who } = event
      const address = networkOf(event.address)
      const own = who === undefined ? `from ${address}` : JSON.stringify([who.issuer, who.subject])
      const key = windows.size < MOST_WINDOWS || windows.has(own) ? own : OTHERS
      const window = windows.get(key) ?? { recorded: 0, sums: new Map() }
      windows.set(key, window)
      if (window.recorded < RECORDS_A_SECOND) {
        window.recorded += 1
        return sink.record(event)
      }
      const taken = key === OTHERS || who === undefined ? [] : [who.kind, who.provider]
      const sum = JSON.stringify([event.code, ...taken])
      const before = window.sums.get(sum)
      // What belongs to one of the summed attempts alone is left out, or it would seem to be said of all.
      window.sums.set(sum, {
        ...event,
        address: key === OTHERS ? OTHERS : common(before?.address, address),
        who: key === OTHERS ? undefined : who && commonWho(before?.who, who),
        properties: {},
        detail: undefined,
        count: (before?.count ?? 0) + event.count,
      })
      return Promise.resolve()
    },
  }
}

function common(before: string | undefined, now: string): string {
  return before === undefined || before === now ? now : SEVERAL
}

/** One principal by whichever of their proofs: what not all of these say is left out. */
function commonWho(before: Who | undefined, now: Who): Who {
  const proof = common(before?.proof, now.proof)
  if (proof === now.proof) return now
  const { actor: _actor, scopes: _scopes, client, ...rest } = now
  return { ...rest, proof, ...(client !== undefined && client === before?.client ? { client } : {}) }
}
