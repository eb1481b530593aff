/** Shows that a way to the upstream is what the comparison says it is, before anything is measured on it. */

import { stat } from 'node:fs/promises'
import { request } from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Lane } from './lanes.ts'

/**
 * The body arrives whole, the upstream is told who asks, nobody is let in without credentials, and the log grows. Throws
 * an Error that says which of these is not so.
 */
export async function prove(lane: Lane): Promise<void> {
  const { name, target, probeUrl, log, identity } = lane
  const before = await sizeOf(log)
  const answered = await get(target.url, target.headers)
  if (answered.status !== 200 || answered.body.length !== 1_024) {
    throw new Error(`${name}: ${answered.status} with ${answered.body.length} bytes: ${answered.body.slice(0, 200)}`)
  }
  const probed = await get(probeUrl, target.headers)
  const { head } = JSON.parse(probed.body) as { head: readonly string[] }
  if (identity !== undefined) {
    if (!head.some((line) => line.toLowerCase().startsWith(identity))) throw new Error(`${name}: the upstream was not told who asks`)
    const credentials = new Set(['cookie', 'authorization'])
    const without = Object.entries(target.headers).filter(([header]) => !credentials.has(header.toLowerCase()))
    const { status } = await get(target.url, Object.fromEntries(without))
    if (![302, 401, 403].includes(status)) throw new Error(`${name}: ${status} without credentials`)
  }
  if (log === undefined) return
  const deadline = Date.now() + 5_000
  while ((await sizeOf(log)) <= before) {
    if (Date.now() > deadline) throw new Error(`${name}: its log does not grow`)
    await sleep(20)
  }
}

function sizeOf(path: string | undefined): Promise<number> {
  if (path === undefined) return Promise.resolve(0)
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  )
}

function get(url: string, headers: Readonly<Record<string, string>>): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    request(url, { headers, agent: false }, (response) => {
      text(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject)
    })
      .on('error', reject)
      .end()
  })
}
