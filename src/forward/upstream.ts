/**
 * The forward path: head in, decision, head out, stream both ways with back-pressure.
 *
 * This contract is small so that a leaner framing can take undici's place. An upstream's redirect is an answer like
 * any other: it is never followed (Kubernetes CVE-2020-8559).
 */
import type { Duplex, Readable, Writable } from 'node:stream'
import type { HeaderLine } from '../credential.ts'

export interface UpstreamRequest {
  readonly method: string
  /** Path and query, byte for byte as decided on. */
  readonly path: string
  /** Name, value, name, value. */
  readonly headers: string[]
  readonly body: Readable | undefined
  /** Aborting closes the upstream's side at once. */
  readonly signal: AbortSignal
  /** Milliseconds the upstream may take to begin its answer. */
  readonly answerWithinMs: number
}

export interface UpstreamHead {
  readonly status: number
  readonly headers: readonly HeaderLine[]
}

export interface Forwarded {
  /** Bytes of the body passed on. */
  readonly bytes: number
  /** How it ended: the whole answer, the caller went away, our signal fired, or the upstream broke off. */
  readonly end: 'complete' | 'caller-gone' | 'aborted' | 'upstream-broke'
}

/**
 * Called once with the answer's head. It resolves to where the body goes, already carrying its head, or to undefined
 * to drop the answer; meanwhile the upstream is paused.
 */
export type OnHead = (head: UpstreamHead) => Promise<Writable | undefined>

/** A request to change the protocol of the connection (RFC 9110 7.8). It has no body. */
export type UpgradeRequest = Omit<UpstreamRequest, 'body'>

export type UpgradeAnswer =
  /** 101: from here on the connection speaks what `headers` name, and is the caller's to close. */
  | { readonly result: 'switched'; readonly headers: readonly HeaderLine[]; readonly connection: Duplex; readonly early: Buffer }
  /** Any other answer. Its connection is closed when the body was read or destroyed: it serves nothing else any more. */
  | { readonly result: 'refused'; readonly status: number; readonly headers: readonly HeaderLine[]; readonly body: Readable }

export interface Upstream {
  /** Sends one request. Throws a Refusal (`upstream_unavailable`, `upstream_timeout`) when no head came. */
  forward(request: UpstreamRequest, onHead: OnHead): Promise<Forwarded>
  /** Asks for another protocol on a connection of its own. Throws as `forward` does, also when `signal` fires before an answer. */
  upgrade(request: UpgradeRequest): Promise<UpgradeAnswer>
  close(): Promise<void>
}
