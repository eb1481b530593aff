import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { draft } from '../config.fake.ts'
import { checkConfig, type Reading } from '../config.ts'
import { ConfigFaulty } from './faults.ts'

const UNSET = { env: 'MANDATE_TEST_NEVER_SET' }

const pathsOf = (value: unknown, reading?: Reading) => {
  try {
    checkConfig(value, reading)
    return []
  } catch (error) {
    if (!(error instanceof ConfigFaulty)) throw error
    return error.faults.map(({ path }) => path)
  }
}
const broken = draft((d) => {
  Object.assign(d.providers['corp'] ?? {}, { issuer: UNSET, scopes: ['profile'] })
  Object.assign(d.listen, { http: { host: '0.0.0.0', port: 0 } })
})

describe('a variable that is not set', () => {
  test('hides no fault over several keys, wherever it stands', () => {
    assert.deepEqual(pathsOf(broken), ['providers.corp.issuer', 'listen.http.host', 'providers.corp.scopes'])
  })

  test('is never replaced in a configuration that is to run', () => {
    for (const value of [
      draft((d) => (d.publicUrl = UNSET)),
      draft((d) => Object.assign(d.providers['corp'] ?? {}, { commandLine: { clientId: UNSET } })),
      draft((d) => Object.assign(d, { routes: [{ match: { host: 'a.mandate.example', path: '/**' }, allow: {}, upstream: UNSET }] })),
    ])
      assert.equal(pathsOf(value).length, 1)
  })

  test('is no fault where it is said that none is looked at; the others are', () => {
    const alone: Reading = { withoutVariables: 'one' }
    assert.deepEqual(pathsOf(broken, alone), ['listen.http.host', 'providers.corp.scopes'])
    assert.deepEqual(
      pathsOf(
        draft((d) => (d.publicUrl = UNSET)),
        alone,
      ),
      [],
    )
  })

  test('makes no fault of what stands in for it: two issuers may well differ, and a region fit its pool', () => {
    const second = draft((d) => {
      d.clusters = {}
      for (const name of ['one', 'two']) d.providers[name] = { ...d.providers['corp'], issuer: { env: `MANDATE_TEST_NEVER_SET_${name}` } }
    })
    assert.deepEqual(pathsOf(second, { withoutVariables: 'one' }), [])
    const pool = draft(
      (d) => (d.providers['pool'] = { kind: 'cognito', region: UNSET, userPoolId: 'us-west-2_a', machineClients: ['robot'] }),
    )
    assert.deepEqual(pathsOf(pool, { withoutVariables: 'one' }), [])
  })
})
