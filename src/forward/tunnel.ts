/**
 * Two connections joined: whatever one side sends goes to the other, with back-pressure, until both have ended.
 *
 * The bytes are not looked at. So nothing can be said to a client in its own protocol when a tunnel must end early: both
 * connections are cut, which every client reads as the end of its stream and never as a result.
 */
import type { Duplex } from 'node:stream'
import { passedOn } from './spent-buffers.ts'
import type { Cut, Forwarded } from './upstream.ts'

/** How long the second side may take to end after the first has, or a caller to take anything while bytes wait for it. */
export interface TunnelBounds {
  readonly lingerMs: number
  readonly stalledMs: number
}

const BOUNDS: TunnelBounds = { lingerMs: 10_000, stalledMs: 600_000 }

/**
 * Joins them; resolves when both are closed. `bytes` counts what went to the caller. A side that breaks off takes the
 * other with it; `must` cuts both at once.
 */
export function tunnel(caller: Duplex, upstream: Duplex, must: Cut, bounds: TunnelBounds = BOUNDS): Promise<Forwarded> {
  const { promise, resolve } = Promise.withResolvers<Forwarded>()
  let bytes = 0
  let end: Forwarded['end'] = 'complete'
  let open = 2
  let linger: NodeJS.Timeout | undefined
  const cut = (why: Forwarded['end']) => {
    if (end === 'complete') end = why
    caller.destroy()
    upstream.destroy()
  }
  const aborted = () => cut('aborted')

  const carry = (from: Duplex, to: Duplex, gone: Forwarded['end'], count: (chunk: Buffer) => void) => {
    let ended = false
    let held = false
    let stalled: NodeJS.Timeout | undefined
    const letGo = () => {
      held = false
      to.uncork()
    }
    from.on('data', (chunk: Buffer) => {
      count(chunk)
      passedOn(chunk.length)
      if (to.destroyed || to.writableEnded) return
      if (!held) {
        // TLS hands out what one read brought in records of 16 kB: to write each by itself would cost four times the writes.
        held = true
        to.cork()
        setImmediate(letGo)
      }
      if (to.write(chunk)) return
      from.pause()
      stalled = setTimeout(() => cut(gone === 'caller-gone' ? 'upstream-broke' : 'caller-gone'), bounds.stalledMs)
    })
    to.on('drain', () => {
      clearTimeout(stalled)
      from.resume()
    })
    const over = () => {
      ended = true
      to.end()
      linger ??= setTimeout(() => cut('complete'), bounds.lingerMs)
    }
    if (from.readableEnded) over()
    else from.once('end', over)
    const closed = () => {
      clearTimeout(stalled)
      if (!ended) cut(gone)
      open -= 1
      if (open > 0) return
      clearTimeout(linger)
      must.listen(undefined)
      resolve({ bytes, end })
    }
    if (from.closed) closed()
    else from.once('close', closed)
  }

  must.listen(aborted)
  for (const side of [caller, upstream]) side.on('error', () => undefined)
  carry(upstream, caller, 'upstream-broke', (chunk) => {
    bytes += chunk.length
  })
  carry(caller, upstream, 'caller-gone', () => undefined)
  if (must.over) aborted()
  return promise
}
