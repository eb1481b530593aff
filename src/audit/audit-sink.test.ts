import { mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { createFakeClock, type FakeClock } from '../clock.fake.ts'
import { networkOf } from '../gateway/address.ts'
import { auditSinkConformance, type OpenSink } from './audit-sink.conformance.ts'
import type { AuditSink } from './audit-sink.ts'
import { JsonLinesSink } from './json-lines.ts'
import { fileTarget, streamTarget } from './line-target.ts'
import { summed } from './summed.ts'

type Wrap = (sink: JsonLinesSink, clock: FakeClock) => AuditSink
const plain: Wrap = (sink) => sink

async function overFile(wrap: Wrap): Promise<OpenSink> {
  const folder = await mkdtemp(join(tmpdir(), 'mandate-audit-'))
  const path = join(folder, 'audit.log')
  const clock = createFakeClock()
  const sink = new JsonLinesSink({ target: fileTarget(path), clock })
  return {
    sink: wrap(sink, clock),
    clock,
    read: () => readFile(path, 'utf8').catch(() => ''),
    async breakDown() {
      // Its folder is moved away, as by a volume that is gone.
      await rename(folder, `${folder}-away`)
      return () => rename(`${folder}-away`, folder)
    },
    async close() {
      await sink.close()
      await rm(folder, { recursive: true })
    },
  }
}

async function overStream(wrap: Wrap): Promise<OpenSink> {
  const clock = createFakeClock()
  let taken = ''
  let broken = false
  const open = () =>
    streamTarget(
      new Writable({
        write(chunk: Buffer, _encoding, done) {
          if (!broken) taken += chunk.toString('utf8')
          done(broken ? new Error('broken') : undefined)
        },
      }),
    )
  // A stream that has failed stays failed, so whoever mends it gives a new one.
  let target = open()
  const sink = new JsonLinesSink({ target: { write: (lines) => target.write(lines), close: () => target.close() }, clock })
  return {
    sink: wrap(sink, clock),
    clock,
    read: async () => taken,
    async breakDown() {
      broken = true
      return async () => {
        broken = false
        target = open()
      }
    },
    close: () => sink.close(),
  }
}

auditSinkConformance('JSON lines to a file', () => overFile(plain))
auditSinkConformance('JSON lines to a stream', () => overStream(plain))
auditSinkConformance('summed, to a file', () => overFile((sink, clock) => summed(sink, clock, networkOf)))
auditSinkConformance('summed, to a stream', () => overStream((sink, clock) => summed(sink, clock, networkOf)))
