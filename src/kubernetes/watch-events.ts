/** A watch: one JSON object a line, for as long as it goes on. */
import { Refusal } from '../errors.ts'
import { ApiStatus, statusOf } from './api-status.ts'
import { isRecord, type KubernetesObject, objectIn } from './kubernetes-object.ts'
import { failureOf } from './transport.ts'

export interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK'
  readonly object: KubernetesObject
}

const LONGEST_LINE = 8 << 20

/**
 * The events in a body. Throws an ApiStatus for an `ERROR` event (410: list anew), a Refusal (`upstream_broke`) for
 * what is not an event. The end of the body ends it: API servers end watches now and then.
 */
export async function* eventsIn(body: AsyncIterable<Buffer>): AsyncGenerator<WatchEvent, void, undefined> {
  try {
    for await (const line of linesIn(body)) yield eventIn(line)
  } catch (error) {
    throw error instanceof ApiStatus ? error : failureOf(error)
  }
}

async function* linesIn(body: AsyncIterable<Buffer>): AsyncGenerator<string, void, undefined> {
  let parts: Buffer[] = []
  let length = 0
  for await (const chunk of body) {
    let from = 0
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, from)) {
      yield Buffer.concat([...parts, chunk.subarray(from, end)]).toString('utf8')
      parts = []
      length = 0
      from = end + 1
    }
    length += chunk.length - from
    if (length > LONGEST_LINE) throw new Refusal('upstream_broke', { detail: 'a watch event is too large' })
    parts.push(chunk.subarray(from))
  }
}

function eventIn(line: string): WatchEvent {
  let event: unknown
  try {
    event = JSON.parse(line)
  } catch {
    // Said below.
  }
  if (!isRecord(event) || !isRecord(event['object'])) throw new Refusal('upstream_broke', { detail: 'a watch event is not one' })
  const { type, object } = event
  if (type === 'ERROR') throw statusOf(typeof object['code'] === 'number' ? object['code'] : 0, object)
  if (type !== 'ADDED' && type !== 'MODIFIED' && type !== 'DELETED' && type !== 'BOOKMARK') {
    throw new Refusal('upstream_broke', { detail: 'a watch event is of an unknown type' })
  }
  return { type, object: objectIn(object) }
}
