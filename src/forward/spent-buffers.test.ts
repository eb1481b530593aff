import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '../../test/fakes/raw-http.ts'
import { passedOn } from './spent-buffers.ts'

const PIECE = 65_536
const PIECES = 200

/** Makes as many bytes of buffers as a body that passes, spent at once; gives how many are held then. */
function spend(): number {
  for (let i = 0; i < PIECES; i += 1) Buffer.allocUnsafeSlow(PIECE)
  return process.memoryUsage().arrayBuffers
}

test('buffers of a large body that are spent are freed once enough of it has passed', async () => {
  passedOn(1e9)
  const held = spend()
  assert.ok(held >= PIECES * PIECE)
  passedOn(1e9)
  await eventually(
    () => process.memoryUsage().arrayBuffers,
    (now) => now < held - (PIECES * PIECE) / 2,
  )
})

test('the collector is not left for anybody else to call', () => {
  passedOn(1e9)
  assert.equal('gc' in globalThis, false)
})
