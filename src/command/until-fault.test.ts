/** The gateway as a process in which something was thrown that nobody caught. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { eventually, openRaw, type RawConnection } from '../../test/fakes/raw-http.ts'

const MAIN = new URL('../main.ts', import.meta.url).pathname
/** Makes faults at signals, as code of ours could: one that throws, one whose promise nobody awaits. */
const FAULTY =
  'process.on("SIGUSR2", () => { throw new Error("with a " + "secret") }); process.on("SIGHUP", () => { Promise.reject(new Error("with a " + "secret")) })'

/** A gateway that serves, and a caller whose request has come only by half. */
async function serving(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'mandate-fault-'))
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
routes:
  - { name: app, match: { host: app.localhost, path: "/**" }, allow: {}, upstream: "http://127.0.0.1:1" }
`,
  )
  const child = spawn(process.execPath, ['--import', `data:text/javascript,${FAULTY}`, MAIN, 'gateway', '--config', config], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  t.after(() => child.kill('SIGKILL'))
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  const closed = once(child, 'close') as Promise<[number | null, string | null]>
  const line = await eventually(
    () => /^.*"message":"the gateway is serving".*$/m.exec(said)?.[0],
    (found) => found !== undefined,
    30_000,
  )
  const { http } = JSON.parse(line ?? '') as { http: number }
  const caller: RawConnection = await openRaw(http)
  caller.send(
    'POST /back-channel-logout/corp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n',
  )
  await caller.until(/100 Continue/)
  return { child, closed, caller, http, said: () => said }
}

for (const [what, signal, origin] of [
  ['a fault', 'SIGUSR2', 'uncaughtException'],
  ['a rejection', 'SIGHUP', 'unhandledRejection'],
] as const) {
  test(`${what} that nobody caught takes nobody in any more, lets what is under way finish, and ends the process as failed`, async (t) => {
    const { child, closed, caller, http, said } = await serving(t)
    child.kill(signal)
    await eventually(
      () =>
        openRaw(http).then(
          ({ socket }) => socket.destroy(),
          () => 'refused',
        ),
      (answer) => answer === 'refused',
    )
    caller.send('a=b')
    assert.match(await caller.closed(), /\r\n\r\nHTTP\/1\.1 [45]\d\d /)
    assert.deepEqual(await closed, [1, null])
    assert.match(said(), new RegExp(`"message":"a fault that nobody caught ends this process","origin":"${origin}"`))
    assert.doesNotMatch(said(), /with a secret/)
  })
}

test('a second fault ends it at once', async (t) => {
  const { child, closed, caller, said } = await serving(t)
  child.kill('SIGUSR2')
  await eventually(said, (text) => text.includes('ends this process'))
  child.kill('SIGUSR2')
  assert.deepEqual(await closed, [1, null])
  assert.doesNotMatch(await caller.closed(), /HTTP\/1\.1 [2-5]\d\d /, 'it was answered')
})
