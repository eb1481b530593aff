import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configOf, type Draft, faultsAfter } from '../config.fake.ts'

const corp = (change: Record<string, unknown>) => (draft: Draft) => Object.assign(draft.providers['corp'] ?? {}, change)
const SECRET = { method: 'secret', secret: { env: 'ANY' } }

test("refuses the gateway's confidential client for the command line", () => {
  const [fault, ...others] = faultsAfter(corp({ clientAuth: SECRET, commandLine: { clientId: 'mandate' } }))
  assert.match(fault ?? '', /^providers\.corp\.commandLine\.clientId \| is the gateway's own client/)
  assert.deepEqual(others, [])
})

test('refuses ID tokens that name another audience than the client of the command line', () => {
  for (const audience of [{}, { audience: 'api://mandate' }]) {
    const [fault] = faultsAfter(corp({ accept: 'id-token', audience: undefined, ...audience, commandLine: { clientId: 'cli' } }))
    assert.match(fault ?? '', /^providers\.corp\.audience \| is not the clientId of commandLine/)
  }
})

test('refuses scopes without openid, no client, no scopes, and keys it does not know', () => {
  const faultOf = (commandLine: unknown) => faultsAfter(corp({ commandLine }))[0] ?? ''
  assert.match(faultOf({ clientId: 'cli', scopes: ['profile'] }), /^providers\.corp\.commandLine\.scopes \| lacks openid/)
  assert.match(faultOf({}), /^providers\.corp\.commandLine\.clientId \| is missing/)
  assert.match(faultOf({ clientId: 'cli', scopes: [] }), /^providers\.corp\.commandLine\.scopes \| is empty/)
  assert.match(faultOf({ clientId: 'cli', secret: 's' }), /^providers\.corp\.commandLine\.secret \| is not a key/)
})

test('takes a public client of its own, and the one that the gateway has when that is public too', () => {
  const config = configOf(corp({ clientAuth: SECRET, commandLine: { clientId: 'cli' } }))
  assert.deepEqual(config.providers['corp']?.commandLine, { clientId: 'cli', scopes: ['openid', 'profile', 'offline_access'] })
  assert.deepEqual(faultsAfter(corp({ commandLine: { clientId: 'mandate' } })), [])
  assert.deepEqual(faultsAfter(corp({ accept: 'id-token', audience: 'cli', commandLine: { clientId: 'cli' } })), [])
})
