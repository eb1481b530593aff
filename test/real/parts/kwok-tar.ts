/**
 * The `tar` of kwok's containers, for `kubectl cp`. kwok never tells a command that its input ended, and tar waits for that
 * even when it has read the end of the archive (POSIX pax: two blocks of zeros). So this reads the archive's structure
 * along, ends the real tar's input behind it, and otherwise changes nothing. Run by itself, with tar's arguments.
 */
import { spawn } from 'node:child_process'
import { realpathSync } from 'node:fs'

const BLOCK = 512

/** The size that a header tells of the content behind it: octal digits, or binary when the first bit is set (GNU). */
function sizeIn(header: Buffer): number {
  const field = header.subarray(124, 136)
  if (((field[0] ?? 0) & 0x80) === 0)
    return Number.parseInt(
      field
        .toString('latin1')
        .replace(/[\0 ]+$/, '')
        .trim() || '0',
      8,
    )
  return Number(BigInt(`0x${field.subarray(1).toString('hex')}`))
}

/** Resolves when the whole archive has been passed on, or when the input ended before. */
export async function untilArchiveEnd(input: AsyncIterable<Buffer>, pass: (bytes: Buffer) => void): Promise<void> {
  let block = Buffer.alloc(0)
  let content = 0
  let empty = 0
  for await (const chunk of input) {
    pass(chunk)
    for (let at = 0; at < chunk.length; ) {
      if (content > 0) {
        const skipped = Math.min(content, chunk.length - at)
        content -= skipped
        at += skipped
        continue
      }
      const part = chunk.subarray(at, at + BLOCK - block.length)
      block = Buffer.concat([block, part])
      at += part.length
      if (block.length < BLOCK) break
      empty = block.every((byte) => byte === 0) ? empty + 1 : 0
      if (empty === 2) return
      if (empty === 0) content = Math.ceil(sizeIn(block) / BLOCK) * BLOCK
      block = Buffer.alloc(0)
    }
  }
}

if (realpathSync(process.argv[1] ?? '') === import.meta.filename) {
  const args = process.argv.slice(2)
  const extracts = /^-?\w*x/.test(args[0] ?? '')
  const tar = spawn('tar', args, { stdio: [extracts ? 'pipe' : 'ignore', 'inherit', 'inherit'] })
  tar.once('close', (code) => process.exit(code ?? 1))
  // tar may end without reading what it was given.
  tar.stdin?.on('error', () => undefined)
  if (extracts) {
    await untilArchiveEnd(process.stdin, (bytes) => tar.stdin?.write(bytes))
    tar.stdin?.end()
  }
}
