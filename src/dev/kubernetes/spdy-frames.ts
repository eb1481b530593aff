/**
 * As much of SPDY/3.1 as port-forward speaks: streams that open, carry bytes, end or are reset, and pings. Kubernetes still
 * multiplexes forwarded connections by it, inside a WebSocket. Flow control is left out, as Kubernetes leaves it out.
 */
import { constants, createDeflate, createInflate, type Deflate, type Inflate } from 'node:zlib'
import { spdyDictionary } from './spdy-dictionary.ts'

export type Frame =
  | { kind: 'open'; stream: number; headers: ReadonlyMap<string, string>; last: boolean }
  | { kind: 'reply'; stream: number }
  | { kind: 'data'; stream: number; bytes: Buffer; last: boolean }
  | { kind: 'reset'; stream: number }
  | { kind: 'ping'; id: number }

const types = { open: 1, reply: 2, reset: 3, ping: 6 } as const
const lastFlag = 1
const headLength = 8
const protocolError = 1
/** What a frame, and what its headers unpacked, may hold in bytes: more than any client sends. */
const frameLimit = 1 << 20

/** One direction's compression, which goes on from block to block. */
class Blocks {
  readonly #zlib: Deflate | Inflate
  #chunks: Buffer[] = []
  #size = 0
  #fault: Error | undefined
  #reject: (fault: Error) => void = () => undefined

  constructor(zlib: Deflate | Inflate) {
    this.#zlib = zlib
    zlib.on('data', (chunk: Buffer) => {
      this.#size += chunk.length
      if (this.#size > frameLimit) this.#fail(new Error('the headers of a SPDY stream are too long'))
      else this.#chunks.push(chunk)
    })
    zlib.on('error', (fault) => this.#fail(fault))
  }

  pass(block: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#reject = reject
      if (this.#fault !== undefined) this.#fail(this.#fault)
      else {
        this.#zlib.write(block)
        this.#zlib.flush(constants.Z_SYNC_FLUSH, () => {
          const whole = Buffer.concat(this.#chunks)
          this.#chunks = []
          this.#size = 0
          resolve(whole) // Of no effect when it has failed.
        })
      }
    })
  }

  #fail(fault: Error): void {
    this.#fault ??= fault
    this.#zlib.destroy()
    this.#reject(this.#fault)
  }
}

function uint32(...numbers: number[]): Buffer {
  const bytes = Buffer.alloc(numbers.length * 4)
  for (const [at, number] of numbers.entries()) bytes.writeUInt32BE(number, at * 4)
  return bytes
}

function parseHeaders(block: Buffer): Map<string, string> {
  let at = 4
  const text = (): string => {
    const length = block.readUInt32BE(at)
    if (at + 4 + length > block.length) throw new Error('a SPDY header is cut off')
    at += 4 + length
    return block.toString('utf8', at - length, at)
  }
  const headers = new Map<string, string>()
  for (let left = block.readUInt32BE(0); left > 0; left -= 1) headers.set(text(), text())
  return headers
}

/** Makes frames of bytes. */
export class FrameReader {
  readonly #inflate = new Blocks(createInflate({ dictionary: spdyDictionary }))
  #rest: Buffer = Buffer.alloc(0)

  /** The frames that are complete with these bytes; unknown ones are left out. One call at a time. Rejects what is not SPDY. */
  async read(bytes: Buffer): Promise<Frame[]> {
    this.#rest = Buffer.concat([this.#rest, bytes])
    const frames: Frame[] = []
    for (;;) {
      if (this.#rest.length < headLength) return frames
      const end = headLength + this.#rest.readUIntBE(5, 3)
      if (end > frameLimit) throw new Error('a SPDY frame is too long')
      if (this.#rest.length < end) return frames
      const frame = await this.#frame(this.#rest.subarray(0, end))
      this.#rest = this.#rest.subarray(end)
      if (frame !== undefined) frames.push(frame)
    }
  }

  async #frame(frame: Buffer): Promise<Frame | undefined> {
    const first = frame.readUInt32BE(0)
    const last = ((frame[4] ?? 0) & lastFlag) !== 0
    const body = frame.subarray(headLength)
    if (first < 0x8000_0000) return { kind: 'data', stream: first, bytes: body, last }
    const id = body.length < 4 ? 0 : body.readUInt32BE(0)
    switch (first & 0xffff) {
      case types.open:
        return { kind: 'open', stream: id, headers: parseHeaders(await this.#inflate.pass(body.subarray(10))), last }
      case types.reply:
        // Read for the sake of the compression, which goes on from block to block.
        await this.#inflate.pass(body.subarray(4))
        return { kind: 'reply', stream: id }
      case types.reset:
        return { kind: 'reset', stream: id }
      case types.ping:
        return { kind: 'ping', id }
      default:
        return undefined
    }
  }
}

/** Makes bytes of frames. */
export class FrameWriter {
  readonly #deflate = new Blocks(createDeflate({ dictionary: spdyDictionary }))

  /** The bytes of one frame. One call at a time, and sent in the order of the calls. */
  async write(frame: Frame): Promise<Buffer> {
    if (frame.kind === 'data') {
      const head = uint32(frame.stream, frame.bytes.length)
      head[4] = frame.last ? lastFlag : 0
      return Buffer.concat([head, frame.bytes])
    }
    const last = frame.kind === 'open' && frame.last
    const body = await this.#body(frame)
    const head = uint32(0x8003_0000 + types[frame.kind], body.length)
    head[4] = last ? lastFlag : 0
    return Buffer.concat([head, body])
  }

  async #body(frame: Exclude<Frame, { kind: 'data' }>): Promise<Buffer> {
    if (frame.kind === 'ping') return uint32(frame.id)
    if (frame.kind === 'reset') return uint32(frame.stream, protocolError)
    const headers = frame.kind === 'open' ? [...frame.headers] : []
    const text = (part: string): Buffer => Buffer.concat([uint32(Buffer.byteLength(part)), Buffer.from(part)])
    const block = Buffer.concat([uint32(headers.length), ...headers.flat().map(text)])
    const packed = await this.#deflate.pass(block)
    // An opened stream belongs to no other and has no priority.
    return frame.kind === 'open'
      ? Buffer.concat([uint32(frame.stream, 0), Buffer.alloc(2), packed])
      : Buffer.concat([uint32(frame.stream), packed])
  }
}
