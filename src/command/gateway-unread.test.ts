/** A gateway whose log has lost its reader: strangers can set off a line of it, and must not end the process by that. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

const MAIN = new URL('../main.ts', import.meta.url).pathname

test('serves on when nobody reads its log any more', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'mandate-unread-'))
  t.after(() => rm(folder, { recursive: true }))
  const config = join(folder, 'mandate.yaml')
  await writeFile(
    config,
    `
publicUrl: http://localhost:8080
listen: { http: { port: 0 }, operations: { port: 0 } }
store: { memory: singleReplica }
audit: { file: ${join(folder, 'audit.jsonl')} }
providers:
  corp: { kind: oidc, issuer: "http://127.0.0.1:9", clientId: mandate, clientAuth: { method: none }, audience: mandate }
`,
  )
  const child = spawn(process.execPath, [MAIN, 'gateway', '--config', config], { stdio: ['ignore', 'ignore', 'pipe'] })
  t.after(() => child.kill('SIGKILL'))
  const closed = once(child, 'exit') as Promise<[number | null, string | null]>
  let said = ''
  const serving = Promise.withResolvers<number>()
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text
    const port = /"the gateway is serving".*"http":(\d+)/.exec(said)?.[1]
    if (port !== undefined) serving.resolve(Number(port))
  })
  const port = await Promise.race([serving.promise, closed.then(() => assert.fail(said))])
  child.stderr.destroy()
  // The issuer is not there, which is logged.
  for (let nth = 0; nth < 3; nth += 1) {
    const { status } = await fetch(`http://127.0.0.1:${port}/login?provider=corp`, { headers: { host: 'localhost:8080' } })
    assert.equal(status, 503)
  }
  child.kill('SIGTERM')
  assert.deepEqual(await closed, [0, null])
})
