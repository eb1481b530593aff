/**
 * One connection's protocol changed: what doing so on a cluster and on an HTTP service have in common.
 *
 * Security: the caller sees a 101 only after the audit log has accepted that a stream was opened, and nothing of what the
 * caller sends reaches the upstream before. What the upstream refuses is an answer like any other, and its connection is
 * closed with it. The stream is cut with the caller's proof, at `streams.maxAge`, and when this replica stops (promise 4).
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Refusal } from '../errors.ts'
import type { Acted, Grant } from '../grant.ts'
import { type EndCause, Ends, whyEnded } from './ends.ts'
import type { ExchangeBounds, PassedHead } from './exchange.ts'
import { tunnel } from './tunnel.ts'
import type { UpgradeAnswer, UpgradeRequest, Upstream, UpstreamHead } from './upstream.ts'

/** The caller's side of it. */
export interface Upgrading {
  readonly request: IncomingMessage
  /** For an answer that is not a change of protocol; detached from the connection otherwise. */
  readonly response: ServerResponse
  readonly connection: Duplex
  /** What the caller sent behind the head. */
  readonly early: Buffer
}

/** What each kind of upstream says for itself. */
export interface UpgradeWay {
  /** Asks for it as the caller, through `once`; again where that is right. */
  ask(once: AskOnce, ends: Ends): Promise<UpgradeAnswer>
  /** What of a 101 passes. Throws a Refusal for one that must not be joined. */
  switched(head: UpstreamHead): PassedLines
  /** What of any other answer passes. Throws a Refusal for one that must not. */
  refused(head: UpstreamHead): PassedLines
}

export type PassedLines = Pick<PassedHead, 'headers' | 'upstreamAuditId'>

/** Sends the handshake, with these header lines, to that server. */
export type AskOnce = (upstream: Upstream, asked: Pick<UpgradeRequest, 'path' | 'headers'>) => Promise<UpgradeAnswer>

type Refused = Extract<UpgradeAnswer, { result: 'refused' }>
type Switched = Extract<UpgradeAnswer, { result: 'switched' }>

/** Runs it to its end. Until an answer is begun it throws Refusals; after that it reports. */
export async function upgrade(target: ExchangeBounds, upgrading: Upgrading, way: UpgradeWay, grant: Grant): Promise<Acted> {
  const ends = new Ends(grant, upgrading.connection, target.stopping)
  const came = lookForEnd(upgrading.connection)
  const { method = 'GET' } = upgrading.request
  const once: AskOnce = async (upstream, asked) => {
    try {
      return await upstream.upgrade({ method, ...asked, cut: ends, answerWithinMs: target.answerWithinMs })
    } catch (error) {
      throw ends.cause === 'caller-ended' ? whyEnded(grant) : error
    }
  }
  try {
    const answer = await way.ask(once, ends).finally(came.stop)
    return answer.result === 'refused'
      ? await passRefusal(target, upgrading, way, ends, answer)
      : await join(target, { ...upgrading, early: Buffer.concat([upgrading.early, ...came.pieces]) }, way, grant, ends, answer)
  } catch (error) {
    if (ends.cause !== 'caller-gone') throw error
    return { result: 'failed', status: 0, bytes: 0, upstreamAuditId: undefined, cause: ends.cause }
  } finally {
    ends.release()
  }
}

/** How much of what a caller sends ahead is taken out of the way of the end that may stand behind it. */
const MOST_TAKEN = 65_536

/**
 * Who ends their side before there is an answer has left. Without a reader that would go unseen, so what comes is taken and
 * kept for whoever reads on.
 */
function lookForEnd(connection: Duplex): { readonly pieces: readonly Buffer[]; readonly stop: () => void } {
  const pieces: Buffer[] = []
  let taken = 0
  const look = () => {
    while (taken < MOST_TAKEN) {
      const piece: Buffer | null = connection.read()
      if (piece === null) return
      pieces.push(piece)
      taken += piece.length
    }
  }
  const leave = () => connection.destroy()
  connection.on('readable', look)
  connection.once('end', leave)
  if (connection.readableEnded) leave()
  else look()
  return {
    pieces,
    stop() {
      connection.removeListener('readable', look)
      connection.removeListener('end', leave)
    },
  }
}

async function passRefusal(
  target: ExchangeBounds,
  { request, response }: Upgrading,
  way: UpgradeWay,
  ends: Ends,
  { status, headers, body }: Refused,
): Promise<Acted> {
  let passed: PassedLines
  try {
    passed = way.refused({ status, headers })
    // An answer that was asked for as an upgrade and is given as a success is none that anybody waits for.
    if (status < 300 || request.method === 'HEAD') throw new Refusal('upstream_broke', { detail: 'it did not change the protocol' })
  } catch (error) {
    body.destroy()
    throw error
  }
  const facts = { status, upstreamAuditId: passed.upstreamAuditId }
  ends.begun(target.answerWithinMs)
  response.writeHead(status, passed.headers.flat())
  let bytes = 0
  body.on('data', (chunk: Buffer) => {
    bytes += chunk.length
  })
  let cause: EndCause | undefined
  ends.listen(() => {
    cause = ends.cause
    body.destroy()
  })
  // Cutting the answer closes the connection, which is not the caller's doing then.
  body.once('close', () => ends.listen(undefined))
  try {
    await pipeline(body, response)
    return { result: 'completed', cause: 'complete', bytes, ...facts }
  } catch {
    return { result: 'failed', cause: cause ?? 'upstream-broke', code: 'upstream_broke', bytes, ...facts }
  }
}

async function join(
  target: ExchangeBounds,
  { response, connection, early }: Upgrading,
  way: UpgradeWay,
  grant: Grant,
  ends: Ends,
  answer: Switched,
): Promise<Acted> {
  let passed: PassedLines
  try {
    passed = way.switched({ status: 101, headers: answer.headers })
    await grant.streamOpened(passed.upstreamAuditId)
    if (ends.cause === 'caller-ended') throw whyEnded(grant)
  } catch (error) {
    answer.connection.destroy()
    throw error
  }
  const { headers, upstreamAuditId } = passed
  response.detachSocket(connection as Socket)
  connection.write(`HTTP/1.1 101 Switching Protocols\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`, 'latin1')
  connection.write(answer.early)
  answer.connection.write(early)
  target.liveStreams(1)
  ends.begun(target.streamMaxAgeMs)
  ends.live()
  ends.joined()
  try {
    const { bytes, end } = await tunnel(connection, answer.connection, ends)
    const cause = end === 'aborted' ? (ends.cause ?? end) : end
    return { result: 'stream-closed', status: 101, bytes: bytes + answer.early.length, upstreamAuditId, cause }
  } finally {
    target.liveStreams(-1)
  }
}
