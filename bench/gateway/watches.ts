/** What 2,000 open watches cost the gateway in memory, without TLS and with it on both sides. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { type ClientRequest, Agent as PlainAgent, request as plainRequest } from 'node:http'
import { Agent as TlsAgent, request as tlsRequest } from 'node:https'
import { createCertificateAuthority } from '../../src/dev/certificate-authority.ts'
import { startSubject } from './subject.ts'

export interface WatchesResult {
  readonly tls: boolean
  readonly watches: number
  /** Bytes of resident memory for each watch. */
  readonly bytesEach: number
}

/** Opens them, lets the collector rest, and compares with the memory before. */
export async function measureWatches(watches: number, withTls: boolean, state: 'cold' | 'warm'): Promise<WatchesResult> {
  const ca = await createCertificateAuthority('bench')
  const leaf = await ca.issue({ commonName: 'localhost', dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] })
  const upstream = spawn(process.execPath, ['bench/gateway/upstream.ts'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...(withTls ? { UPSTREAM_CERT: leaf.certificatePem, UPSTREAM_KEY: leaf.privateKeyPem } : {}) },
  })
  const [port] = (await once(upstream.stdout, 'data')) as [Buffer]
  const subject = await startSubject({
    server: `${withTls ? 'https' : 'http'}://127.0.0.1:${port.toString().trim()}`,
    ...(withTls
      ? {
          ca: ca.certificatePem,
          tls: { certificatePem: `${leaf.certificatePem}\n${ca.certificatePem}`, privateKeyPem: leaf.privateKeyPem },
        }
      : {}),
    brokerToken: 'bench-broker',
  })
  const open: ClientRequest[] = []
  try {
    const headers = { Authorization: `Bearer ${subject.bearer()}` }
    const agent = withTls
      ? new TlsAgent({ ca: ca.certificatePem, maxSockets: Number.POSITIVE_INFINITY })
      : new PlainAgent({ maxSockets: Number.POSITIVE_INFINITY })
    const warm = withTls ? new TlsAgent({ ca: ca.certificatePem, keepAlive: true }) : new PlainAgent({ keepAlive: true })
    const watch = () =>
      new Promise<void>((resolve, reject) => {
        const request = (withTls ? tlsRequest : plainRequest)(`${subject.origin}/clusters/prod/api/v1/pods?watch=true`, {
          agent,
          headers,
          family: 4,
        })
        open.push(request)
        request.on('response', (response) => {
          response.once('data', (part: Buffer) =>
            response.statusCode === 200 ? resolve() : reject(new Error(`a watch was answered ${response.statusCode}: ${part}`)),
          )
          response.on('error', () => undefined)
        })
        request.on('error', reject)
        request.end()
      })
    // Warm is a gateway that has been serving: its code is compiled, and its young generation, some 50 MB that come once, has grown.
    const get = () =>
      new Promise<void>((resolve, reject) => {
        const url = `${subject.origin}/clusters/prod/api/v1/namespaces/team-a/pods/web`
        const request = (withTls ? tlsRequest : plainRequest)(url, { agent: warm, headers, family: 4 }, (response) =>
          response.resume().on('end', resolve),
        )
        request.on('error', reject).end()
      })
    if (state === 'warm') for (let asked = 0; asked < WARM_UP; asked += 100) await Promise.all(Array.from({ length: 100 }, get))
    await Promise.all(Array.from({ length: 50 }, watch))
    await settle()
    const before = await subject.rss()
    for (let opened = 0; opened < watches; opened += 100) await Promise.all(Array.from({ length: 100 }, watch))
    await settle()
    return { tls: withTls, watches, bytesEach: ((await subject.rss()) - before) / watches }
  } finally {
    for (const request of open) request.on('error', () => undefined).destroy()
    await subject.stop()
    upstream.kill()
  }
}

const WARM_UP = 10_000

const settle = () => new Promise((resolve) => setTimeout(resolve, 4_000))
