/**
 * Sums the refusals that nobody was authenticated for. Each address gets ten records a second; what goes beyond is
 * counted and written as one record when the second is over, so a flood fills counters instead of the disk.
 */
import type { Clock } from '../clock.ts'
import type { AuditEvent } from './audit-event.ts'
import type { AuditSink } from './audit-sink.ts'

type Refused = Extract<AuditEvent, { event: 'refused' }>

const RECORDS_A_SECOND = 10
const SECOND_MS = 1_000
// More addresses than this in one second share a sum, so that spoofed addresses cost no memory.
const MOST_ADDRESSES = 10_000

interface Window {
  recorded: number
  summed: Refused | undefined
}

/** Wraps a sink; everything but anonymous refusals passes unchanged. */
export function summed(sink: AuditSink, clock: Clock): AuditSink {
  let windows = new Map<string, Window>()
  let closing = false

  const close = () => {
    closing = false
    for (const { summed: sum } of windows.values()) if (sum !== undefined) sink.note(sum)
    windows = new Map()
  }

  const windowOf = (address: string): Window => {
    const key = windows.size < MOST_ADDRESSES || windows.has(address) ? address : 'others'
    let window = windows.get(key)
    if (window === undefined) {
      window = { recorded: 0, summed: undefined }
      windows.set(key, window)
    }
    return window
  }

  return {
    note: (event) => sink.note(event),
    record(event) {
      if (event.event !== 'refused' || event.who !== undefined) return sink.record(event)
      if (!closing) {
        closing = true
        clock.after(SECOND_MS, close)
      }
      const window = windowOf(event.address)
      if (window.recorded < RECORDS_A_SECOND) {
        window.recorded += 1
        return sink.record(event)
      }
      window.summed = { ...event, count: (window.summed?.count ?? 0) + 1 }
      return Promise.resolve()
    },
  }
}
