import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Duplex } from 'node:stream'
import { test } from 'node:test'
import { Refusal } from '../errors.ts'
import { writeRefusal } from './unread-refusals.ts'

for (const [what, write] of [
  ['takes nothing', () => undefined],
  ['takes all and is never done', (done: () => void) => done()],
] as const)
  test(`a refusal to a connection that ${what} ends it in time`, async () => {
    const connection = new Duplex({
      read: () => undefined,
      write: (_chunk, _encoding, done: () => void) => write(done),
      final: () => undefined,
    })
    writeRefusal(connection, new Refusal('request_timeout'), 50)
    assert.equal(connection.destroyed, false)
    await once(connection, 'close')
  })
