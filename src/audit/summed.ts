/**
 * Sums the refusals that nobody was authenticated for. Each address gets ten records a second; what goes beyond is
 * counted by its reason and written as one record a reason when the second is over, so a flood fills counters instead
 * of the disk.
 */
import type { Clock, Timer } from '../clock.ts'
import type { AuditEvent } from './audit-event.ts'
import type { AuditSink } from './audit-sink.ts'

type Refused = Extract<AuditEvent, { event: 'refused' }>

const RECORDS_A_SECOND = 10
const SECOND_MS = 1_000
// More addresses than this in one second share a window, so that spoofed addresses cost no memory.
const MOST_ADDRESSES = 5_000
const OTHERS = 'others'

interface Window {
  recorded: number
  /** Sums by reason code, of which there is a closed list. */
  readonly sums: Map<string, Refused>
}

export interface SummedSink extends AuditSink {
  /** Writes the sums of the second that is under way; for the stop. */
  settle(): void
}

/** Wraps a sink; everything but anonymous refusals passes unchanged. */
export function summed(sink: AuditSink, clock: Clock): SummedSink {
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
      if (event.event !== 'refused' || event.who !== undefined) return sink.record(event)
      timer ??= clock.after(SECOND_MS, settle)
      const address = windows.size < MOST_ADDRESSES || windows.has(event.address) ? event.address : OTHERS
      const window = windows.get(address) ?? { recorded: 0, sums: new Map() }
      windows.set(address, window)
      if (window.recorded < RECORDS_A_SECOND) {
        window.recorded += 1
        return sink.record(event)
      }
      const count = (window.sums.get(event.code)?.count ?? 0) + event.count
      // What belongs to one of the summed attempts alone is left out, or it would seem to be said of all.
      window.sums.set(event.code, { ...event, address, properties: {}, detail: undefined, count })
      return Promise.resolve()
    },
  }
}
