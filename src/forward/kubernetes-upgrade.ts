/**
 * Acts on a Kubernetes API server by changing the protocol of the connection: exec, attach, port-forward and whatever
 * else streams over WebSocket or SPDY.
 *
 * Security: the request is dressed by the same header boundary as any other. The caller sees a 101 only after the
 * audit log has accepted that a stream was opened, and nothing of what the caller sends reaches the API server before.
 * What the API server refuses is an answer like any other, under the same rules. The stream is cut with the caller's
 * proof, at `streams.maxAge`, and when this replica stops (promise 4).
 */
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Credential } from '../credential.ts'
import { Refusal } from '../errors.ts'
import type { Act, Acted, Grant } from '../grant.ts'
import { SANDBOX, shownOnly } from './cookie-answers.ts'
import { type EndCause, Ends, whyEnded } from './ends.ts'
import type { ExchangeTarget } from './exchange.ts'
import { type AskedProtocol, inboundHeaders, outboundHeaders, switchedHeaders } from './header-boundary.ts'
import { auditIdOf, headerOf, type KubernetesRequest } from './kubernetes.ts'
import { tunnel } from './tunnel.ts'
import type { UpgradeAnswer } from './upstream.ts'

export interface KubernetesUpgrade extends Pick<KubernetesRequest, 'request' | 'path' | 'mount' | 'writes' | 'effect'> {
  /** For an answer that is not a change of protocol; detached from the connection otherwise. */
  readonly response: ServerResponse
  readonly connection: Duplex
  /** What the caller sent behind the head. */
  readonly early: Buffer
  readonly asked: AskedProtocol
}

type Refused = Extract<UpgradeAnswer, { result: 'refused' }>
type Switched = Extract<UpgradeAnswer, { result: 'switched' }>

/** An act for one upgrade. Until an answer is begun it throws Refusals; after that it reports. */
export function kubernetesUpgradeAct(target: ExchangeTarget, upgrade: KubernetesUpgrade): Act {
  return async (grant) => {
    if (upgrade.writes) await grant.effect(upgrade.effect)
    const ends = new Ends(grant, upgrade.connection, target.stopping)
    const stopLooking = lookForEnd(upgrade.connection)
    try {
      const answer = await ask(target, upgrade, grant, ends).finally(stopLooking)
      return answer.result === 'refused'
        ? await passRefusal(target, upgrade, grant, ends, answer)
        : await join(target, upgrade, grant, ends, answer)
    } catch (error) {
      if (ends.cause !== 'caller-gone') throw error
      return { result: 'failed', status: 0, bytes: 0, upstreamAuditId: undefined, cause: ends.cause }
    } finally {
      ends.release()
    }
  }
}

/** Who ends their side before there is an answer has left. Without a reader that would go unseen; what came stays where it is. */
function lookForEnd(connection: Duplex): () => void {
  const look = () => {
    if (connection.readableLength === 0) connection.read()
  }
  const leave = () => connection.destroy()
  connection.on('readable', look)
  connection.once('end', leave)
  return () => {
    connection.removeListener('readable', look)
    connection.removeListener('end', leave)
  }
}

/** Asks as the caller; once more with a fresh credential when the API server did not know the first. */
async function ask(target: ExchangeTarget, upgrade: KubernetesUpgrade, grant: Grant, ends: Ends): Promise<UpgradeAnswer> {
  const once = async (credential: Credential) => {
    try {
      return await target.upstream.upgrade({
        method: upgrade.request.method ?? 'GET',
        path: upgrade.path,
        headers: outboundHeaders(upgrade.request.rawHeaders, credential, upgrade.asked),
        cut: ends,
        answerWithinMs: target.answerWithinMs,
      })
    } catch (error) {
      throw ends.cause === 'caller-ended' ? whyEnded(grant) : error
    }
  }
  const first = await once(grant.credential)
  if (first.result !== 'refused' || first.status !== 401) return first
  first.body.destroy()
  return once(await grant.renew())
}

async function passRefusal(
  target: ExchangeTarget,
  { request, response, mount }: KubernetesUpgrade,
  grant: Grant,
  ends: Ends,
  answer: Refused,
): Promise<Acted> {
  const { status, body } = answer
  const headers = inboundHeaders(answer.headers, mount)
  const facts = { status, upstreamAuditId: auditIdOf(headers) }
  const shown = grant.caller.proof.kind === 'bearer' || shownOnly(headerOf(headers, 'content-type'))
  // An answer that was asked for as an upgrade and is given as a success is none that anybody waits for.
  if (!shown || status < 300 || request.method === 'HEAD') {
    body.destroy()
    throw new Refusal(shown ? 'upstream_broke' : 'content_refused')
  }
  ends.begun(target.answerWithinMs)
  response.writeHead(status, [...headers, ...SANDBOX].flat())
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
  target: ExchangeTarget,
  { response, connection, early, asked }: KubernetesUpgrade,
  grant: Grant,
  ends: Ends,
  answer: Switched,
): Promise<Acted> {
  const headers = switchedHeaders(answer.headers, asked)
  const upstreamAuditId = auditIdOf(headers)
  try {
    await grant.streamOpened(upstreamAuditId)
    if (ends.cause === 'caller-ended') throw whyEnded(grant)
  } catch (error) {
    answer.connection.destroy()
    throw error
  }
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
