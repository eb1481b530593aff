/** What lies between Mandate and the API server: TLS ends here, so a test can see each request and break it where it likes. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { Agent, createServer, request as send } from 'node:https'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import type { TestContext } from 'node:test'
import { createCertificateAuthority } from '../../src/dev/certificate-authority.ts'
import type { Kubernetes } from './parts/kube-apiserver.ts'

export interface Seen {
  readonly method: string
  readonly path: string
  readonly bearer: string
  readonly body: string
}

/** What can be done with a request; one of them must be. */
export interface Way {
  /** Sends it on, and the answer back. */
  pass(): void
  /** Sends it on, and cuts the connection once the answer is there. */
  loseAnswer(): void
  /** Cuts the connection; nothing was sent on. */
  cut(): void
  answer(status: number, body: object, headers?: Readonly<Record<string, string>>): void
}

export type Tampering = (seen: Seen, way: Way) => void | Promise<void>

export interface FaultyWay {
  /** `https://127.0.0.1:<port>`, trusted by `caPem`. */
  readonly url: string
  readonly caPem: string
  tamper(how?: Tampering): void
}

const PASS: Tampering = (_seen, way) => way.pass()

/** Starts it; it is closed when the test ends. */
export async function startFaultyWay(t: TestContext, { url, caPem }: Pick<Kubernetes, 'url' | 'caPem'>): Promise<FaultyWay> {
  const authority = await createCertificateAuthority('Way to the API server')
  const { certificatePem: cert, privateKeyPem: key } = await authority.issue({ commonName: 'way', ipAddresses: ['127.0.0.1'] })
  const agent = new Agent({ keepAlive: true, ca: caPem })
  let tampering = PASS
  const server = createServer({ cert, key }, (request, response) => {
    response.on('error', () => undefined)
    void take(request, response)
  })
  const take = async (request: IncomingMessage, response: ServerResponse) => {
    const { method = 'GET', url: path = '/', headers, socket } = request
    const body = await buffer(request).catch(() => undefined)
    if (body === undefined) return
    const sendOn = (answered: (answer: IncomingMessage) => void) => {
      const onward = send(`${url}${path}`, { method, headers, agent }, answered)
      onward.once('error', () => response.destroy())
      response.once('close', () => onward.destroy())
      onward.end(body)
    }
    await tampering(
      { method, path, bearer: headers.authorization?.replace(/^Bearer /, '') ?? '', body: body.toString('utf8') },
      {
        pass: () =>
          sendOn((answer) => {
            response.writeHead(answer.statusCode ?? 502, answer.headers)
            // A watch says nothing for a while, and must have begun all the same.
            response.flushHeaders()
            answer.pipe(response)
          }),
        loseAnswer: () =>
          sendOn((answer) => {
            answer.resume().once('end', () => socket.destroy())
          }),
        cut: () => void socket.destroy(),
        answer: (status, said, more = {}) => {
          response.writeHead(status, { 'Content-Type': 'application/json', ...more }).end(JSON.stringify(said))
        },
      },
    )
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(async () => {
    server.closeAllConnections()
    agent.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    caPem: authority.certificatePem,
    tamper: (how = PASS) => {
      tampering = how
    },
  }
}
