import assert from 'node:assert/strict'
import { test } from 'node:test'
import { stageBearers } from './bearer-jwt.fake.ts'

const scopesBy = async (names: readonly string[] | undefined, claims: object) => {
  const { token, caller } = stageBearers(names === undefined ? {} : { claims: { scopes: names } })
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
  ] as const) {
    assert.deepEqual(await scopesBy(undefined, claims), expected)
  }
})

test('of the configured claims the first that is there gives all of them: roles of a person never become scopes', async () => {
  const entra = ['scp', 'roles']
  assert.deepEqual(await scopesBy(entra, { roles: ['Tasks.Read', 'Tasks.Write'] }), ['Tasks.Read', 'Tasks.Write'])
  assert.deepEqual(await scopesBy(entra, { scp: 'user.read', roles: ['Tasks.Write'] }), ['user.read'])
  assert.deepEqual(await scopesBy(entra, { scp: '', roles: ['Tasks.Write'] }), [])
  assert.deepEqual(await scopesBy(entra, { scope: 'admin' }), [])
  assert.deepEqual(await scopesBy(['constructor', 'scope'], { scope: 'read' }), ['read'])
})
