import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { advice } from './advice.ts'
import { configOf, type Draft, faultsAfter } from './config.fake.ts'

const proven = (draft: Draft) =>
  Object.assign(draft.providers['corp'] ?? {}, { clientAuth: { method: 'secret', secret: { env: 'CLIENT_SECRET' } } })
const as = (more: object) => ({ kind: 'token-exchange', ...more })
const cluster = (more: object) => (draft: Draft) => {
  proven(draft)
  Object.assign(draft.clusters['prod'] ?? {}, { as: as(more) })
}
const route = (more: object) => (draft: Draft) => {
  proven(draft)
  const match = { host: 'db.example', path: '/**' }
  draft['routes'] = [{ match, allow: { callers: ['machine'] }, upstream: 'https://db.internal', as: as(more) }]
}
const MEND = 'name the target alone, by an audience of its own'
const OWN = `is what Mandate takes as bearers of providers.corp, so the target could come back with the token | ${MEND}`

describe('refuses', () => {
  const cases: ReadonlyArray<readonly [string, (draft: Draft) => void, string]> = [
    ['a cluster that asks for what Mandate takes', cluster({ audience: 'api://mandate' }), `clusters.prod.as.audience | ${OWN}`],
    ['it as a resource too', cluster({ audience: 'k', resource: 'api://mandate' }), `clusters.prod.as.resource | ${OWN}`],
    ['a route that asks for what Mandate takes', route({ audience: 'api://mandate' }), `routes.0.as.audience | ${OWN}`],
    [
      'a cluster that names nobody',
      cluster({}),
      'clusters.prod.as.audience | is missing, as is resource | name for whom the token is to be',
    ],
  ]
  for (const [what, change, expected] of cases) test(what, () => assert.deepEqual(faultsAfter(change), [expected]))

  test('what another provider takes, and the client of one whose bearers are ID tokens', () => {
    const other = (draft: Draft) => {
      cluster({ audience: 'other-client' })(draft)
      draft.providers['other'] = {
        ...draft.providers['corp'],
        issuer: 'https://other.example',
        clientId: 'other-client',
        accept: 'id-token',
      }
      delete draft.providers['other']['audience']
    }
    assert.deepEqual(faultsAfter(other), [`clusters.prod.as.audience | ${OWN.replace('corp', 'other')}`])
  })

  test('a provider by which Mandate proves nothing, unless it may not come', () => {
    const unproven = (draft: Draft) => {
      cluster({ audience: 'k' })(draft)
      draft.providers['loose'] = { ...draft.providers['corp'], issuer: 'https://loose.example', clientAuth: { method: 'none' } }
    }
    const [fault, ...more] = faultsAfter(unproven)
    assert.match(fault ?? '', /^providers\.loose\.clientAuth \| proves nothing/)
    assert.deepEqual(more, [])
    const named = (draft: Draft) => {
      unproven(draft)
      Object.assign(draft.clusters['prod'] ?? {}, { allow: { providers: ['corp'] } })
    }
    assert.deepEqual(faultsAfter(named), [])
  })
})

describe('starts with', () => {
  test('an audience, a resource, and scopes', () => {
    for (const more of [{ audience: 'k' }, { resource: 'https://k.example' }, { audience: 'k', scopes: ['read'], token: 'id-token' }]) {
      assert.deepEqual(faultsAfter(cluster(more)), [])
      assert.deepEqual(faultsAfter(route(more)), [])
    }
  })
})

test('advises on clusters that would take the tokens of each other', () => {
  const twin = (audience: string) => (draft: Draft) => {
    cluster({ audience: 'k' })(draft)
    draft.clusters['twin'] = { ...draft.clusters['prod'], server: 'https://twin.example', as: as({ audience }) }
  }
  const paths = (audience: string) => advice(configOf(twin(audience))).map(({ path }) => path)
  assert.deepEqual(
    paths('k').filter((path) => path.startsWith('clusters.')),
    ['clusters.prod.as', 'clusters.twin.as'],
  )
  assert.deepEqual(
    paths('other').filter((path) => path.startsWith('clusters.')),
    [],
  )
})
