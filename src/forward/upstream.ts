/**
 * The forward path: head in, decision, head out, stream both ways with back-pressure.
 *
 * This contract is small so that a leaner framing can take undici's place. An upstream's redirect is an answer like
 * any other: it is never followed (Kubernetes CVE-2020-8559).
 */
import type { Duplex, Readable, Writable } from 'node:stream'
import type { HeaderLine } from '../credential.ts'
import type { ConnectFault } from './failure.ts'

/**
 * Says, once, that an exchange must end now. An AbortSignal for each request would cost more than the request's routing,
 * credential and record together.
 */
export interface Cut {
  /** True once it must end. */
  readonly over: boolean
  /** Milliseconds for which an answer that has begun may pause, read once it has; undefined for as long as it likes. */
  readonly pauseMs?: number | undefined
  /** Calls `listener` when it must, until the next call replaces it; undefined for nobody. One listens at a time. */
  listen(listener: (() => void) | undefined): void
}

export interface UpstreamRequest {
  readonly method: string
  /** Path and query, byte for byte as decided on. */
  readonly path: string
  /** Name, value, name, value. */
  readonly headers: string[]
  readonly body: Readable | undefined
  /** Closes the upstream's side at once. */
  readonly cut: Cut
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
  /** How it ended: the whole answer, the caller went away, we cut it, or the upstream broke off or paused for too long. */
  readonly end: 'complete' | 'caller-gone' | 'aborted' | 'upstream-broke' | 'upstream-paused'
}

/**
 * Called once with the answer's head. It gives where the body goes, already carrying its head, or undefined to drop the
 * answer. The upstream is paused while a promise of it is pending. The destination is ended with the answer, if that is
 * whole.
 */
export type OnHead = (head: UpstreamHead) => Promise<Writable | undefined> | Writable | undefined

/** A request to change the protocol of the connection (RFC 9110 7.8). It has no body. */
export type UpgradeRequest = Omit<UpstreamRequest, 'body'>

export type UpgradeAnswer =
  /** 101: from here on the connection speaks what `headers` name, and is the caller's to close. */
  | { readonly result: 'switched'; readonly headers: readonly HeaderLine[]; readonly connection: Duplex; readonly early: Buffer }
  /** Any other answer. Its connection is closed when the body was read or destroyed: it serves nothing else any more. */
  | { readonly result: 'refused'; readonly status: number; readonly headers: readonly HeaderLine[]; readonly body: Readable }

export interface Upstream {
  /**
   * Sends one request. Throws a Refusal when no head came: `upstream_unavailable` when no answer was begun, not by one
   * byte, `upstream_timeout`, or `upstream_broke` for what is no answer or not one that can be passed on.
   */
  forward(request: UpstreamRequest, onHead: OnHead): Promise<Forwarded>
  /** Asks for another protocol on a connection of its own. Throws as `forward` does, also when it is cut before an answer. */
  upgrade(request: UpgradeRequest): Promise<UpgradeAnswer>
  close(): Promise<void>
}

/** Told whether a connection could be had, and why not. */
export type OnReached = (reached: boolean, fault?: ConnectFault) => void

/** The servers of one service, which take turns. */
export interface Servers {
  /**
   * The one whose turn it is, the same object each time; another than `after`, which has just failed, where there is one. Throws Refusal
   * `upstream_unavailable` when none is well.
   */
  next(after?: Upstream): Upstream
}
