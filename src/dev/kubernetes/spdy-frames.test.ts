import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Frame, FrameReader, FrameWriter } from './spdy-frames.ts'

test('refuses frames too long, and headers that are cut off or not compressed', async () => {
  await assert.rejects(new FrameReader().read(Buffer.from('0000000100ffffff', 'hex')), /too long/)
  const garbage = Buffer.concat([Buffer.from('8003000100000010', 'hex'), Buffer.alloc(16, 0x41)])
  await assert.rejects(new FrameReader().read(garbage))
  const vast = await new FrameWriter().write({ kind: 'open', stream: 1, headers: new Map([['x', 'x'.repeat(2 << 20)]]), last: false })
  await assert.rejects(new FrameReader().read(vast))
})

test('reads frames as they were written, however the bytes are cut, and leaves out what it does not know', async () => {
  const headers = (port: string): Map<string, string> => new Map(Object.entries({ streamtype: 'data', port, requestid: '7' }))
  const frames: Frame[] = [
    { kind: 'open', stream: 1, headers: headers('80'), last: true },
    { kind: 'open', stream: 3, headers: headers('443'), last: false },
    { kind: 'reply', stream: 3 },
    { kind: 'data', stream: 3, bytes: Buffer.from('bytes'), last: false },
    { kind: 'data', stream: 3, bytes: Buffer.alloc(0), last: true },
    { kind: 'ping', id: 9 },
    { kind: 'reset', stream: 1 },
  ]
  const writer = new FrameWriter()
  const settings = Buffer.from('800300040000000400000000', 'hex')
  const written: Buffer[] = [settings]
  for (const frame of frames) written.push(await writer.write(frame))
  for (const size of [1, 13, 10_000]) {
    const reader = new FrameReader()
    const bytes = Buffer.concat(written)
    const read: Frame[] = []
    for (let at = 0; at < bytes.length; at += size) read.push(...(await reader.read(bytes.subarray(at, at + size))))
    assert.deepEqual(read, frames)
  }
})
