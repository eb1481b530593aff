import assert from 'node:assert/strict'
import { once } from 'node:events'
import { duplexPair } from 'node:stream'
import { suite, test } from 'node:test'
import { tunnel } from './tunnel.ts'

const NEVER = { over: false, listen: () => undefined }

suite('a tunnel', () => {
  test('passes on an end that was read before the two were joined', async () => {
    const [caller, atCaller] = duplexPair()
    const [upstream, atUpstream] = duplexPair()
    atCaller.end()
    caller.resume()
    await once(caller, 'end')
    const over = tunnel(caller, upstream, NEVER)
    atUpstream.resume()
    await once(atUpstream, 'end')
    atUpstream.end('last')
    assert.equal(String(await once(atCaller, 'data')), 'last')
    assert.deepEqual(await over, { bytes: 4, end: 'complete' })
  })
})
