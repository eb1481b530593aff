import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { Complaint } from '../complaint.ts'
import { configOf } from '../config/config.fake.ts'
import { nameAddress } from './address-in-use.ts'

const config = configOf((draft) => {
  draft.listen['http'] = { host: '::1', port: 18_380 }
  draft.listen['forwardAuth'] = { port: 18_381, trusted: ['127.0.0.1/32'] }
  draft.listen['operations'] = { port: 18_382 }
})
const listenError = (code: string, port: number) => Object.assign(new Error(), { code, syscall: 'listen', address: '127.0.0.1', port })
const said = (error: unknown) => {
  try {
    return nameAddress(config)(error)
  } catch (thrown) {
    return thrown instanceof Complaint ? thrown.message : thrown
  }
}

test('an address that cannot be bound is named with its key', () => {
  const mend = 'is in use: stop what uses it, or choose another port'
  assert.equal(said(listenError('EADDRINUSE', 18_380)), `[::1]:18380 (listen.http) ${mend}`)
  assert.equal(said(listenError('EADDRINUSE', 18_381)), `127.0.0.1:18381 (listen.forwardAuth) ${mend}`)
  assert.match(String(said(listenError('EACCES', 18_382))), /^127\.0\.0\.1:18382 \(listen\.operations\) may not be bound/)
})

test('the system says it in the form that is read here', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1')
  t.after(() => taken.close())
  await once(taken, 'listening')
  const address = taken.address()
  assert.ok(typeof address === 'object' && address !== null)
  const [error] = await once(createServer().listen(address.port, '127.0.0.1'), 'error').catch((thrown) => [thrown])
  assert.deepEqual([error.code, error.syscall, error.port], ['EADDRINUSE', 'listen', address.port])
})

test('any other error is thrown on as it is', () => {
  for (const error of [
    listenError('EADDRINUSE', 1),
    listenError('EIO', 18_380),
    new Error('other'),
    Object.assign(new Error(), { code: 'EACCES' }),
    'text',
  ])
    assert.equal(said(error), error)
})
