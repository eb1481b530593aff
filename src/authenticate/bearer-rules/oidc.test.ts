import assert from 'node:assert/strict'
import { test } from 'node:test'
import { stageBearers } from '../bearer-jwt.fake.ts'

test('an ID, logout, refresh or key-bound token is no access token, whichever type its header claims', async () => {
  const plain = stageBearers({ accessTokenType: 'jwt' })
  for (const claims of [
    { nonce: 'n' },
    { at_hash: 'x' },
    { c_hash: 'x' },
    { events: {} },
    { typ: 'ID' },
    { typ: 'Refresh' },
    { typ: 'Logout' },
    { cnf: { jkt: 'x' } },
  ]) {
    await plain.rejects(plain.token(claims, { typ: 'JWT' }), 'token_type_wrong', JSON.stringify(claims))
  }
  await plain.rejects(plain.token({}, { typ: 'at+jwt' }), 'token_type_wrong')
  await plain.rejects(plain.token({}, { typ: 'logout+jwt' }), 'token_type_wrong')
  await plain.caller(plain.token({ typ: 'Bearer' }, { typ: 'JWT' }))
  await plain.caller(plain.token({}, { typ: undefined }))
  const typed = stageBearers()
  for (const typ of ['JWT', undefined, 'logout+jwt']) await typed.rejects(typed.token({}, { typ }), 'token_type_wrong')
  await typed.rejects(typed.token({ cnf: {} }), 'token_type_wrong')
})

test('a provider of ID tokens takes no access tokens, and of several audiences the authorized party must be ours', async () => {
  const { token, rejects, caller } = stageBearers({ accept: 'id-token', audience: 'web' })
  const jwt = { typ: 'JWT' }
  await rejects(token({ aud: 'web' }), 'token_type_wrong')
  await rejects(token({ aud: 'web', typ: 'Bearer' }, jwt), 'token_type_wrong')
  await rejects(token({ aud: 'web', events: {} }, jwt), 'token_type_wrong')
  await rejects(token({ aud: ['web', 'other'] }, jwt), 'token_audience_wrong')
  await rejects(token({ aud: ['web', 'other'], azp: 'other' }, jwt), 'token_audience_wrong')
  await rejects(token({ aud: 'other' }, jwt), 'token_audience_wrong')
  assert.equal((await caller(token({ aud: ['web', 'other'], azp: 'web', typ: 'ID', nonce: 'n' }, jwt))).principal.kind, 'person')
})

test('a machine is a configured client without a user, and nothing else', async () => {
  const { token, rejects, caller } = stageBearers({ machineClients: ['batch', 'Batch2'] })
  const kind = async (claims: object) => (await caller(token(claims))).principal.kind
  // A client that nobody listed is nobody.
  await rejects(token({ sub: 'other', client_id: 'other' }), 'denied')
  await rejects(token({ sub: 'u', client_id: 'other', azp: 'other', preferred_username: 'service-account-other' }), 'denied')
  // A listed client with a user is that person.
  assert.equal(await kind({ client_id: 'batch' }), 'person')
  assert.equal(await kind({ client_id: undefined, azp: 'batch', preferred_username: 'ada' }), 'person')
  assert.equal(await kind({ sub: 'batch', client_id: 'batch', username: 'ada' }), 'person')
  assert.equal(await kind({ sub: 'batch', client_id: 'batch', azp: 'web' }), 'person')
  // A person may call herself what a service account is called, but cannot make Keycloak write client_id.
  assert.equal(await kind({ sub: 'u', client_id: undefined, azp: 'batch', preferred_username: 'service-account-batch' }), 'person')
  assert.equal(await kind({ sub: 'u', client_id: 'batch', azp: 'batch', preferred_username: 'service-account-other' }), 'person')
  assert.equal(await kind({ sub: 'batch', client_id: 'batch' }), 'machine')
  assert.equal(await kind({ sub: 'u', client_id: 'Batch2', azp: 'Batch2', preferred_username: 'service-account-batch2' }), 'machine')
})

test('a machine of Auth0, Okta, Entra or Keycloak counts as one, and never as a person', async () => {
  const { token, rejects, caller } = stageBearers({ accessTokenType: 'jwt', machineClients: ['listed'] })
  const kind = async (claims: object) => (await caller(token({ client_id: undefined, ...claims }, { typ: 'JWT' }))).principal.kind
  const forms: Readonly<Record<string, (client: string) => object>> = {
    Auth0: (client) => ({ sub: `${client}@clients`, azp: client, gty: 'client-credentials' }),
    'Auth0 by its subject': (client) => ({ sub: `${client}@clients`, azp: client }),
    Okta: (client) => ({ sub: client, cid: client }),
    'Entra v2': (client) => ({ sub: 'o', oid: 'o', azp: client, idtyp: 'app' }),
    'Entra v1 without idtyp': (client) => ({ sub: 'o', oid: 'o', appid: client }),
    'Keycloak without profile': (client) => ({ sub: 'u', azp: client, client_id: client, clientHost: '10.0.0.1', acr: '1' }),
    'Keycloak without profile and mappers': (client) => ({ sub: 'u', azp: client, client_id: client }),
  }
  for (const [name, of] of Object.entries(forms)) {
    await rejects(token({ client_id: undefined, ...of('other') }, { typ: 'JWT' }), 'denied', name)
    assert.equal(await kind(of('listed')), 'machine', name)
  }
  // People of the same issuers.
  assert.equal(await kind({ sub: 'auth0|5', azp: 'listed' }), 'person')
  assert.equal(await kind({ sub: 'ada@corp.example', uid: '00u', cid: 'listed' }), 'person')
  assert.equal(await kind({ sub: 'pairwise', oid: 'o', azp: 'listed', scp: 'x' }), 'person')
  assert.equal(await kind({ sub: 'o', oid: 'o', azp: 'listed', scp: 'x' }), 'person')
  assert.equal(await kind({ sub: 'u', azp: 'listed', sid: 's' }), 'person')
  assert.equal(await kind({ sub: 'u', azp: 'listed', client_id: 'listed', sid: 's' }), 'person')
  await rejects(token({ client_id: undefined, gty: 'client-credentials' }, { typ: 'JWT' }), 'denied')
})

test('claims of the wrong shape refuse the token', async () => {
  const { token, rejects } = stageBearers()
  for (const claims of [
    { groups: [1] },
    { groups: {} },
    { groups: [''] },
    { act: 'x' },
    { act: { sub: '' } },
    { act: { sub: 'a', iss: 1 } },
  ]) {
    await rejects(token(claims), 'token_claims_invalid', JSON.stringify(claims))
  }
})
