/** The contract of `audit-sink.ts`, run against every implementation. Refusals first. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FakeClock } from '../clock.fake.ts'
import { anonymousRefusal, effectOf, eventsIn } from './audit-sink.fake.ts'
import type { AuditSink } from './audit-sink.ts'

export interface OpenSink {
  readonly sink: AuditSink
  readonly clock: FakeClock
  /** Everything that the kernel has, as text. */
  read(): Promise<string>
  /** Makes writing fail until the returned function is called. */
  breakDown(): Promise<() => Promise<void>>
  close(): Promise<void>
}

export function auditSinkConformance(name: string, open: () => Promise<OpenSink>): void {
  describe(`the audit contract: ${name}`, () => {
    let opened: OpenSink
    before(async () => {
      opened = await open()
    })
    after(() => opened.close())
    const effects = async () => eventsIn(await opened.read()).flatMap((event) => ('effect' in event ? [event.effect] : []))

    test('refuses a record that cannot be written, with audit_unavailable', async () => {
      const mend = await opened.breakDown()
      await assert.rejects(opened.sink.record(effectOf('lost')), { name: 'Refusal', code: 'audit_unavailable', status: 503 })
      await mend()
      assert.deepEqual(await effects(), [])
    })

    test('takes a note without a throw while nothing can be written', async () => {
      const mend = await opened.breakDown()
      opened.sink.note(effectOf('kept'))
      await assert.rejects(opened.sink.record(effectOf('lost')), { code: 'audit_unavailable' })
      await mend()
    })

    test('takes records again once writing works, and what was noted meanwhile comes first', async () => {
      await opened.sink.record(effectOf('after'))
      assert.deepEqual(await effects(), ['kept', 'after'])
    })

    test('has a record with the kernel when it resolves', async () => {
      await opened.sink.record(effectOf('now'))
      assert.equal((await effects()).at(-1), 'now')
    })

    test('keeps the order of records', async () => {
      const names = Array.from({ length: 30 }, (_, at) => `o${at}`)
      await Promise.all(names.map((each) => opened.sink.record(effectOf(each))))
      assert.deepEqual((await effects()).slice(-30), names)
    })

    test('writes a note within 100 ms', async () => {
      opened.sink.note(effectOf('noted'))
      await opened.clock.advance(100)
      // The clock is a fake, the disk is not.
      for (let i = 0; i < 2_000 && (await effects()).at(-1) !== 'noted'; i++) await sleep(1)
      assert.equal((await effects()).at(-1), 'noted')
    })

    test('records ten refusals a second of somebody who was authenticated, each by itself', async () => {
      const who = { kind: 'person', provider: 'corp', issuer: 'https://issuer.example', subject: 'alice', proof: 'login:1' } as const
      await Promise.all(
        Array.from({ length: 10 }, (_, at) => opened.sink.record(anonymousRefusal('192.0.2.1', { who, attempt: `r${at}` }))),
      )
      assert.equal(eventsIn(await opened.read()).filter(({ event }) => event === 'refused').length, 10)
    })

    test('writes one JSON object a line', async () => {
      const text = await opened.read()
      assert.ok(text.endsWith('\n'))
      for (const each of text.slice(0, -1).split('\n')) assert.equal(typeof JSON.parse(each), 'object')
    })
  })
}
