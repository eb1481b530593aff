/** Lightweight tokens of Keycloak, in which nothing but the id of the token tells of a machine. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { stageBearers } from '../bearer-jwt.fake.ts'

const JWT = { typ: 'JWT' }
/** As Keycloak 26 writes it: session, token and grant, two letters each. */
const LIGHT = { sub: '5f3e', client_id: undefined, azp: 'robot', typ: 'Bearer', scope: 'email profile', jti: 'trltcc:47b76ad2' }

function stage(changes: object = {}) {
  const { token, rejects, caller } = stageBearers({ accessTokenType: 'jwt', machineClients: ['robot'], ...changes })
  return {
    refuses: (claims: object) => rejects(token({ ...LIGHT, ...claims }, JWT), 'denied', JSON.stringify(claims)),
    kind: async (claims: object = {}) => (await caller(token({ ...LIGHT, ...claims }, JWT))).principal.kind,
  }
}

test('refuses a token that was given for client credentials and is not of a listed client: it is never a person', async () => {
  const { refuses } = stage()
  for (const jti of ['trltcc:1', 'trrtcc:1', 'onltcc:1', 'onrtcc:1', 'ofltcc:1', 'ntrtcc:1', 'ftltcc:1'])
    for (const claims of [
      { azp: 'web' },
      { azp: undefined },
      { azp: 'web', preferred_username: 'ada' },
      { azp: 'web', sid: 's', email: 'a@b' },
    ])
      await refuses({ ...claims, jti })
  // Nor where people are allowed by client.
  await stage({ personClients: ['web'] }).refuses({ azp: 'web' })
})

test('refuses a token of a listed client for client credentials that has a user as well', async () => {
  const { refuses } = stage()
  for (const ofUser of [{ preferred_username: 'ada' }, { preferred_username: 'service-account-other' }, { email: 'a@b' }, { auth_time: 1 }])
    await refuses(ofUser)
  await refuses({ client_id: 'web' })
})

test('refuses an ID token that was given for client credentials', async () => {
  const { token, rejects } = stageBearers({ accept: 'id-token', audience: 'web' })
  await rejects(token({ aud: 'web', azp: 'web', client_id: undefined, sub: '5f3e', jti: 'trrtcc:1' }, JWT), 'denied')
})

test('takes a lightweight token of a listed client as its machine, by the grant in its id', async () => {
  const { kind } = stage()
  assert.deepEqual([await kind(), await kind({ jti: 'onltcc:1', sid: 's' }), await kind({ acr: '1' })], ['machine', 'machine', 'machine'])
  assert.equal(await kind({ preferred_username: 'service-account-robot', email: 'robot@corp.example' }), 'machine')
})

test('takes people as before, whatever the id of their token', async () => {
  const { kind } = stage()
  for (const jti of ['onltro:1', 'onrtac:1', 'trrtte:1', 'cc:1', 'trltcc', 'xtrltcc:1', 'trlt-cc:1', 'TRLTCC:1', 7, undefined])
    assert.equal(await kind({ azp: 'web', jti }), 'person', String(jti))
})
