/**
 * What 1 GB up and 1 GB down through a route adds to the gateway's memory. The service and the caller are this process; the
 * gateway is one of its own, so that its memory is its own as well.
 *
 *   node bench/routes/big-bodies.ts [--megabytes 1000] [--rounds 2]
 */
import { once } from 'node:events'
import { Agent, createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { forgetPeak, memoryOf } from '../gateway/proc.ts'
import { startSubject } from '../gateway/subject.ts'

export interface BigBodies {
  /** Most bytes of resident memory above those before it, of the rounds the worst. */
  readonly upAdded: number
  readonly downAdded: number
  readonly upSeconds: number
  readonly downSeconds: number
}

const PIECE = Buffer.alloc(65_536, 'x')
const WARM_UP = 500

/** Sends and fetches `bytes` in each round, one after the other. Throws when not every byte arrives. */
export async function measureBigBodies(bytes: number, rounds: number): Promise<BigBodies> {
  const service = createServer((asked, answer) => void serve(asked, answer))
  const origin = await listening(service)
  const subject = await startSubject({
    server: origin,
    adapt: (config) => {
      delete config['clusters']
      config['routes'] = [{ match: { host: 'api.localhost', path: '/**' }, allow: {}, upstream: origin, body: '1000GB' }]
    },
  })
  const pid = subject.process.pid ?? 0
  const { port } = new URL(subject.origin)
  const agent = new Agent({ keepAlive: true, maxSockets: 8 })
  const headers = { Host: `api.localhost:${port}`, Authorization: `Bearer ${subject.bearer()}` }
  const exchange = async (up: number, down: number) => {
    const asked = request({ host: '127.0.0.1', port, agent, method: 'POST', path: `/big?bytes=${down}`, headers })
    const answered = once(asked, 'response')
    await pipeline(pieces(up), asked)
    const [answer] = await answered
    let received = 0
    for await (const part of answer) received += part.length
    if (answer.statusCode !== 200 || received !== down || answer.headers['x-received'] !== String(up))
      throw new Error(`${answer.statusCode}: ${answer.headers['x-received']} of ${up} bytes went up, ${received} of ${down} came down`)
  }
  const measured = async (up: number, down: number) => {
    await sleep(1_000)
    const { now } = await memoryOf(pid)
    await forgetPeak(pid)
    const began = performance.now()
    await exchange(up, down)
    return { added: (await memoryOf(pid)).peak - now, seconds: (performance.now() - began) / 1_000 }
  }
  try {
    // A gateway that has been serving: its code is compiled.
    for (let i = 0; i < WARM_UP; i += 1) await exchange(1_000, 1_000)
    const all: Array<{ up: Awaited<ReturnType<typeof measured>>; down: Awaited<ReturnType<typeof measured>> }> = []
    for (let round = 0; round < rounds; round += 1) all.push({ up: await measured(bytes, 0), down: await measured(0, bytes) })
    return {
      upAdded: Math.max(...all.map(({ up }) => up.added)),
      downAdded: Math.max(...all.map(({ down }) => down.added)),
      upSeconds: Math.min(...all.map(({ up }) => up.seconds)),
      downSeconds: Math.min(...all.map(({ down }) => down.seconds)),
    }
  } finally {
    agent.destroy()
    await subject.stop()
    service.closeAllConnections()
    service.close()
  }
}

/** Takes what is sent, says how much that was, and gives as much as is asked for. */
async function serve(asked: IncomingMessage, answer: ServerResponse): Promise<void> {
  let received = 0
  for await (const part of asked) received += part.length
  const wanted = Number(new URL(asked.url ?? '/', 'http://x').searchParams.get('bytes') ?? 0)
  answer.writeHead(200, { 'content-length': wanted, 'x-received': String(received) })
  await pipeline(pieces(wanted), answer).catch(() => undefined)
}

async function listening(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** So many bytes, made only as fast as they are taken. */
function pieces(bytes: number): Readable {
  return Readable.from(
    (function* () {
      for (let left = bytes; left > 0; left -= PIECE.length) yield left < PIECE.length ? PIECE.subarray(0, left) : PIECE
    })(),
    { objectMode: false },
  )
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { megabytes: { type: 'string', default: '1000' }, rounds: { type: 'string', default: '2' } } })
  const { upAdded, downAdded, upSeconds, downSeconds } = await measureBigBodies(Number(values.megabytes) * 1e6, Number(values.rounds))
  const row = (way: string, added: number, seconds: number) =>
    console.log(`| ${values.megabytes} MB ${way} | at most 64 MB | ${(added / 1e6).toFixed(1)} MB in ${seconds.toFixed(1)} s |`)
  console.log('| what | target | added at most |\n| --- | --- | --- |')
  row('up', upAdded, upSeconds)
  row('down', downAdded, downSeconds)
}
