/** A machine's token that the rules do not know must not come in as a person: its client is known to be a machine's. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { stageBearers } from '../bearer-jwt.fake.ts'

const JWT = { typ: 'JWT' }

function stage(changes: object = {}) {
  const { token, rejects, caller } = stageBearers({ accessTokenType: 'jwt', machineClients: ['robot'], ...changes })
  const plain = (claims: object) => token({ client_id: undefined, sub: '5f3e', azp: 'robot', ...claims }, JWT)
  return {
    refuses: (claims: object, code: 'denied' | 'token_claims_invalid' = 'denied') => rejects(plain(claims), code, JSON.stringify(claims)),
    kind: async (claims: object) => (await caller(plain(claims))).principal.kind,
  }
}

/** What Authentik writes into each access token: the subject is a hash of the user, `uid` is random and of nobody. */
const AUTHENTIK = { sub: 'a3f9', auth_time: 1, acr: 'goauthentik.io/providers/oauth2/default', uid: 'Xy12AbC' }

/** Tokens of machines that say nothing of it, as issuers write them. */
const BARE: Readonly<Record<string, object>> = {
  'Keycloak, lightweight, before it told the grant': { typ: 'Bearer', scope: 'email profile', jti: '47b76ad2-fe52-0600' },
  'Keycloak, without the scopes profile and service_account': { typ: 'Bearer', acr: '1', email_verified: false },
  'Keycloak, lightweight, refreshed': { typ: 'Bearer', jti: 'onltrt:47b76ad2', sid: 'CZ2', scope: 'email' },
  Zitadel: { azp: undefined, client_id: 'robot', sub: '260183401', jti: '260183402' },
  'Authentik, without the scope profile': AUTHENTIK,
  'Authentik, with the scope openid alone': { ...AUTHENTIK, scope: 'openid', amr: ['pwd'] },
  'AD FS': { azp: undefined, appid: 'robot', apptype: 'Confidential', auth_time: '2026-01-05T09:00:00.000Z' },
  Casdoor: { sub: 'admin/robot', name: 'robot', owner: 'admin', tokenType: 'access-token', email: '', emails: [] },
  'any issuer that tells when the machine signed in': { auth_time: 1 },
  'a uid that is not of Okta': { uid: '00u' },
  'what a machine is called': { name: 'Report robot' },
  'Entra, neither application nor user': { oid: 'o' },
  'Azure AD B2C, which writes scp for machines as well': { oid: '5f3e', scp: 'Tasks.Read', ver: '1.0' },
  'an issuer of sessions': { session_state: 's', sid: 's' },
  'a name of nobody': { email: '', preferred_username: null, username: [], name: ' ', auth_time: true },
}

for (const [name, claims] of Object.entries(BARE)) {
  test(`refuses a token of a listed client that says of no user: ${name}`, async () => {
    await stage().refuses(claims)
    // That people come by the same client tells nothing of this token.
    await stage({ personClients: ['robot'] }).refuses(claims)
  })
}

test('refuses an ID token of a listed client that says of no user', async () => {
  const { token, rejects, caller } = stageBearers({ accept: 'id-token', audience: 'robot', machineClients: ['robot'] })
  const id = (claims: object) => token({ aud: 'robot', azp: 'robot', nonce: 'n', client_id: undefined, sub: '5f3e', ...claims }, JWT)
  for (const claims of [{}, { azp: undefined }, { sid: 's', acr: '1' }]) await rejects(id(claims), 'denied', JSON.stringify(claims))
  assert.equal((await caller(id({ email: 'ada@corp.example' }))).principal.kind, 'person')
})

test('takes a user of a listed client as that person, and what is no machine of another client as before', async () => {
  const { kind } = stage()
  for (const ofUser of [
    { preferred_username: 'ada' },
    { username: 'ada' },
    { email: 'ada@corp.example' },
    { given_name: 'Ada' },
    { family_name: 'Lovelace' },
    { upn: 'ada@corp.example' },
    { unique_name: 'ada@corp.example' },
    { emails: ['ada@corp.example'] },
    // Okta.
    { azp: undefined, cid: 'robot', uid: '00u' },
    // Entra: an application has no delegated permissions.
    { oid: 'o', scp: 'user.read' },
    { oid: 'o', idtyp: 'user' },
  ])
    assert.equal(await kind(ofUser), 'person', JSON.stringify(ofUser))
  for (const claims of Object.values(BARE)) {
    const names = ['client_id', 'appid'].find((name) => name in claims) ?? 'azp'
    const other = { ...claims, [names]: 'web' }
    assert.equal(await kind(other), 'person', JSON.stringify(other))
  }
})

test('refuses as a machine whoever has what only people have, in every form that a listed client could have', async () => {
  const { kind, refuses } = stage()
  const people = [
    { name: 'Ada', given_name: 'Ada' },
    { family_name: 'Lovelace' },
    { upn: 'ada@corp.example' },
    { unique_name: 'ada' },
    { emails: ['ada@corp.example'] },
  ]
  for (const ofUser of people) {
    // People of Azure AD B2C have one id in both claims.
    for (const scp of [undefined, '']) assert.equal(await kind({ sub: 'o', oid: 'o', scp, tfp: 'B2C_1_in', ...ofUser }), 'person')
    assert.equal(await kind({ client_id: 'robot', ...ofUser }), 'person', JSON.stringify(ofUser))
  }
  const others = [{ name: 'Ada' }, { tfp: 'B2C_1_in' }, { amr: ['pwd'] }, { nonce: 'n' }]
  for (const claim of [...people, ...others])
    for (const form of [{ sub: 'robot', client_id: 'robot' }, { sub: 'robot@clients' }, { gty: 'client-credentials' }])
      await refuses({ ...form, ...claim, sid: 's' })
  for (const claim of [...others, { acr: 'b2c_1_in' }, { sid: 's' }]) await refuses({ sub: 'o', oid: 'o', ...claim })
  assert.equal(await kind({ sub: 'o', oid: 'o', azp: 'web', name: 'Ada', tfp: 'B2C_1_in' }), 'person')
})

test('refuses an application of Entra that is not listed, also where its scp is empty', async () => {
  const { refuses, kind } = stage()
  for (const scp of [undefined, '', null, []]) {
    await refuses({ azp: 'web', sub: 'o', oid: 'o', scp })
    assert.equal(await kind({ sub: 'o', oid: 'o', scp }), 'machine')
  }
})

test('refuses a machine for which somebody acts: whose rights it would have is not known', async () => {
  const { token, rejects, caller } = stageBearers({ machineClients: ['robot'] })
  for (const act of [{ sub: 'eve' }, { sub: 'robot' }, { sub: 'eve', iss: 'https://other.example' }, {}, null, 'eve'])
    await rejects(token({ sub: 'robot', client_id: 'robot', act }), 'denied', JSON.stringify(act))
  const { principal } = await caller(token({ sub: 'ada', client_id: 'web', act: { sub: 'robot' } }))
  assert.deepEqual([principal.kind, principal.actor?.subject], ['person', 'robot'])
  assert.equal((await caller(token({ sub: 'robot', client_id: 'robot', may_act: { sub: 'eve' } }))).principal.kind, 'machine')
})
