/** The gateway as a process: what it does when it is told to stop before it serves. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'

const MAIN = new URL('../main.ts', import.meta.url).pathname

/** A gateway whose start waits for the first answer of the API server. */
async function starting(t: TestContext) {
  const asked = Promise.withResolvers<void>()
  const waiting: ServerResponse[] = []
  const world = { answer: false }
  const api = createServer((_request, response) => {
    if (world.answer) response.writeHead(500).end()
    else waiting.push(response)
    asked.resolve()
  }).listen(0, '127.0.0.1')
  t.after(() => {
    api.close()
    api.closeAllConnections()
  })
  await once(api, 'listening')
  const folder = await mkdtemp(join(tmpdir(), 'mandate-stop-'))
  t.after(() => rm(folder, { recursive: true }))
  const config = join(folder, 'mandate.yaml')
  await writeFile(
    config,
    `
publicUrl: http://localhost:8080
listen: { http: { port: 0 }, operations: { port: 0 } }
store: { memory: singleReplica }
providers:
  corp: { kind: oidc, issuer: "https://issuer.invalid", clientId: mandate, clientAuth: { method: none }, audience: mandate }
clusters:
  here: { server: "http://127.0.0.1:${(api.address() as AddressInfo).port}", allow: {}, as: { kind: forward-token } }
brokered:
  maps:
    cluster: here
    account: { token: { env: MANDATE_TEST_ACCOUNT } }
    namespaces: [team-a]
    kinds: { map: { version: v1, resource: configmaps, kind: ConfigMap } }
    operations:
      - name: create
        match: { method: POST, path: "/maps" }
        writes: [{ do: create, kind: map, namespace: team-a, name: a, object: {} }]
`,
  )
  const child = spawn(process.execPath, [MAIN, 'gateway', '--config', config], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, MANDATE_TEST_ACCOUNT: 'YnJva2Vy' },
  })
  t.after(() => child.kill('SIGKILL'))
  let said = ''
  const stopping = Promise.withResolvers<void>()
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text
    if (/"message":"stopping"/.test(said)) stopping.resolve()
  })
  const closed = once(child, 'close') as Promise<[number | null, string | null]>
  const early = closed.then(() => assert.fail(`it has ended: ${said}`))
  early.catch(() => undefined)
  await Promise.race([asked.promise, early])
  child.kill('SIGTERM')
  return {
    closed,
    said: () => said,
    stopping: Promise.race([stopping.promise, early]),
    answer() {
      world.answer = true
      for (const response of waiting.splice(0)) response.writeHead(500).end()
    },
  }
}

test('does not lose the word to stop that comes during the start: it stops once it has started', { timeout: 60_000 }, async (t) => {
  const { stopping, answer, closed, said } = await starting(t)
  await stopping
  answer()
  assert.deepEqual(await closed, [0, null], said())
  assert.match(said(), /"message":"the gateway is serving"/)
})

test('does not wait for a start that does not come to its end', { timeout: 60_000 }, async (t) => {
  const { closed, said } = await starting(t)
  assert.deepEqual(await closed, [0, null], said())
  assert.doesNotMatch(said(), /"message":"the gateway is serving"/)
})
