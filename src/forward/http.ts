/**
 * Upstreams over HTTP/1.1 on undici's `Pool.dispatch`: pooled connections, no redirects, no retries, no cookies.
 *
 * `bodyTimeout` is off because a quiet watch is not a fault; what bounds a stream is being cut. Whether an answer may pause
 * is known with its head; its pauses are counted only while nothing of it waits for the caller. The time to the head
 * is bounded by our own timer, since undici's would also cut an upload that takes long: it runs anew with every piece
 * of the body that the upstream takes, and from the last one on until the head.
 */
import type { Writable } from 'node:stream'
import { buildConnector, type Dispatcher, errors, Pool } from 'undici'
import type { HeaderLine } from '../credential.ts'
import { Refusal } from '../errors.ts'
import { causeOf, connectFault, howItBroke, unanswered } from './failure.ts'
import { endsByClosing } from './framing.ts'
import { askUpgrade, KEEP_ALIVE_MS } from './http-upgrade.ts'
import { isLastOnConnection } from './last-on-connection.ts'
import { type Resets, tellingResets } from './resets.ts'
import { passedOn } from './spent-buffers.ts'
import type { Forwarded, OnHead, OnReached, Upstream, UpstreamHead, UpstreamRequest } from './upstream.ts'

export interface HttpUpstreamOptions {
  /** Origin of the upstream. */
  readonly origin: string
  /** PEM certificates to trust instead of the system's; asked for at each new connection pool. */
  readonly ca?: () => string
  readonly connectWithinMs?: number
  /** A caller that takes nothing for this long while bytes wait for it is treated as gone. */
  readonly stalledAfterMs?: number
  /** Told whether a connection could be had, each time that one was tried; and why not. */
  readonly onReached?: OnReached
}

/** Creates an upstream. Throws when `ca` cannot be read: an unreadable CA is never an empty one. */
export function createHttpUpstream(options: HttpUpstreamOptions): Upstream {
  const { origin, ca, connectWithinMs = 5_000, stalledAfterMs = 60_000, onReached } = options
  const resets: Resets = { now: false }
  const pool = new Pool(origin, {
    connections: null,
    pipelining: 1,
    allowH2: false,
    headersTimeout: 0,
    bodyTimeout: 0,
    keepAliveTimeout: 30_000,
    keepAliveMaxTimeout: 300_000,
    maxHeaderSize: 65_536,
    connect: tellingResets(
      resets,
      buildConnector({
        allowH2: false,
        timeout: connectWithinMs,
        keepAliveInitialDelay: KEEP_ALIVE_MS,
        rejectUnauthorized: true,
        ...(ca === undefined ? {} : { ca: ca() }),
      }),
    ),
  })
  if (onReached !== undefined) {
    pool.on('connect', () => onReached(true))
    pool.on('connectionError', (_origin, _targets, error) => onReached(false, connectFault(error)))
  }
  return {
    forward: (request, onHead) => new Exchange(request, onHead, stalledAfterMs, resets).run(pool),
    upgrade: (request) => askUpgrade({ origin, ca, connectWithinMs, onReached }, request),
    close: () => pool.destroy(),
  }
}

/** One request and its answer, as undici's handler. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #request: UpstreamRequest
  readonly #onHead: OnHead
  readonly #stalledAfterMs: number
  readonly #resets: Resets
  readonly #done = Promise.withResolvers<Forwarded>()
  readonly #abort = () => this.#end('aborted')
  readonly #callerGone = () => this.#end('caller-gone')
  readonly #resume = () => {
    clearTimeout(this.#stalled)
    this.#watchPause()
    this.#controller?.resume()
  }
  readonly #letGo = () => {
    const held = this.#held
    this.#held = undefined
    if (held !== undefined) this.#pass(held)
  }
  #held: Buffer | undefined
  #controller: Dispatcher.DispatchController | undefined
  #destination: Writable | undefined
  #timer: NodeJS.Timeout | undefined
  #stalled: NodeJS.Timeout | undefined
  #pause: NodeJS.Timeout | undefined
  #firstTurn = false
  #begun = false
  #headSeen = false
  #endsByClosing = false
  #settled = false
  #bytes = 0

  static #turnOver(this: void, exchange: Exchange): void {
    exchange.#firstTurn = false
    exchange.#letGo()
    exchange.#watchPause()
  }

  static #paused(this: void, exchange: Exchange): void {
    exchange.#end('upstream-paused')
  }

  constructor(request: UpstreamRequest, onHead: OnHead, stalledAfterMs: number, resets: Resets) {
    this.#request = request
    this.#onHead = onHead
    this.#stalledAfterMs = stalledAfterMs
    this.#resets = resets
  }

  run(pool: Pool): Promise<Forwarded> {
    const { method, path, headers, body, cut } = this.#request
    if (cut.over) {
      this.#end('aborted')
      return this.#done.promise
    }
    cut.listen(this.#abort)
    this.#expectProgress()
    const asked: Dispatcher.DispatchOptions = { method: method as Dispatcher.HttpMethod, path, headers, body: body ?? null }
    if (isLastOnConnection(method, body !== undefined)) asked.reset = true
    pool.dispatch(asked, this)
    return this.#done.promise
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#settled) controller.abort(new Error('no longer wanted'))
  }

  onBodySent(): void {
    this.#expectProgress()
  }

  onRequestSent(): void {
    this.#expectProgress()
  }

  /** Starts the bound on the next step towards the answer's head. */
  #expectProgress(): void {
    if (this.#settled) return
    // A caller that still sends may be what the answer waits for.
    if (this.#headSeen) return void this.#pause?.refresh()
    if (this.#timer === undefined) this.#timer = setTimeout(() => this.#fail(this.#late()), this.#request.answerWithinMs)
    else this.#timer.refresh()
  }

  /** Whose fault the wait is: an upstream that would take more of the body waits for the caller itself. */
  #late(): Refusal {
    const { body } = this.#request
    const callerIsLate = body !== undefined && !body.readableEnded && body.readableLength === 0 && body.readableFlowing === true
    return callerIsLate ? new Refusal('request_timeout') : unanswered(this.#request.answerWithinMs)
  }

  /** The first byte of an answer, one of 1xx as well. */
  onResponseStarted(): void {
    this.#begun = true
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    // 1xx answers concern the connection, not the caller.
    if (status < 200 || this.#settled) return
    this.#headSeen = true
    clearTimeout(this.#timer)
    const head: UpstreamHead = { status, headers: linesOf(controller.rawHeaders) }
    let decided: ReturnType<OnHead>
    try {
      this.#endsByClosing = endsByClosing(head.headers)
      decided = this.#onHead(head)
    } catch (error) {
      return this.#fail(error)
    }
    // To pause costs the parser a turn, which an answer that is decided on at once need not wait for.
    if (!(decided instanceof Promise)) return this.#begin(decided)
    controller.pause()
    decided.then(
      (destination) => {
        this.#begin(destination)
        if (!this.#settled) controller.resume()
      },
      (error: unknown) => this.#fail(error),
    )
  }

  #begin(destination: Writable | undefined): void {
    if (this.#settled) return
    if (destination === undefined) return this.#end('complete')
    this.#destination = destination
    if (destination.destroyed) return this.#end('caller-gone')
    destination.on('drain', this.#resume)
    destination.once('close', this.#callerGone)
    if (this.#request.cut.pauseMs === undefined) return
    // Most answers are whole within this turn, and need no bound.
    this.#firstTurn = true
    setImmediate(Exchange.#turnOver, this)
  }

  /** Starts the bound on a pause of the answer anew, unless it is held back for the caller. */
  #watchPause(): void {
    const { pauseMs } = this.#request.cut
    if (pauseMs === undefined || this.#settled || this.#firstTurn || this.#destination?.writableNeedDrain !== false) return
    if (this.#pause === undefined) this.#pause = setTimeout(Exchange.#paused, pauseMs, this)
    else this.#pause.refresh()
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#settled || this.#destination === undefined) return
    this.#letGo()
    // The first piece is often the last: for the rest of this turn it is held, so that it can go out with the end.
    const isFirst = this.#bytes === 0
    this.#bytes += chunk.length
    passedOn(chunk.length)
    if (!isFirst) return this.#pass(chunk)
    this.#held = chunk
    if (!this.#firstTurn) setImmediate(this.#letGo)
  }

  #pass(chunk: Buffer): void {
    if (this.#destination === undefined || this.#destination.destroyed) return
    if (this.#destination.write(chunk)) return this.#watchPause()
    this.#controller?.pause()
    clearTimeout(this.#pause)
    this.#pause = undefined
    clearTimeout(this.#stalled)
    this.#stalled = setTimeout(this.#callerGone, this.#stalledAfterMs)
  }

  onResponseEnd(): void {
    if (this.#settled) return
    if (this.#endsByClosing && this.#resets.now) return this.#settle({ bytes: this.#bytes, end: 'upstream-broke' })
    const [destination, held] = [this.#destination, this.#held]
    this.#held = undefined
    this.#settle({ bytes: this.#bytes, end: 'complete' })
    // In the same turn as its last piece, so that both go out in one write.
    if (held === undefined) destination?.end()
    else destination?.end(held)
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    if (this.#headSeen) return this.#settle({ bytes: this.#bytes, end: 'upstream-broke' })
    // The body's own refusal (too large) comes back as the request's error.
    if (error instanceof Refusal) return this.#fail(error)
    if (error instanceof errors.HeadersTimeoutError) return this.#fail(new Refusal('upstream_timeout'))
    if (isNoAnswer(error)) return this.#fail(new Refusal('upstream_broke', { detail: 'its answer is not HTTP/1.1 within our bounds' }))
    this.#fail(
      this.#begun
        ? new Refusal('upstream_broke', { detail: howItBroke(error) })
        : new Refusal('upstream_unavailable', { detail: causeOf(error) }),
    )
  }

  #end(end: Forwarded['end']): void {
    this.#settle({ bytes: this.#bytes, end })
    this.#controller?.abort(new Error(end))
  }

  #fail(error: unknown): void {
    if (this.#settled) return
    this.#release()
    this.#done.reject(error)
    this.#controller?.abort(new Error('refused'))
  }

  #settle(forwarded: Forwarded): void {
    if (this.#settled) return
    this.#letGo()
    this.#release()
    this.#done.resolve(forwarded)
  }

  #release(): void {
    this.#settled = true
    clearTimeout(this.#timer)
    clearTimeout(this.#stalled)
    clearTimeout(this.#pause)
    this.#request.cut.listen(undefined)
    this.#destination?.removeListener('drain', this.#resume)
    this.#destination?.removeListener('close', this.#callerGone)
  }
}

/** True for what came as an answer and is none. */
function isNoAnswer(error: Error): boolean {
  const { HTTPParserError, HeadersOverflowError, ResponseContentLengthMismatchError } = errors
  return error instanceof HTTPParserError || error instanceof HeadersOverflowError || error instanceof ResponseContentLengthMismatchError
}

function linesOf(raw: Dispatcher.DispatchController['rawHeaders']): HeaderLine[] {
  const lines: HeaderLine[] = []
  if (!Array.isArray(raw)) return lines
  for (let i = 0; i + 1 < raw.length; i += 2) lines.push([textOf(raw[i]), textOf(raw[i + 1])])
  return lines
}

/** Header bytes are passed on as they are, whatever their encoding: one character for each byte. */
function textOf(part: unknown): string {
  return Buffer.isBuffer(part) ? part.toString('latin1') : String(part)
}
