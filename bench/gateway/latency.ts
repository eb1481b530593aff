/** What the gateway adds to one GET of one pod on a real API server, and whether it asks anything more than that. */

import { Agent as PlainAgent, request as plainRequest } from 'node:http'
import { Agent, request } from 'node:https'
import { startKubernetes } from '../../test/real/parts/kube-apiserver.ts'
import { OBJECTS } from './cluster-objects.ts'
import { median } from './median.ts'
import { startSubject } from './subject.ts'

export interface LatencyResult {
  readonly directP50Ms: number
  readonly cookieP50Ms: number
  readonly bearerP50Ms: number
  /** Requests that reached the API server for each one sent through the gateway, by its own audit log. */
  readonly callsPerRequest: number
}

const ROUNDS = 1_500

/** Interleaves direct calls, calls by cookie and calls by bearer, one at a time on warm connections. */
export async function measureLatency(): Promise<LatencyResult> {
  const kubernetes = await startKubernetes()
  try {
    await kubernetes.kubectl(['apply', '-f', '-'], { input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items: OBJECTS }) })
    const token = (await kubernetes.kubectl(['create', 'token', 'gateway', '-n', 'mandate', '--duration', '2h'])).stdout.trim()
    const subject = await startSubject({ server: kubernetes.url, ca: kubernetes.caPem, brokerToken: token })
    try {
      const direct = new Agent({ keepAlive: true, maxSockets: 1, ca: kubernetes.caPem })
      const through = new PlainAgent({ keepAlive: true, maxSockets: 1 })
      const cookie = await subject.cookie()
      const bearer = subject.bearer()
      const ask = (kind: 'direct' | 'cookie' | 'bearer') =>
        timed((done, failed) => {
          const call =
            kind === 'direct'
              ? request(`${kubernetes.url}${POD}`, { agent: direct, headers: { Authorization: `Bearer ${kubernetes.adminToken}` } })
              : plainRequest(`${subject.origin}/clusters/prod${POD}`, {
                  agent: through,
                  family: 4,
                  headers: kind === 'cookie' ? { Cookie: cookie } : { Authorization: `Bearer ${bearer}` },
                })
          call.on('response', (response) => {
            if (response.statusCode !== 200)
              return response.on('data', (part: Buffer) => failed(new Error(`${kind}: ${response.statusCode} ${part}`)))
            response.resume().on('end', done)
          })
          call.on('error', failed).end()
        })
      for (let i = 0; i < 200; i += 1) for (const kind of KINDS) await ask(kind)
      const before = (await kubernetes.auditLog()).length
      const times = { direct: [] as number[], cookie: [] as number[], bearer: [] as number[] }
      for (let i = 0; i < ROUNDS; i += 1) for (const kind of KINDS) times[kind].push(await ask(kind))
      await new Promise((resolve) => setTimeout(resolve, 1_000))
      const arrived = (await kubernetes.auditLog())
        .slice(before)
        .filter(({ user, impersonatedUser }) => impersonatedUser !== undefined || user.username?.includes('mandate'))
      return {
        directP50Ms: median(times.direct),
        cookieP50Ms: median(times.cookie),
        bearerP50Ms: median(times.bearer),
        callsPerRequest: arrived.length / (2 * ROUNDS),
      }
    } finally {
      await subject.stop()
    }
  } finally {
    await kubernetes.stop()
  }
}

const KINDS = ['direct', 'cookie', 'bearer'] as const
const POD = '/api/v1/namespaces/default/pods/web'

function timed(call: (done: () => void, failed: (error: Error) => void) => void): Promise<number> {
  const began = performance.now()
  return new Promise((resolve, reject) => call(() => resolve(performance.now() - began), reject))
}
