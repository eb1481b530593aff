import assert from 'node:assert/strict'
import { test } from 'node:test'
import { stageBearers } from '../bearer-jwt.fake.ts'

/** What some issuers write into claims instead of a header. */
const OTHER_USES = [
  ...['id', 'refresh', 'ACCESS', '', null, ['access']].map((use) => ({ token_use: use })),
  ...['id', 'refresh', 'refresh_token', 'id_token', '', null, ['access']].map((type) => ({ token_type: type })),
]

test('an ID, logout, refresh or key-bound token is no access token, whichever type its header claims', async () => {
  const plain = stageBearers({ accessTokenType: 'jwt' })
  for (const claims of [
    { client_id: undefined, nonce: 'n' },
    { at_hash: 'x' },
    { c_hash: 'x' },
    { s_hash: 'x' },
    { events: {} },
    { typ: 'ID' },
    { typ: 'Refresh' },
    { typ: 'Logout' },
    { cnf: { jkt: 'x' } },
    ...OTHER_USES,
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
  // Both must say so: a header that any signer of the issuer writes is no better than the claim that contradicts it.
  for (const claims of OTHER_USES) await typed.rejects(typed.token(claims), 'token_type_wrong', JSON.stringify(claims))
  for (const claims of [{ token_use: 'access' }, { token_type: 'access' }, { token_type: 'access_token' }, { token_type: 'Bearer' }])
    for (const { token, caller } of [plain, typed]) await caller(token(claims, { typ: token === plain.token ? 'JWT' : 'at+jwt' }))
  // Its header says what it is, so of its claims a nonce says nothing.
  await typed.caller(typed.token({ nonce: 'n' }))
})

test('refuses a nonce where it may be that of an ID token: the token names no client, or one that it is for', async () => {
  const { token, rejects, caller } = stageBearers({ accessTokenType: 'jwt' })
  const of = (claims: object) => token({ client_id: undefined, nonce: 'n', ...claims }, { typ: 'JWT' })
  const both = ['https://mandate.test/api', 'web']
  for (const claims of [{}, { azp: 'https://mandate.test/api' }, { aud: both, azp: 'web' }, { aud: both, cid: 'web' }, { azp: ['web'] }])
    await rejects(of(claims), 'token_type_wrong', JSON.stringify(claims))
  for (const claim of ['at_hash', 'c_hash', 's_hash', 'events']) await rejects(of({ azp: 'web', [claim]: 'x' }), 'token_type_wrong', claim)
  // An ID token is for the client that it names. Authentik and Azure AD B2C write the nonce into access tokens as well.
  for (const claims of [{ azp: 'web' }, { azp: 'web', aud: ['https://mandate.test/api', 'other'], scp: 'a' }])
    assert.equal((await caller(of(claims))).principal.kind, 'person', JSON.stringify(claims))
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

test('refuses a machine that another client exchanged, listed or not: it is never a person', async () => {
  const { token, rejects, caller } = stageBearers({ accessTokenType: 'jwt', machineClients: ['robot', 'broker'] })
  const refuses = (claims: object) =>
    rejects(token({ client_id: undefined, ...claims }, { typ: 'JWT' }), 'denied', JSON.stringify({ ...claims }))
  for (const claims of [
    // Keycloak: the client is whoever exchanged, the user name stays.
    { sub: 'u', azp: 'web', preferred_username: 'service-account-stranger' },
    { sub: 'u', azp: 'web', preferred_username: 'service-account-robot', email: 'robot@corp.example' },
    { sub: 'u', azp: 'broker', preferred_username: 'service-account-stranger' },
    { sub: 'u', azp: 'broker', preferred_username: 'service-account-broker' },
    { sub: 'u', azp: 'broker', preferred_username: 'service-account-stranger', clientHost: '10.0.0.1' },
    { sub: 'u', azp: 'broker', preferred_username: 'service-account-stranger', client_id: 'broker' },
    { sub: 'u', azp: 'web', preferred_username: 'Service-Account-Robot' },
    { sub: 'u', azp: 'web', username: 'service-account-stranger' },
    { sub: 'u', azp: 'web', upn: 'service-account-stranger' },
    { sub: 'service-account-stranger', azp: 'web', email: 'robot@corp.example' },
    // The subject is a machine, whoever asked.
    { sub: 'robot', client_id: 'mandate' },
    { sub: 'robot', client_id: 'broker' },
    { sub: 'robot', client_id: 'web', preferred_username: 'ada' },
    { sub: 'robot@clients', azp: 'web' },
    { sub: 'robot@clients', azp: 'broker' },
    { sub: 'robot@clients', azp: 'robot', email: 'robot@corp.example' },
    { sub: 'stranger@clients', azp: 'web' },
    { sub: 'stranger@clients', azp: 'robot', gty: 'client-credentials' },
    { sub: 'web@clients', azp: 'web', email: 'ada@corp.example' },
    // It names two clients, or the subject is one that it names.
    { sub: 'evilbot', client_id: 'evilbot', azp: 'x' },
    { sub: 'u', client_id: 'web', azp: 'app' },
    { sub: 'u', cid: 'web', appid: 'app' },
    { sub: 'u', client_id: ['web'], azp: 'web' },
    { sub: 'robot', client_id: 'robot', azp: 'web' },
    { sub: 'robot', client_id: 'web', azp: 'robot' },
    { sub: 'web', client_id: 'web', username: 'ada' },
    { sub: 'u', aud: ['https://mandate.test/api', 'u'], client_id: 'web' },
    // It says of itself that it is of a machine, and of a user.
    { sub: 'o', oid: 'o', azp: 'robot', idtyp: 'app', email: 'ada@corp.example' },
    { sub: 'auth0|5', azp: 'robot', gty: 'client-credentials', email: 'ada@corp.example' },
    // A session may be a machine's.
    { sub: 'u', azp: 'broker', sid: 's' },
  ])
    await refuses(claims)
  const ada = token({ client_id: undefined, sub: 'u', azp: 'broker', preferred_username: 'ada' }, { typ: 'JWT' })
  assert.equal((await caller(ada)).principal.kind, 'person')
})

test('refuses an ID token that speaks of a machine', async () => {
  const { token, rejects } = stageBearers({ accept: 'id-token', audience: 'web', machineClients: ['robot'] })
  for (const claims of [
    { sub: 'u', azp: 'web', preferred_username: 'service-account-web' },
    { sub: 'u', azp: 'web', client_id: 'web', clientHost: '10.0.0.1' },
    { sub: 'robot', azp: 'web' },
    { sub: 'web' },
    { sub: 'u', azp: 'web', client_id: 'robot' },
  ])
    await rejects(token({ aud: 'web', nonce: 'n', client_id: undefined, ...claims }, { typ: 'JWT' }), 'denied', JSON.stringify(claims))
})

test('refuses people of clients that are not among personClients, where these are listed', async () => {
  const { token, rejects, caller } = stageBearers({ machineClients: ['robot', 'both'], personClients: ['web', 'both'] })
  for (const client of ['broker', 'robot', 'Web', '', undefined]) await rejects(token({ client_id: client }), 'denied', client)
  await rejects(token({ client_id: undefined, azp: 'broker' }), 'denied')
  await rejects(token({ sub: 'stranger', client_id: 'broker' }), 'denied')
  // Beside the usual name another one may mean anything.
  for (const other of ['cid', 'appid']) await rejects(token({ client_id: 'broker', [other]: 'web' }), 'denied', other)
  const kind = async (claims: object) => (await caller(token(claims))).principal.kind
  assert.deepEqual([await kind({}), await kind({ client_id: 'both', email: 'ada@corp.example' })], ['person', 'person'])
  assert.deepEqual([await kind({ client_id: undefined, cid: 'web' })], ['person'])
  assert.deepEqual(
    [await kind({ sub: 'robot', client_id: 'robot' }), await kind({ sub: 'both', client_id: 'both' })],
    ['machine', 'machine'],
  )
  const none = stageBearers({ personClients: [] })
  await none.rejects(none.token(), 'denied')
})

test('a machine is a configured client without a user, and nothing else', async () => {
  const { token, rejects, caller } = stageBearers({ machineClients: ['batch', 'Batch2'] })
  const kind = async (claims: object) => (await caller(token(claims))).principal.kind
  // A client that nobody listed is nobody.
  await rejects(token({ sub: 'other', client_id: 'other' }), 'denied')
  await rejects(token({ sub: 'u', client_id: 'other', azp: 'other', preferred_username: 'service-account-other' }), 'denied')
  // A listed client with a user is that person.
  assert.equal(await kind({ client_id: 'batch', username: 'ada' }), 'person')
  assert.equal(await kind({ client_id: undefined, azp: 'batch', preferred_username: 'ada' }), 'person')
  // Who is called as the client is, by subject or user name, is neither.
  await rejects(token({ sub: 'batch', client_id: 'batch', username: 'ada' }), 'denied')
  await rejects(token({ sub: 'batch', client_id: 'batch', preferred_username: 'service-account-batch' }), 'denied')
  // A person may call herself what a service account is called, but cannot make Keycloak write client_id.
  await rejects(token({ sub: 'u', client_id: undefined, azp: 'batch', preferred_username: 'service-account-batch' }), 'denied')
  assert.equal(await kind({ sub: 'batch', client_id: 'batch' }), 'machine')
  assert.equal(await kind({ sub: 'u', client_id: 'Batch2', azp: 'Batch2', preferred_username: 'service-account-batch2' }), 'machine')
})

test("what only a user has speaks against every form of a machine's token but a service account's own name", async () => {
  const { token, rejects, caller } = stageBearers({ accessTokenType: 'jwt', machineClients: ['listed'] })
  const kind = async (claims: object) => (await caller(token({ client_id: undefined, ...claims }, { typ: 'JWT' }))).principal.kind
  const forms = [
    { sub: 'o', oid: 'o', azp: 'listed' },
    { sub: 'o', oid: 'o', appid: 'listed' },
    { sub: 'u', azp: 'listed', client_id: 'listed' },
  ]
  for (const ofUser of [{ email: 'alice@corp.example' }, { preferred_username: 'alice' }, { username: 'alice' }])
    for (const form of [{ sub: 'alice@clients', azp: 'listed' }, ...forms])
      assert.equal(await kind({ ...form, ...ofUser }), 'person', JSON.stringify({ ...form, ...ofUser }))
  // They speak against a machine, and of nobody either.
  for (const claim of [{ auth_time: 1 }, { uid: '7' }])
    for (const form of forms)
      await rejects(token({ client_id: undefined, ...form, ...claim }, { typ: 'JWT' }), 'denied', JSON.stringify({ ...form, ...claim }))
  assert.equal(await kind({ sub: 'o', oid: 'o', azp: 'listed', idtyp: 'user' }), 'person')
  // What an issuer calls otherwise, beside the client's usual name.
  for (const claim of ['cid', 'appid']) assert.equal(await kind({ sub: 'u', azp: 'listed', [claim]: 'company-7', email: 'a@b' }), 'person')
  // An administrator may give a service account an address.
  const named = { sub: 'u', azp: 'listed', preferred_username: 'service-account-listed', email: 'robot@corp.example' }
  assert.equal(await kind({ ...named, clientHost: '10.0.0.1' }), 'machine')
  assert.equal(await kind({ ...named, client_id: 'listed' }), 'machine')
})

test('what tells of a machine makes nobody of a token, whatever a user would have stands beside it', async () => {
  const { token, rejects } = stageBearers({ accessTokenType: 'jwt', machineClients: ['listed'] })
  for (const claims of [
    { sub: 'u', azp: 'evil', client_id: 'evil', clientHost: '10.0.0.1', email: 'robot@corp.example' },
    { sub: 'u', azp: 'evil', clientId: 'evil', clientHost: '10.0.0.1', email: 'robot@corp.example' },
    { sub: 'u', azp: 'listed', clientAddress: '10.0.0.1', username: 'alice' },
    { sub: 'robot@clients', azp: 'broker', auth_time: 1 },
    { sub: 'robot@clients', azp: 'broker', uid: '7' },
  ])
    await rejects(token({ client_id: undefined, ...claims }, { typ: 'JWT' }), 'denied', JSON.stringify(claims))
})

test('makes no machine of a person whose token has part of what a machine would have', async () => {
  const { token, caller } = stageBearers({ accessTokenType: 'jwt', machineClients: ['listed'] })
  const kind = async (claims: object) => (await caller(token({ client_id: undefined, sub: 'u', ...claims }, { typ: 'JWT' }))).principal.kind
  for (const claims of [
    // Entra has `oid` for people as well, beside another `sub`.
    { oid: 'o', azp: 'listed', scp: 'user.read' },
    { oid: 'o', azp: 'web' },
    // A name tells of a user where Keycloak writes the client twice.
    ...['given_name', 'family_name', 'upn'].map((claim) => ({ azp: 'listed', client_id: 'listed', [claim]: 'x' })),
    // What machines are called, and not where they are called so.
    { azp: 'listed', preferred_username: 'ada-service-account-owner' },
    { sub: 'ada@clients.example', azp: 'web' },
    // No client at all.
    {},
  ])
    assert.equal(await kind(claims), 'person', JSON.stringify(claims))
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
  assert.equal(await kind({ sub: 'auth0|5', azp: 'web' }), 'person')
  assert.equal(await kind({ sub: 'ada@corp.example', uid: '00u', cid: 'listed' }), 'person')
  assert.equal(await kind({ sub: 'pairwise', oid: 'o', azp: 'listed', scp: 'x' }), 'person')
  assert.equal(await kind({ sub: 'u', azp: 'web', client_id: 'web', sid: 's' }), 'person')
  // With a session the client that is written twice proves no machine, and no person of it either.
  for (const claim of ['sid', 'session_state', 'acr', 'amr', 'name', 'tfp'])
    await rejects(token({ sub: 'u', azp: 'listed', client_id: 'listed', [claim]: 'x' }, { typ: 'JWT' }), 'denied', claim)
  // Nor does a machine become a person by naming no client.
  for (const claims of [{ gty: 'client-credentials' }, { clientHost: '10.0.0.1' }, { sub: 'o', oid: 'o' }, { sub: 'x@clients' }])
    await rejects(token({ client_id: undefined, ...claims }, { typ: 'JWT' }), 'denied', JSON.stringify(claims))
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
