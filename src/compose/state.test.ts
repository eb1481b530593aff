/** The audit log as it is composed: a start without it fails, and whoever asks learns when it is down. */
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { anonymousRefusal } from '../audit/audit-sink.fake.ts'
import { systemClock } from '../clock.ts'
import { Complaint } from '../complaint.ts'
import { composeGateway } from '../compose.ts'
import { configOf } from '../config/config.fake.ts'
import { Lifecycle } from '../lifecycle.ts'
import { createLog } from '../log.ts'
import { createMetrics } from '../metrics.ts'
import { composeAudit } from './state.ts'

async function composed(t: TestContext, path: string) {
  const folder = await mkdtemp(join(tmpdir(), 'mandate-state-'))
  const lifecycle = new Lifecycle()
  t.after(async () => {
    await lifecycle.stop()
    await rm(folder, { recursive: true })
  })
  const lines: string[] = []
  const log = createLog((line) => lines.push(line))
  const metrics = createMetrics()
  const file = join(folder, path)
  const compose = () => composeAudit({ audit: { file } }, { clock: systemClock, log }, metrics, lifecycle)
  const up = async () => /^mandate_audit_up (\d)$/m.exec((await metrics.expose()).body)?.[1]
  return { folder, file, compose, lines, up }
}

async function until(what: () => boolean): Promise<void> {
  const deadline = Date.now() + 20_000
  while (!what()) {
    assert.ok(Date.now() < deadline, 'it did not come to that')
    await sleep(20)
  }
}

test('refuses to start without the folder of audit.file, in words that name file and reason', async (t) => {
  const { compose, file } = await composed(t, 'nowhere/audit.jsonl')
  assert.throws(compose, (error) => {
    assert.ok(error instanceof Complaint)
    assert.equal(error.message, `the audit log (audit.file) cannot be written: ${file}: its folder is not there (ENOENT)`)
    return true
  })
})

test('is down when its folder goes away, says so with file and code, and is up again by itself', { timeout: 60_000 }, async (t) => {
  const { compose, file, folder, lines, up } = await composed(t, 'logs/audit.jsonl')
  await mkdir(join(folder, 'logs'))
  const audit = compose()
  assert.equal(await readFile(file, 'utf8'), '', 'it is opened at start')
  await audit.record(anonymousRefusal('192.0.2.1'))
  assert.deepEqual([audit.down, await up()], [false, '1'])

  await rename(join(folder, 'logs'), join(folder, 'elsewhere'))
  // For a second the file that is open is taken as it is: a rotation moves it away.
  await until(() => {
    audit.record(anonymousRefusal('192.0.2.1')).catch(() => undefined)
    return audit.down
  })
  assert.equal(await up(), '0')
  const [said] = lines.map((line) => JSON.parse(line))
  assert.deepEqual([said.message, said.file, said.code], ['the audit log cannot be written: every attempt is refused', file, 'ENOENT'])

  await mkdir(join(folder, 'logs'))
  await until(() => !audit.down)
  assert.equal(await up(), '1')
  assert.match(lines.at(-1) ?? '', /the audit log can be written again/)
})

test('a replica that cannot write it is not ready, and says why', { timeout: 60_000 }, async (t) => {
  const world = { fault: false }
  const gateway = await composeGateway(
    configOf((draft) => {
      draft.publicUrl = 'http://localhost'
    }),
    {
      log: createLog(() => undefined, 'silent'),
      auditTarget: {
        write: async () => {
          if (world.fault) throw new Error('the disk is full')
        },
        close: async () => undefined,
      },
    },
  )
  t.after(() => gateway.stop())
  const ready = async () => {
    const answer = await fetch(`http://127.0.0.1:${gateway.ports.operations}/ready`)
    return [answer.status, ((await answer.json()) as { missing: unknown }).missing]
  }
  const ask = async () => (await fetch(`http://127.0.0.1:${gateway.ports.http}/clusters/prod/api`)).status
  assert.deepEqual([await ask(), await ready()], [401, [200, []]])
  world.fault = true
  assert.deepEqual([await ask(), await ready()], [503, [503, ['the audit log']]])
  world.fault = false
  for (const deadline = Date.now() + 20_000; (await ready())[0] !== 200; await sleep(20)) assert.ok(Date.now() < deadline)
})
