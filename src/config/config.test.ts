import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { configOf, type Draft, draft, faultsAfter, faultsFrom, goodDraft, lineOf } from './config.fake.ts'
import { checkConfig, loadConfig, parseConfig } from './config.ts'
import { ConfigFaulty } from './faults/faults.ts'

describe('all faults are reported at once', () => {
  test('each with its path, what is wrong and the mend, a line each in the message', () => {
    const change = (d: Draft) => {
      d.publicUrl = 'mandate.example'
      d.listen['http'] = { prt: 80 }
      d['log'] = { level: 'debug' }
      d.clusters['prod'] = {}
    }
    const faults = faultsAfter(change)
    assert.deepEqual(faults.map((fault) => fault.split(' | ')[0]).sort(), [
      'clusters.prod.allow',
      'clusters.prod.as',
      'clusters.prod.server',
      'listen.http.port',
      'listen.http.prt',
      'log.level',
      'publicUrl',
    ])
    assert.throws(
      () => checkConfig(draft(change)),
      (error) => error instanceof ConfigFaulty && error.code === 'config_faulty' && error.message.split('\n').length === faults.length,
    )
  })

  test('what no file can hold is a fault as well', () => {
    for (const length of [Object.create(null), Symbol('x'), 1n]) {
      const faults = faultsFrom(() => checkConfig({ ...goodDraft(), publicUrl: { length } }))
      assert.ok(faults.length > 0)
    }
  })

  test('whatever is loaded: a configuration or ConfigFaulty, and nothing in between', () => {
    const junk = fc.anything({ withNullPrototype: true, maxDepth: 3 })
    fc.assert(
      fc.property(
        fc.oneof(junk, fc.record({ publicUrl: junk, listen: junk, store: junk, providers: junk, clusters: junk }, { requiredKeys: [] })),
        (value) => {
          const faults = faultsFrom(() => checkConfig(value))
          assert.ok(faults.length > 0)
          for (const fault of faults) assert.doesNotMatch(fault, /Invalid|undefined|\[object/)
        },
      ),
      { numRuns: 500 },
    )
    fc.assert(fc.property(fc.string({ maxLength: 200 }), (text) => assert.ok(faultsFrom(() => parseConfig(text)).length > 0)))
  })
})

describe('environment', () => {
  const withEnv = (name: string, value: string | undefined, body: () => void) => {
    const before = process.env[name]
    if (value === undefined) delete process.env[name]
    else process.env[name] = value
    try {
      body()
    } finally {
      if (before === undefined) delete process.env[name]
      else process.env[name] = before
    }
  }
  const change = (d: Draft) => Object.assign(d.providers['corp'] ?? {}, { clientId: { env: 'MANDATE_TEST_CLIENT' } })

  test('a variable that is not set or empty is a fault', () => {
    for (const value of [undefined, '']) {
      withEnv('MANDATE_TEST_CLIENT', value, () =>
        assert.deepEqual(faultsAfter(change), [
          'providers.corp.clientId | the environment variable MANDATE_TEST_CLIENT is not set | set MANDATE_TEST_CLIENT',
        ]),
      )
    }
  })
  test('a variable that is set is the value', () => {
    withEnv('MANDATE_TEST_CLIENT', 'from-env', () => assert.equal(configOf(change).providers['corp']?.clientId, 'from-env'))
  })
  test('a variable is held to the same rules', () => {
    withEnv('MANDATE_TEST_CLIENT', 'http://mandate.example', () =>
      assert.deepEqual(
        faultsAfter((d) => (d.publicUrl = { env: 'MANDATE_TEST_CLIENT' })),
        ['publicUrl | is http to a host that is not loopback | use https'],
      ),
    )
  })
  test('secrets are not read by loading', () => {
    configOf((d) => Object.assign(d.clusters['prod'] ?? {}, { as: { kind: 'impersonate', token: { file: '/nowhere' } } }))
  })
})

describe('a file', () => {
  const inFolder = async (body: (folder: string) => Promise<void>) => {
    const folder = await mkdtemp(join(tmpdir(), 'mandate-config-'))
    try {
      await body(folder)
    } finally {
      await rm(folder, { recursive: true })
    }
  }
  const faultsOfFile = async (path: string) => {
    const error = await loadConfig(path).then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    if (!(error instanceof ConfigFaulty)) throw error
    return error.faults.map(lineOf)
  }

  test('that is not there', () =>
    inFolder(async (folder) =>
      assert.deepEqual(await faultsOfFile(join(folder, 'x.yaml')), [
        `${join(folder, 'x.yaml')} | the file cannot be read (ENOENT) | give an existing file with --config`,
      ]),
    ))
  test('that is a folder', () =>
    inFolder(async (folder) => {
      await mkdir(join(folder, 'd'))
      assert.deepEqual(await faultsOfFile(join(folder, 'd')), [`${join(folder, 'd')} | is a directory | give the file within it`])
    }))
  test('that is huge is not even read', () =>
    inFolder(async (folder) => {
      const path = join(folder, 'huge.yaml')
      await writeFile(path, `a: ${'x'.repeat(2_000_000)}`)
      assert.deepEqual(await faultsOfFile(path), [`${path} | is larger than 1 MB | give the configuration, not another file`])
    }))
  test('that is right, as YAML and as JSON', () =>
    inFolder(async (folder) => {
      const path = join(folder, 'mandate.yaml')
      await writeFile(path, JSON.stringify(goodDraft()))
      assert.equal((await loadConfig(path)).publicUrl, 'https://mandate.example')
      await writeFile(
        path,
        'publicUrl: https://mandate.example # comment\nlisten: { http: { port: 0 } }\nstore: { memory: singleReplica }\nproviders:\n  corp: { kind: oidc, issuer: https://i.example, clientId: m, clientAuth: { method: none }, accept: id-token }\n',
      )
      assert.deepEqual(Object.keys((await loadConfig(path)).providers), ['corp'])
    }))
})

describe('what has loaded', () => {
  test('is frozen to its last leaf', () => {
    const loose: string[] = []
    const walk = (value: unknown, path: string) => {
      if (typeof value !== 'object' || value === null) return
      if (!Object.isFrozen(value)) loose.push(path)
      for (const [key, inner] of Object.entries(value)) walk(inner, `${path}.${key}`)
    }
    walk(
      configOf((d) => (d.listen['behind'] = ['10.0.0.0/8'])),
      'config',
    )
    assert.deepEqual(loose, [])
  })

  test('leaves what it was made of alone', () => {
    const made = goodDraft()
    const before = structuredClone(made)
    checkConfig(made)
    assert.deepEqual(made, before)
    assert.ok(!Object.isFrozen(made.providers['corp']))
  })

  test('has its defaults', () => {
    const { listen, sessions, streams, limits, audit, log, tracing, providers, clusters } = configOf(
      (d) => (d.listen = { http: { port: 0 } }),
    )
    assert.deepEqual(listen, { http: { host: '127.0.0.1', port: 0 }, behind: [], names: [], operations: { host: '127.0.0.1', port: 9090 } })
    assert.deepEqual(
      [sessions, streams, audit, log, tracing],
      [{ idle: 1_800_000, absolute: 28_800_000 }, { maxAge: 3_600_000, blindFor: 30_000 }, { file: '-' }, { level: 'info' }, undefined],
    )
    assert.deepEqual([limits.body, limits.answerWithin], [10_000_000, 60_000])
    assert.deepEqual(limits.connections, { plain: 2_500, tls: 1_000, perAddress: 500 })
    const { corp } = providers
    assert.deepEqual(
      [corp?.name, corp?.prefix, corp?.audience, corp?.refreshTokens, corp?.signIn],
      ['corp', 'corp:', 'api://mandate', 'rotating', true],
    )
    assert.deepEqual(corp?.algorithms, ['RS256', 'PS256', 'ES256', 'EdDSA'])
    const { prod } = clusters
    assert.deepEqual([prod?.name, prod?.allow], ['prod', { callers: ['person'] }])
    assert.deepEqual(prod?.as, { kind: 'forward-token', token: 'id-token', passThroughOpen: false })
  })

  test('takes ID tokens as bearers by its own client', () => {
    const config = configOf((d) => {
      d.clusters = {}
      Object.assign(d.providers['corp'] ?? {}, { accept: 'id-token', audience: undefined })
    })
    assert.equal(config.providers['corp']?.audience, 'mandate')
  })

  test('fails open nowhere by default', () => {
    const open = JSON.stringify(configOf()).match(/"[^"]*[oO]pen[^"]*":[^,}]*/g)
    assert.deepEqual(open, ['"passThroughOpen":false'])
  })

  test('has no cluster unless one is configured', () => {
    assert.deepEqual(configOf((d) => Reflect.deleteProperty(d, 'clusters')).clusters, {})
  })
})
