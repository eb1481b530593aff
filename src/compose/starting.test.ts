/** What a replica says of itself while it starts. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { composeGateway } from '../compose.ts'
import { configOf } from '../config/config.fake.ts'
import { freePort } from '../dev/free-port.ts'
import { createLog } from '../log.ts'

test('probes have an answer while the store is waited for: alive, and not ready', { timeout: 60_000 }, async (t) => {
  const sockets: Socket[] = []
  const connected = Promise.withResolvers<void>()
  const silent = createServer((socket) => {
    sockets.push(socket.on('error', () => undefined))
    connected.resolve()
  }).listen(0, '127.0.0.1')
  t.after(() => silent.close())
  await once(silent, 'listening')
  const folder = await mkdtemp(join(tmpdir(), 'mandate-starting-'))
  t.after(() => rm(folder, { recursive: true }))
  const [url, key] = [join(folder, 'url'), join(folder, 'key')]
  await writeFile(url, `redis://127.0.0.1:${(silent.address() as AddressInfo).port}`)
  await writeFile(key, randomBytes(32).toString('base64'))
  const port = await freePort(0)
  const config = configOf((d) => {
    d.publicUrl = 'http://localhost'
    Object.assign(d.listen, { operations: { port } })
    d.store = { redis: { url: { file: url }, keys: [{ id: 'a', key: { file: key } }] } }
  })
  const starting = composeGateway(config, { log: createLog(() => undefined, 'silent') })
  const ask = async (path: string) => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`)
    return [answer.status, ((await answer.json()) as { missing?: unknown }).missing]
  }
  await connected.promise
  assert.deepEqual([(await ask('/health'))[0], await ask('/ready')], [200, [503, ['the start, which is not over']]])
  silent.close()
  for (const socket of sockets) socket.destroy()
  const gateway = await starting
  t.after(() => gateway.stop())
  assert.deepEqual([await ask('/ready'), gateway.missing()], [[503, ['the shared store']], ['the shared store']])
})
