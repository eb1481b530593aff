import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parse } from 'yaml'
import { configOf, type Draft, faultsAfter } from './config.fake.ts'

const POOL = { kind: 'cognito', userPoolId: 'us-east-1_aBcDeFgHi' }

/** A draft with a pool instead of its provider; clusters that trust it would be another matter. */
const withPool = (pool: object) => (draft: Draft) => {
  draft.providers = { pool: { ...POOL, ...pool } }
  draft.clusters = {}
}
const faults = (pool: object) => faultsAfter(withPool(pool))
const read = (pool: object) => {
  const found = configOf(withPool(pool)).providers['pool']
  assert.ok(found !== undefined)
  return found
}

test('refuses a pool by which nobody could come', () => {
  for (const pool of [{}, { machineClients: [], personClients: [] }, { personClients: [], clientId: 'web' }, { clientId: 'web' }])
    assert.deepEqual(faults(pool), [
      'providers.pool.machineClients | is empty, as is personClients, and nobody signs in: nobody could come | list the app clients of machines, or those of people in personClients',
    ])
  for (const pool of [{ machineClients: ['robot'] }, { personClients: ['web'] }]) assert.deepEqual(faults(pool), [])
})

test('refuses a sign-in without a client or without its proof, and a proof of no client', () => {
  const clientAuth = { method: 'none' }
  const missing = 'is missing, and people sign in by it'
  assert.match(faults({ signIn: true, clientAuth }).join('\n'), new RegExp(`^providers.pool.clientId \\| ${missing}`))
  assert.match(faults({ signIn: true, clientId: 'web' }).join(), /^providers.pool.clientAuth \| is missing, and sign-in needs it/)
  assert.equal(faults({ signIn: true }).length, 2)
  assert.match(faults({ machineClients: ['robot'], clientAuth }).join(), /^providers.pool.clientAuth \| proves no client/)
  assert.deepEqual(faults({ signIn: true, clientId: 'web', clientAuth }), [])
  assert.match(faults({ signIn: true, clientId: 'web', clientAuth, scopes: ['email'] }).join(), /scopes \| lacks openid/)
})

test('refuses what an app client of Cognito cannot do: prove itself by a key, be of people and machines, give offline_access', () => {
  const signIn = { signIn: true, clientId: 'web', clientAuth: { method: 'none' } }
  for (const clientAuth of [
    { method: 'private-key-jwt', key: { file: '/etc/key.pem' } },
    { method: 'federated-token-file', path: '/var/run/token' },
  ])
    assert.deepEqual(faults({ ...signIn, clientAuth }), [
      `providers.pool.clientAuth.method | is ${clientAuth.method}, and an app client of Cognito has a secret or nothing | write secret or none`,
    ])
  assert.deepEqual(faults({ ...signIn, machineClients: ['robot', 'web'] }), [
    'providers.pool.machineClients | lists the clientId by which people sign in, and an app client of Cognito is for machines or for people | make an app client for each',
  ])
  const refused = 'has offline_access, which Cognito refuses | remove it: every sign-in there gives a refresh token'
  assert.deepEqual(faults({ ...signIn, scopes: ['openid', 'offline_access'] }), [`providers.pool.scopes | ${refused}`])
  const commandLine = { clientId: 'web', scopes: ['openid', 'offline_access'] }
  assert.deepEqual(faults({ ...signIn, commandLine }), [`providers.pool.commandLine.scopes | ${refused}`])
  assert.deepEqual(faults({ ...signIn, machineClients: ['robot'] }), [])
  assert.deepEqual(faults({ machineClients: ['robot'], clientId: 'robot' }), [])
})

test('refuses a region that is not that of the pool, and what is none', () => {
  const machineClients = ['robot']
  assert.deepEqual(faults({ machineClients, userPoolId: 'eu-west-1_aBcDeFgHi' }), [
    'providers.pool.region | is us-east-1, and the user pool is of eu-west-1 | write eu-west-1',
  ])
  for (const region of ['us-east', 'US-EAST-1', 'evil.example/']) assert.equal(faults({ machineClients, region }).length, 1, region)
  for (const userPoolId of ['a/b', 'a.b', '../x']) assert.equal(faults({ machineClients, userPoolId }).length, 1, userPoolId)
  assert.equal(faults({ machineClients, issuer: 'http://pool.example/x' }).length, 1)
  assert.deepEqual(faults({ machineClients, region: 'us-gov-west-1', userPoolId: 'us-gov-west-1_aBcDeFgHi' }), [])
})

test('refuses a variable that is not set, and a command line whose tokens would all be refused', () => {
  assert.match(
    faults({ machineClients: ['robot'], userPoolId: { env: 'NO_SUCH_VARIABLE' } }).join(),
    /^providers.pool.userPoolId \| the environment variable NO_SUCH_VARIABLE is not set/,
  )
  const commandLine = { clientId: 'cli' }
  assert.match(
    faults({ machineClients: ['robot'], commandLine }).join(),
    /^providers.pool.personClients \| lacks the clientId of commandLine/,
  )
  assert.deepEqual(read({ personClients: ['cli'], commandLine }).commandLine?.scopes, ['openid', 'profile'])
})

test('refuses what a kind of its own has settled', () => {
  for (const key of [{ accept: 'id-token' }, { algorithms: ['ES256'] }, { accessTokenType: 'jwt' }])
    assert.match(faults({ machineClients: ['robot'], ...key }).join(), /is not a key that Mandate knows/)
})

test('is an OpenID provider whose issuer follows from region and pool', () => {
  const { issuer, audience, algorithms, accept, accessTokenType, claims, personClients, machineClients, signIn } = read({
    machineClients: ['robot'],
  })
  assert.equal(issuer, 'https://cognito-idp.us-east-1.amazonaws.com/us-east-1_aBcDeFgHi')
  assert.deepEqual([audience, algorithms, accept, accessTokenType, signIn], ['', ['RS256'], 'access-token', 'jwt', false])
  assert.deepEqual([claims.scopes, claims.groups, personClients, machineClients], [['scope'], 'cognito:groups', [], ['robot']])
  assert.equal(read({ machineClients: ['robot'], issuer: 'http://127.0.0.1:1/pool' }).issuer, 'http://127.0.0.1:1/pool')
})

test('its people are those of the client by which they sign in, unless a list says whose', () => {
  const clientAuth = { method: 'none' }
  assert.deepEqual(read({ machineClients: ['robot'], clientId: 'web' }).personClients, [])
  assert.deepEqual(read({ signIn: true, clientId: 'web', clientAuth }).personClients, ['web'])
  assert.deepEqual(read({ signIn: true, clientId: 'web', clientAuth, personClients: ['app'] }).personClients, ['app'])
  assert.deepEqual(read({ clientId: 'web', personClients: ['app'] }).personClients, ['app'])
})

test('what the guide shows loads, and shows of a person what Cognito says of them', () => {
  const guide = readFileSync(new URL('../../docs/guides/sign-in.md', import.meta.url), 'utf8')
  const { pool } = parse(/^```yaml\n(pool:\n {2}kind: cognito\n[\s\S]*?)^```/m.exec(guide)?.[1] ?? '')
  assert.deepEqual(faults(pool), [])
  const { signIn, personClients, refreshTokens, scopes, claims } = read(pool)
  assert.deepEqual([signIn, personClients, refreshTokens, scopes], [true, [pool.clientId], 'reusable', ['openid', 'profile', 'email']])
  assert.deepEqual(claims.whoami, ['sub', 'name', 'preferred_username', 'cognito:username', 'email', 'cognito:groups'])
})
