import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setLoginStage } from './logins.fake.ts'

for (const [what, issuer] of [
  ['was removed', undefined],
  ['now has another issuer', 'https://new.example'],
] as const) {
  test(`a login of a provider that ${what} has ended, and a replica that still knows the provider keeps it`, async (t) => {
    const stage = setLoginStage(t)
    const before = await stage.replica()
    const { login } = await before.logins.begin(stage.signedIn())
    const after = await stage.replica({ issuerOf: () => issuer })
    assert.equal(await after.logins.find(login.loginId), undefined)
    assert.equal(await after.logins.find(login.loginId), undefined)
    const other = await stage.replica()
    assert.deepEqual((await other.logins.find(login.loginId))?.principal, login.principal)
  })
}
