/**
 * The trace that a request belongs to, as its sender says (W3C Trace Context, level 1).
 *
 * Security: it comes from whoever asks. It decides where our span hangs and, by its flag, whether it is exported, and
 * nothing else: what was done stands in the audit log. Ids alone are read; `tracestate` is text of the sender's choice and never
 * becomes part of a span. What is not exactly as the recommendation has it is ignored.
 */

export interface TraceParent {
  readonly traceId: string
  readonly spanId: string
  readonly traceFlags: number
}

// 3.2: version ff is none, ids of zeros are none; of a later version what is known is read, if nothing but a dash follows it.
const TRACEPARENT = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-|$)/
const LENGTH = 55
const LONGEST = 512
const SAMPLED = 1

/** The span that the header names; undefined for what names none, such as a header that was sent twice. */
export function readTraceParent(header: string | undefined): TraceParent | undefined {
  if (header === undefined || header.length > LONGEST) return undefined
  const [, version, traceId, spanId, flags] = TRACEPARENT.exec(header) ?? []
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined
  if (version === '00' && header.length !== LENGTH) return undefined
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & SAMPLED }
}
