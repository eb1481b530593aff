/**
 * How an upstream says where its answer ends (RFC 9112 6.3).
 *
 * Security: an answer whose end is told by nothing but the end of the connection is whole when that was closed properly, and
 * half when it was reset. Who stands between and closes it properly, which TLS itself would tell and Node does not, cannot be told. Transfer codings are undone by whoever receives them (RFC 9112 6.1), and nobody here undoes another
 * than chunked: passed on without the header that names it, a body would be taken for what it is not.
 */
import type { HeaderLine } from '../credential.ts'
import { Refusal } from '../errors.ts'

/** Throws Refusal `upstream_broke` for a transfer coding that is not undone here. True when the connection's end is the answer's. */
export function endsByClosing(lines: readonly HeaderLine[]): boolean {
  let byClosing = true
  let isChunked = false
  for (const [name, value] of lines) {
    if (isNamed(name, 'content-length')) byClosing = false
    else if (isNamed(name, 'transfer-encoding')) {
      if (isChunked || value.trim().toLowerCase() !== 'chunked')
        throw new Refusal('upstream_broke', { detail: 'its answer has a transfer coding other than chunked' })
      isChunked = true
      byClosing = false
    }
  }
  return byClosing
}

/** True for lines that name a coding of the content (RFC 9110 8.4): what came of such a content is not whole before its end. */
export function isEncoded(lines: readonly HeaderLine[]): boolean {
  return lines.some(([name, value]) => isNamed(name, 'content-encoding') && !/^(?:\s*|identity)$/i.test(value))
}

/** The lines without the length that they announce. */
export function withoutLength(lines: readonly HeaderLine[]): readonly HeaderLine[] {
  return lines.filter(([name]) => !isNamed(name, 'content-length'))
}

function isNamed(name: string, folded: string): boolean {
  return name.length === folded.length && name.toLowerCase() === folded
}
