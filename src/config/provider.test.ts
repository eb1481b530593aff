import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configOf, type Draft, faultsAfter } from './config.fake.ts'

const withCorp = (changes: object) => (draft: Draft) => {
  Object.assign(draft.providers['corp'] ?? {}, changes)
}

test('refuses a list of clients of people that says nothing, and one without the client of the command line', () => {
  const idTokens = { accept: 'id-token', audience: undefined, personClients: ['web'] }
  assert.match(faultsAfter(withCorp(idTokens)).join('\n'), /^providers.corp.personClients \| says nothing of ID tokens.* \| remove it$/m)
  const commandLine = { clientId: 'cli' }
  assert.deepEqual(faultsAfter(withCorp({ personClients: ['web'], commandLine })), [
    'providers.corp.personClients | lacks the clientId of commandLine, so that every token of the command line would be refused | add it',
  ])
  assert.equal(faultsAfter(withCorp({ personClients: [''] })).length, 1)
  for (const fine of [{ personClients: ['cli'], commandLine }, { commandLine }, { personClients: [] }])
    assert.deepEqual(faultsAfter(withCorp(fine)), [])
})

test('people may come by any client, unless a list says by which', () => {
  assert.equal(configOf().providers['corp']?.personClients, undefined)
  assert.deepEqual(configOf(withCorp({ personClients: ['web'] })).providers['corp']?.personClients, ['web'])
})
