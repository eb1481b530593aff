import assert from 'node:assert/strict'
import { test } from 'node:test'
import { stageBearers } from './bearer-jwt.fake.ts'

const scopesBy = async (names: readonly string[] | undefined, claims: object) => {
  const { token, caller } = stageBearers({ machineClients: ['robot'], ...(names === undefined ? {} : { claims: { scopes: names } }) })
  const { proof } = await caller(token(claims))
  return proof.kind === 'bearer' ? proof.scopes : undefined
}

test('refuses a token with more scopes than anybody needs', async () => {
  const { token, rejects } = stageBearers()
  const many = Array.from({ length: 501 }, (_, at) => `s${at}`)
  for (const claims of [{ scope: many.join(' ') }, { scp: many }, { scope: Array.from(many, () => 'same') }, { scope: ' '.repeat(501) }])
    await rejects(token(claims), 'token_claims_invalid')
  assert.equal((await scopesBy(undefined, { scope: many.slice(1).join(' ') }))?.length, 500)
  assert.equal((await scopesBy(undefined, { scp: many.slice(1) }))?.length, 500)
})

test('scopes come from scope or scp, as text or as a list', async () => {
  for (const [claims, expected] of [
    [{ scp: 'a b' }, ['a', 'b']],
    [{ scp: ['a', 1, 'b'] }, ['a', 'b']],
    [{ scope: 7 }, []],
    [{}, []],
    [{ scope: '', scp: ['a'] }, []],
    // It is there, and says nothing.
    [{ scope: null, scp: ['a'] }, []],
    [{ scope: ['a', '', 'a'] }, ['a']],
  ] as const) {
    assert.deepEqual(await scopesBy(undefined, claims), expected)
  }
})

/** An application of Entra. */
const APPLICATION = { sub: 'o', oid: 'o', client_id: 'robot' }

test('refuses to take for scopes what a person is: without scp, with a null one, in whatever order the claims are named', async () => {
  const roles = ['Tasks.Write']
  for (const claims of [{ roles }, { scp: null, roles }, { scp: '', roles }, { scp: [], roles }, { scp: 7, roles }])
    for (const names of [
      ['scp', 'roles'],
      ['roles', 'scp'],
      ['scope', 'scp', 'roles'],
    ])
      assert.deepEqual(await scopesBy(names, claims), [], JSON.stringify([names, claims]))
  assert.deepEqual(await scopesBy(['roles', 'scp'], { scp: 'user.read', roles }), ['user.read'])
  assert.deepEqual(await scopesBy(['permissions', 'roles'], { roles }), [])
})

test("of the configured claims the first that is there gives all of a machine's scopes, a null one none", async () => {
  const entra = ['scp', 'roles']
  assert.deepEqual(await scopesBy(entra, { ...APPLICATION, roles: ['Tasks.Read', 'Tasks.Write'] }), ['Tasks.Read', 'Tasks.Write'])
  const robot = { sub: 'robot', client_id: 'robot', roles: ['Tasks.Write'] }
  assert.deepEqual(await scopesBy(entra, robot), ['Tasks.Write'])
  assert.deepEqual(await scopesBy(entra, { ...robot, scp: '' }), [])
  assert.deepEqual(await scopesBy(entra, { ...robot, scp: null }), [])
})

test("a person's scopes come from the claims of delegated ones, or from the first where none is named", async () => {
  assert.deepEqual(await scopesBy(['scp', 'roles'], { scp: 'user.read', roles: ['Tasks.Write'] }), ['user.read'])
  assert.deepEqual(await scopesBy(['scp', 'roles'], { scope: 'admin' }), [])
  assert.deepEqual(await scopesBy(['permissions', 'scope'], { permissions: ['a'], scope: 'b' }), ['b'])
  assert.deepEqual(await scopesBy(['permissions'], { permissions: ['a'], scope: 'b' }), ['a'])
  assert.deepEqual(await scopesBy(['constructor', 'scope'], { scope: 'read' }), ['read'])
})
