/**
 * Writes audit records as JSON lines.
 *
 * "Recorded" means accepted by the kernel. All records of one turn of the event loop go out in one write, which their
 * callers await; what is merely noted rides along or goes within 100 ms. When a write fails, every record in it is
 * refused. A write to a pipe that hangs (nobody reads it) is given up after 5 s; until it comes to an end every record is
 * refused at once, so that an act waits a bounded time for its record and memory stays bounded.
 *
 * A refused record may still have reached the target: then it tells of an act that was not done, never the reverse.
 */
import type { Clock, Timer } from '../clock.ts'
import { Refusal } from '../errors.ts'
import type { AuditEvent, Who } from './audit-event.ts'
import type { AuditSink } from './audit-sink.ts'
import { type LineTarget, PartlyWritten } from './line-target.ts'

interface Options {
  readonly target: LineTarget
  readonly clock: Clock
  /** Told when writing begins to fail, and when it works again. */
  readonly onHealth?: (healthy: boolean) => void
  /** Told how many notes an outage has cost, once it is over. */
  readonly onLost?: (notes: number) => void
}

const NOTE_WITHIN_MS = 100
const RETRY_NOTES_MS = 1_000
const GIVE_UP_MS = 5_000
// Notes are of things already over, so they wait out a full disk, but not without bound.
const MOST_NOTES_KEPT = 10_000
// A burst does not wait for the timer, or the bound above would drop what nothing keeps from being written.
const NOTES_AT_ONCE = 1_000

export class JsonLinesSink implements AuditSink {
  readonly #target: LineTarget
  readonly #clock: Clock
  readonly #onHealth: (healthy: boolean) => void
  readonly #onLost: (notes: number) => void
  #notes: string[] = []
  #records: string[] = []
  #batch: PromiseWithResolvers<void> | undefined
  #writing: Promise<void> | undefined
  #noteTimer: Timer | undefined
  #healthy = true
  #hanging = false
  #closed = false
  #lost = 0
  #timeOf: number | undefined
  #timeAsText = ''

  constructor({ target, clock, onHealth, onLost }: Options) {
    this.#target = target
    this.#clock = clock
    this.#onHealth = onHealth ?? (() => undefined)
    this.#onLost = onLost ?? (() => undefined)
  }

  record(event: AuditEvent): Promise<void> {
    if (this.#closed || this.#hanging) return Promise.reject(new Refusal('audit_unavailable'))
    this.#records.push(this.#line(event))
    if (this.#batch === undefined) {
      this.#batch = Promise.withResolvers()
      setImmediate(() => void this.#flush())
    }
    return this.#batch.promise
  }

  note(event: AuditEvent): void {
    if (this.#closed) return
    this.#keep([this.#line(event)])
    if (this.#notes.length >= NOTES_AT_ONCE && this.#healthy && this.#writing === undefined) void this.#flush()
    else this.#flushWithin(NOTE_WITHIN_MS)
  }

  /** Writes what is left, then closes the target. What comes after is refused. */
  async close(): Promise<void> {
    this.#closed = true
    this.#noteTimer?.cancel()
    if (!this.#hanging) await this.#flush()
    this.#noteTimer?.cancel()
    this.#lost += this.#notes.length
    if (this.#lost > 0) this.#onLost(this.#lost)
    await this.#target.close()
  }

  /** As JSON.stringify would have it, with the time first. */
  #line(event: AuditEvent): string {
    let line = `{"time":"${this.#time()}"`
    for (const fact in event) {
      const value: unknown = event[fact as keyof AuditEvent]
      if (value !== undefined) line += `,"${fact}":${fact === 'who' ? whoAsJson(value as Who) : asJson(value)}`
    }
    return `${line}}\n`
  }

  #time(): string {
    const now = this.#clock.now()
    if (now !== this.#timeOf) {
      this.#timeOf = now
      this.#timeAsText = new Date(now).toISOString()
    }
    return this.#timeAsText
  }

  /** Keeps the oldest notes up to the bound and counts the rest. */
  #keep(later: readonly string[]): void {
    const room = MOST_NOTES_KEPT - this.#notes.length
    this.#notes.push(...later.slice(0, room))
    this.#lost += Math.max(0, later.length - room)
  }

  #flushWithin(ms: number): void {
    this.#noteTimer ??= this.#clock.after(ms, () => {
      this.#noteTimer = undefined
      if (!this.#hanging) void this.#flush()
    })
  }

  async #flush(): Promise<void> {
    // One write at a time keeps lines whole; what arrives meanwhile goes with the next.
    while (this.#writing !== undefined) await this.#writing
    if (this.#records.length === 0 && this.#notes.length === 0) return
    const notes = this.#notes
    const records = this.#records
    const batch = this.#batch
    this.#notes = []
    this.#records = []
    this.#batch = undefined
    this.#writing = this.#write(notes, records, batch)
    await this.#writing
    this.#writing = undefined
  }

  /** Never rejects: the batch does. */
  async #write(notes: readonly string[], records: readonly string[], batch: PromiseWithResolvers<void> | undefined): Promise<void> {
    const giveUp = this.#clock.after(GIVE_UP_MS, () => {
      this.#hanging = true
      this.#setHealth(false)
      for (const waiting of [batch, this.#batch]) waiting?.reject(new Refusal('audit_unavailable'))
      this.#records = []
      this.#batch = undefined
    })
    try {
      await this.#target.write(Buffer.from(notes.join('') + records.join(''), 'utf8'))
      this.#setHealth(true)
      batch?.resolve()
    } catch (error) {
      this.#setHealth(false)
      const younger = this.#notes
      this.#notes = []
      this.#keep([...notes.slice(linesWithin(notes, error instanceof PartlyWritten ? error.written : 0)), ...younger])
      if (this.#notes.length > 0 && !this.#closed) this.#flushWithin(RETRY_NOTES_MS)
      batch?.reject(new Refusal('audit_unavailable'))
    } finally {
      giveUp.cancel()
      this.#hanging = false
    }
  }

  #setHealth(healthy: boolean): void {
    if (healthy !== this.#healthy) this.#onHealth(healthy)
    this.#healthy = healthy
    if (!healthy || this.#lost === 0) return
    this.#onLost(this.#lost)
    this.#lost = 0
  }
}

/** Text that stands in JSON as it is (RFC 8259 7). */
const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/

function asJson(value: unknown): string {
  return typeof value === 'string' && PLAIN.test(value) ? `"${value}"` : JSON.stringify(value)
}

// Who acts is the longest fact, and the same for thousands of records.
const whos = new WeakMap<Who, string>()

function whoAsJson(who: Who): string {
  let json = whos.get(who)
  if (json === undefined) {
    json = JSON.stringify(who)
    // One that may still change is not kept.
    if (Object.isFrozen(who)) whos.set(who, json)
  }
  return json
}

/** How many of the lines are whole within the first `bytes` bytes. */
function linesWithin(lines: readonly string[], bytes: number): number {
  let end = 0
  const first = lines.findIndex((line) => {
    end += Buffer.byteLength(line)
    return end > bytes
  })
  return first === -1 ? lines.length : first
}
