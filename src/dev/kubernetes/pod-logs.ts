import type { ServerResponse } from 'node:http'
import { isTrue } from '../../kubernetes/request-info.ts'
import { integerOf } from './list-objects.ts'
import { asArray, asText, at, type KubernetesObject, nameOf } from './object.ts'
import { badRequest, invalid } from './status-error.ts'
import { ended } from './watch-stream.ts'

/** One line and when it was written, in milliseconds. */
type LogLine = { time: number; text: string }

/** How many lines of a pod are kept. */
const lineLimit = 10_000

/** Somebody reading along: told of each line, and of the end. */
type Follower = { line: (line: LogLine) => void; end: () => void }

/** What pods have printed, and who is reading along. All containers of a pod share one log here. */
export class PodLogs {
  readonly #lines = new Map<string, LogLine[]>()
  readonly #followers = new Map<string, Set<Follower>>()

  /** Appends a line, at once visible to every follower. */
  add(uid: string, text: string, time: number = Date.now()): void {
    const lines = this.#lines.get(uid) ?? []
    this.#lines.set(uid, lines)
    lines.push({ time, text })
    if (lines.length > lineLimit) lines.shift()
    for (const follower of this.#followers.get(uid) ?? []) follower.line({ time, text })
  }

  lines(uid: string): readonly LogLine[] {
    return this.#lines.get(uid) ?? []
  }

  /** Tells the follower of every further line until the returned function is called. */
  follow(uid: string, follower: Follower): () => void {
    const followers = this.#followers.get(uid) ?? new Set()
    this.#followers.set(uid, followers)
    followers.add(follower)
    return () => followers.delete(follower)
  }

  /** Forgets a pod that is gone; nobody can read along any more. */
  remove(uid: string): void {
    this.#lines.delete(uid)
    for (const follower of this.#followers.get(uid) ?? []) follower.end()
    this.#followers.delete(uid)
  }
}

function printed(line: LogLine, withTime: boolean): string {
  // Nine digits, as RFC3339Nano at full width: what a real kubelet writes.
  const time = new Date(line.time).toISOString().replace('Z', '000000Z')
  return withTime ? `${time} ${line.text}\n` : `${line.text}\n`
}

/** A whole number of the query; undefined when absent. Throws 400 when it is not one, 422 when it is too small. */
function numberOf(query: URLSearchParams, key: string, least: number, pod: string): number | undefined {
  if ((query.get(key) ?? '') === '') return undefined
  const value = integerOf(query, key)
  if (value >= least) return value
  const why = least === 0 ? 'must be greater than or equal to 0' : 'must be greater than 0'
  const cause = { reason: 'FieldValueInvalid', message: `Invalid value: ${value}: ${why}`, field: key }
  throw invalid('', 'PodLogOptions', pod, [cause])
}

/** Throws 400 unless the pod has the container asked for, or only one when none is named. */
export function assertContainer(pod: KubernetesObject, container: string): void {
  const names = asArray(at(pod, 'spec', 'containers')).map((entry) => asText(at(entry, 'name')))
  if (container === '' && names.length > 1) {
    const choices = `[${names.join(' ')}]`
    throw badRequest(`a container name must be specified for pod ${nameOf(pod)}, choose one of: ${choices}`)
  }
  if (container !== '' && !names.includes(container)) {
    throw badRequest(`container ${container} is not valid for pod ${nameOf(pod)}`)
  }
}

/**
 * GET pods/log: the lines as plain text, and with `follow` every further one as it is added, unbuffered, until the
 * pod is gone, the client leaves or `stop` fires. Throws 400 or 422 before anything is written.
 */
export async function streamLog(
  logs: PodLogs,
  pod: KubernetesObject,
  query: URLSearchParams,
  response: ServerResponse,
  stop: AbortSignal,
): Promise<void> {
  assertContainer(pod, query.get('container') ?? '')
  const tail = numberOf(query, 'tailLines', 0, nameOf(pod))
  const limit = numberOf(query, 'limitBytes', 1, nameOf(pod))
  const seconds = numberOf(query, 'sinceSeconds', 1, nameOf(pod))
  const sinceTime = Date.parse(query.get('sinceTime') ?? '')
  const since = seconds === undefined ? (Number.isNaN(sinceTime) ? 0 : sinceTime) : Date.now() - seconds * 1000
  const withTime = isTrue(query.get('timestamps'))
  const uid = asText(pod.metadata.uid)
  const recent = logs.lines(uid).filter((line) => line.time >= since)
  const shown = tail === undefined ? recent : recent.slice(Math.max(0, recent.length - tail))

  response.writeHead(200, { 'Content-Type': 'text/plain', 'Cache-Control': 'no-cache, private' })
  const past = shown.map((line) => printed(line, withTime)).join('')
  response.write(limit === undefined ? past : Buffer.from(past).subarray(0, limit))
  if (!isTrue(query.get('follow'))) {
    response.end()
    return
  }
  response.flushHeaders()
  const gone = new AbortController()
  const unsubscribe = logs.follow(uid, {
    line: (line) => response.write(printed(line, withTime)),
    end: () => gone.abort(),
  })
  await ended(response, AbortSignal.any([stop, gone.signal]), Number.POSITIVE_INFINITY)
  unsubscribe()
  response.end()
}
