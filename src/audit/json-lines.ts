/**
 * Writes audit records as JSON lines to a file or to standard output.
 *
 * "Recorded" means accepted by the kernel. All records of one turn of the event loop go out in one write, which their
 * callers await; what is merely noted rides along or goes within 100 ms. When a write fails, every record in it fails,
 * and a line that was torn in the middle is closed by a line break, so that the next one still parses.
 */
import { constants } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import type { Clock } from '../clock.ts'
import { Refusal } from '../errors.ts'
import type { AuditEvent } from './audit-event.ts'
import type { AuditSink } from './audit-sink.ts'

/** Where lines go. `write` resolves when all bytes are with the kernel. */
export interface LineTarget {
  write(lines: Buffer): Promise<void>
  close(): Promise<void>
}

interface Options {
  readonly target: LineTarget
  readonly clock: Clock
  /** Told when writing fails and when it works again. */
  readonly onHealth?: (healthy: boolean) => void
}

const NOTE_WITHIN_MS = 100
// Notes are of things already over, so they wait out a full disk, but not without bound.
const MOST_NOTES_KEPT = 10_000

export class JsonLinesSink implements AuditSink {
  readonly #target: LineTarget
  readonly #clock: Clock
  readonly #onHealth: (healthy: boolean) => void
  #notes: string[] = []
  #records: string[] = []
  #batch: PromiseWithResolvers<void> | undefined
  #writing: Promise<void> | undefined
  #noteTimer = false
  #torn = false

  constructor({ target, clock, onHealth }: Options) {
    this.#target = target
    this.#clock = clock
    this.#onHealth = onHealth ?? (() => undefined)
  }

  record(event: AuditEvent): Promise<void> {
    this.#records.push(this.#line(event))
    if (this.#batch === undefined) {
      this.#batch = Promise.withResolvers()
      setImmediate(() => void this.#flush())
    }
    return this.#batch.promise
  }

  note(event: AuditEvent): void {
    if (this.#notes.length < MOST_NOTES_KEPT) this.#notes.push(this.#line(event))
    if (this.#noteTimer) return
    this.#noteTimer = true
    this.#clock.after(NOTE_WITHIN_MS, () => {
      this.#noteTimer = false
      void this.#flush()
    })
  }

  /** Writes what is left, then closes the target. */
  async close(): Promise<void> {
    await this.#flush()
    await this.#target.close()
  }

  #line(event: AuditEvent): string {
    return `${JSON.stringify({ time: new Date(this.#clock.now()).toISOString(), ...event })}\n`
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
    this.#writing = this.#write(notes, records).then(
      () => batch?.resolve(),
      () => {
        this.#notes = [...notes, ...this.#notes].slice(0, MOST_NOTES_KEPT)
        batch?.reject(new Refusal('audit_unavailable'))
      },
    )
    await this.#writing
    this.#writing = undefined
  }

  async #write(notes: readonly string[], records: readonly string[]): Promise<void> {
    const text = (this.#torn ? '\n' : '') + notes.join('') + records.join('')
    try {
      await this.#target.write(Buffer.from(text, 'utf8'))
      this.#torn = false
      this.#onHealth(true)
    } catch (error) {
      this.#torn = true
      this.#onHealth(false)
      throw error
    }
  }
}

/** A file that is appended to, and opened anew when a rotation has moved it away. */
export function fileTarget(path: string): LineTarget {
  let file: { handle: FileHandle; inode: number } | undefined
  const current = async () => {
    const onDisk = await stat(path).catch(() => undefined)
    if (file !== undefined && onDisk?.ino === file.inode) return file.handle
    await file?.handle.close()
    file = undefined
    const handle = await open(path, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT, 0o640)
    file = { handle, inode: (await handle.stat()).ino }
    return handle
  }
  return {
    async write(lines) {
      const handle = await current()
      await writeAll((part) => handle.write(part).then(({ bytesWritten }) => bytesWritten), lines)
    },
    async close() {
      await file?.handle.close()
      file = undefined
    },
  }
}

/** Standard output. The stream's callback comes when the operating system has taken the bytes. */
export function streamTarget(stream: NodeJS.WritableStream): LineTarget {
  return {
    write: (lines) =>
      new Promise((resolve, reject) => {
        const fail = (error: Error) => reject(error)
        stream.once('error', fail)
        stream.write(lines, (error) => {
          stream.removeListener('error', fail)
          if (error) reject(error)
          else resolve()
        })
      }),
    close: async () => undefined,
  }
}

/** Repeats a partial write until everything is out; a device that is busy is tried again, anything else is thrown. */
async function writeAll(write: (part: Buffer) => Promise<number>, all: Buffer): Promise<void> {
  let rest = all
  while (rest.length > 0) rest = rest.subarray(await write(rest))
}

