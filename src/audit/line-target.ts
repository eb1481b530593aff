/**
 * Where audit lines go: a file, or standard output of whatever kind.
 *
 * "Written" means accepted by the kernel to the last byte. A write that broke off in the middle of a line leaves the
 * target torn; the next one begins with a line break, so that every other line still parses.
 */
import { constants, fstatSync, writeSync, write as writeTo } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'

export interface LineTarget {
  /** Resolves when all bytes are with the kernel. Rejects otherwise, with PartlyWritten where it is known how many are. */
  write(lines: Buffer): Promise<void>
  close(): Promise<void>
}

/** A write that broke off. */
export class PartlyWritten extends Error {
  override readonly name = 'PartlyWritten'
  /** Bytes of the caller's lines that the kernel took. */
  readonly written: number

  constructor(written: number, cause: unknown) {
    super('the audit lines were not written whole', { cause })
    this.written = written
  }
}

/** Something open to append to, and whether what was written last ended in the middle of a line. */
interface Appending {
  readonly write: (part: Buffer) => Promise<number> | number
  torn: boolean
}

const LINE_BREAK = 0x0a

const LOOK_EVERY_MS = 1_000

/**
 * A file that is appended to, and opened anew within a second after a rotation has moved it away.
 *
 * It is written to synchronously: the kernel takes the bytes into memory in microseconds, and a thread of the pool would
 * cost every attempt more than all else that is done for its record, and keep it waiting longer. A file system that hangs
 * holds up the replica, as it would hold up every attempt anyway; pipes and terminals, whose readers hang more often, are
 * not written to in this way.
 */
export function fileTarget(path: string, lookEveryMs = LOOK_EVERY_MS): LineTarget {
  let file: (Appending & { readonly handle: FileHandle; readonly inode: number; readonly device: number }) | undefined
  const release = async () => {
    const handle = file?.handle
    file = undefined
    await handle?.close()
  }
  let lookedAt = Number.NEGATIVE_INFINITY
  const lookedRecently = () => file !== undefined && performance.now() - lookedAt < lookEveryMs
  const current = async (): Promise<Appending> => {
    lookedAt = performance.now()
    const onDisk = await stat(path).catch(() => undefined)
    if (file !== undefined && onDisk?.ino === file.inode && onDisk.dev === file.device) return file
    await release()
    const handle = await open(path, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT, 0o640)
    const { ino, dev, size } = await handle.stat()
    const torn = size > 0 && (await lastByte(path, size)) !== LINE_BREAK
    file = { handle, inode: ino, device: dev, torn, write: (part) => writeSync(handle.fd, part) }
    return file
  }
  return {
    // Every attempt waits for its record: looking for a rotation each time would double what it waits.
    write: async (lines) => append(file !== undefined && lookedRecently() ? file : await current(), lines),
    close: release,
  }
}

/** The last byte of a file that an earlier process may have left torn; undefined when it may not be read. */
async function lastByte(path: string, size: number): Promise<number | undefined> {
  const handle = await open(path, constants.O_RDONLY).catch(() => undefined)
  try {
    return (await handle?.read(Buffer.alloc(1), 0, 1, size - 1))?.buffer[0]
  } catch {
    return undefined
  } finally {
    await handle?.close()
  }
}

/**
 * Standard output. A pipe, socket or terminal is written to as a stream. What was redirected to a file or device is
 * not: Node's stream for those reports a partial write as a whole one, and never recovers from a full disk.
 */
export function standardOutput(): LineTarget {
  const kind = fstatSync(1)
  const streams = kind.isFIFO() || kind.isSocket() || process.stdout.isTTY
  return streams ? streamTarget(process.stdout) : descriptorTarget(1)
}

/** An open file descriptor, which stays open: it is not ours. */
export function descriptorTarget(descriptor: number): LineTarget {
  return partwiseTarget((part) => writePart(descriptor, part))
}

/** Writes at the end. A FileHandle's own promises cost more than the write. */
function writePart(descriptor: number, part: Buffer): Promise<number> {
  return new Promise((resolve, reject) => writeTo(descriptor, part, (error, bytes) => (error ? reject(error) : resolve(bytes))))
}

/** Whatever takes bytes and says how many it took. */
export function partwiseTarget(write: Appending['write']): LineTarget {
  const appending: Appending = { write, torn: false }
  return { write: (lines) => append(appending, lines), close: async () => undefined }
}

/** A stream whose callback comes when the operating system has taken the bytes. It stays open: it is not ours. */
export function streamTarget(stream: NodeJS.WritableStream): LineTarget {
  // Kept for good: the stream emits the error of a write (a reader that left) after the write's own callback, and an
  // error event without a listener ends the process.
  stream.on('error', () => undefined)
  return {
    write: (lines) => new Promise((resolve, reject) => void stream.write(lines, (error) => (error ? reject(error) : resolve()))),
    close: async () => undefined,
  }
}

/** Repeats partial writes until everything is out. Throws PartlyWritten. */
async function append(to: Appending, lines: Buffer): Promise<void> {
  const mending = to.torn ? 1 : 0
  const all = mending === 0 ? lines : Buffer.concat([Buffer.of(LINE_BREAK), lines])
  let written = 0
  try {
    while (written < all.length) {
      const pending = to.write(all.subarray(written))
      const taken = typeof pending === 'number' ? pending : await pending
      if (taken <= 0) throw new Error('no byte was taken')
      written += taken
      to.torn = all[written - 1] !== LINE_BREAK
    }
  } catch (error) {
    throw new PartlyWritten(Math.max(0, written - mending), error)
  }
}
