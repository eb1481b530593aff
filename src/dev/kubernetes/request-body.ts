import type { IncomingMessage } from 'node:http'
import { parse } from 'yaml'
import type { Encoding } from './media-type.ts'
import { type Json, parseJson } from './object.ts'
import { decodeProtobuf } from './protobuf.ts'
import { tooLarge } from './status-error.ts'

/** The API server's own limit on a request body. */
export const bodyLimit = 3 * 1024 * 1024

/** Reads the whole body. Throws 413 beyond the limit, without reading the rest. */
export async function readBody(request: IncomingMessage): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > bodyLimit) throw tooLarge(bodyLimit)
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > bodyLimit) throw tooLarge(bodyLimit)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/**
 * Decodes a body. YAML is read and then passed through JSON, so that dates, anchors and other types JSON has not
 * cannot reach an object. Throws SyntaxError or YAMLParseError, and 400 or 415 for protobuf it cannot read.
 */
export function decode(body: Buffer, encoding: Encoding): Json {
  if (encoding === 'protobuf') return decodeProtobuf(body)
  const text = body.toString('utf8')
  if (encoding === 'json') return parseJson(text)
  // maxAliasCount bounds what a few lines of nested aliases can expand to.
  const value: unknown = parse(text, { schema: 'core', maxAliasCount: 100 })
  return parseJson(JSON.stringify(value ?? null))
}
