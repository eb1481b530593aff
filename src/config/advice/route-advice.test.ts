/** Rules of routes that a second provider opens without a word. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { configOf } from '../config.fake.ts'
import { advice } from './advice.ts'

const GITHUB = {
  kind: 'oidc',
  issuer: 'https://token.actions.githubusercontent.com',
  clientId: 'x',
  clientAuth: { method: 'none' },
  signIn: false,
  audience: 'https://mandate.example',
  accessTokenType: 'jwt',
  machineClients: ['robot'],
}

/** What is advised on a route with this rule or list of rules, with the problem. */
function advised(allow: unknown, providers: Record<string, Record<string, unknown>> = { github: GITHUB }): string[] {
  const config = configOf((draft) => {
    Object.assign(draft.providers, providers)
    draft.clusters = {}
    draft['routes'] = [{ match: { host: 'app.example', path: '/**' }, allow, upstream: 'https://app.svc' }]
  })
  return advice(config)
    .filter(({ path }) => path.startsWith('routes.'))
    .map(({ path, problem }) => `${path} | ${problem}`)
}

const OPEN = 'takes people of any provider, and of every one that is configured later'

describe('advises on', () => {
  const cases: ReadonlyArray<[string, unknown, ...string[]]> = [
    ['an empty rule', {}, 'routes.0.allow'],
    ['a rule that says of people only that they are', { callers: ['person'] }, 'routes.0.allow'],
    ['one for people and machines', { callers: ['machine', 'person'] }, 'routes.0.allow'],
    ['an empty rule behind a narrow one', [{ groups: ['x'], provider: 'corp' }, {}], 'routes.0.allow.1'],
    ['each empty rule', [{}, { provider: 'corp' }, { callers: ['person'] }], 'routes.0.allow.0', 'routes.0.allow.2'],
  ]
  for (const [what, allow, ...paths] of cases)
    test(`${what}, with several providers`, () =>
      assert.deepEqual(
        advised(allow),
        paths.map((path) => `${path} | ${OPEN}`),
      ))
})

test('advises on scopes that keep people out, whichever rule has them, and on what else is unwise beside it', () => {
  const scoped = 'routes.0.allow.scopes | keeps out people who signed in: a login has no scopes'
  const machines = { callers: ['machine'], provider: 'github' }
  assert.deepEqual(advised([machines, { callers: ['person'], provider: 'corp', scopes: ['read'] }]), [scoped])
  assert.deepEqual(advised([machines, { callers: ['person'], scopes: ['read'] }]), [
    scoped,
    'routes.0.allow.scopes | counts a scope of this name from any provider',
  ])
})

describe('says nothing of', () => {
  test('rules that name providers', () => {
    for (const allow of [{ provider: 'corp' }, { providers: ['corp', 'github'] }, [{ provider: 'corp' }, { provider: 'github' }]])
      assert.deepEqual(advised(allow), [])
  })

  test('rules of the one provider', () => assert.deepEqual(advised([{}, { callers: ['person'] }], {}), []))

  test('rules for machines, which each provider lists', () => {
    assert.deepEqual(advised({ callers: ['machine'] }), [])
  })

  test('rules about groups, claims or scopes a second time', () => {
    for (const [key, value] of [
      ['groups', ['admins']],
      ['claims', { tenant: ['acme'] }],
    ] as const)
      assert.deepEqual(
        advised({ [key]: value }).map((line) => line.split(' | ')[0]),
        [`routes.0.allow.${key}`],
      )
  })
})
