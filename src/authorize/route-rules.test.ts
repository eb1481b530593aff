import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { Decision, Resource } from '../decision.ts'
import { bearerCaller, loginCaller } from '../principal.fake.ts'
import type { Caller, Principal } from '../principal.ts'
import { createRouteRules, type Rule } from './route-rules.ts'

const PROD: Resource = { type: 'cluster', id: 'prod', properties: {} }
const ACTION = { name: 'get', writes: false }
const rules = (rule: Rule, name = 'cluster/prod') => createRouteRules(new Map([[name, [rule]]]))
const decide = (rule: Rule, principal: Partial<Principal> = {}, resource = PROD): Promise<Decision> =>
  rules(rule).authorize({ caller: loginCaller({ principal }), action: { name: 'get', writes: false }, resource })
const effect = async (...asked: Parameters<typeof decide>) => (await decide(...asked)).effect

describe('denies', () => {
  test('a kind of caller that is not listed', async () => {
    assert.equal(await effect({ callers: ['machine'] }), 'deny')
    assert.equal(await effect({ callers: ['person'] }, { kind: 'machine' }), 'deny')
  })
  test('everybody when no kind is listed', async () => {
    for (const kind of ['person', 'machine'] as const) assert.equal(await effect({ callers: [] }, { kind }), 'deny')
  })
  test('a provider that is not listed, and everybody when the list is empty', async () => {
    assert.equal(await effect({ callers: ['person'], providers: ['other'] }), 'deny')
    assert.equal(await effect({ callers: ['person'], providers: [] }), 'deny')
  })
  test('who holds none of the groups, and everybody when the list is empty', async () => {
    assert.equal(await effect({ callers: ['person'], groups: ['platform'] }), 'deny')
    assert.equal(await effect({ callers: ['person'], groups: [] }), 'deny')
    assert.equal(await effect({ callers: ['person'], groups: ['dev'] }, { groups: [] }), 'deny')
  })
  test('a group that is only similar', async () => {
    for (const group of ['Dev', 'dev ', 'devs', 'de', 'corp:dev', ''])
      assert.equal(await effect({ callers: ['person'], groups: ['dev'] }, { groups: [group] }), 'deny')
  })
  test('a group of the right name from a provider that is not listed', async () => {
    assert.equal(await effect({ callers: ['person'], providers: ['corp'], groups: ['dev'] }, { provider: 'other' }), 'deny')
  })
  test('by name, e-mail or bearer scope nobody is allowed: they are not looked at', async () => {
    const caller = bearerCaller('t', { principal: { name: 'dev', email: 'dev@corp.example', groups: [] }, proof: { scopes: ['dev'] } })
    assert.equal(
      (await rules({ callers: ['person'], groups: ['dev'] }).authorize({ caller, action: { name: 'get', writes: false }, resource: PROD }))
        .effect,
      'deny',
    )
  })
  test('with a reason from the catalogue that names no group', async () => {
    const decision = await decide({ callers: ['person'], groups: ['secret-project'] })
    assert.ok(decision.effect === 'deny')
    assert.equal(decision.code, 'denied')
    assert.ok(!decision.detail.includes('secret-project'))
  })
})

describe('abstains', () => {
  test('about a resource without a rule', async () => {
    assert.equal(await effect({ callers: ['person'] }, {}, { ...PROD, id: 'test' }), 'abstain')
    assert.equal(await effect({ callers: ['person'] }, {}, { ...PROD, type: 'route' }), 'abstain')
  })
  test('about names that every object has', async () => {
    for (const id of ['constructor', '__proto__', 'toString'])
      assert.equal(await effect({ callers: ['person'] }, {}, { ...PROD, id }), 'abstain')
  })
})

describe('allows', () => {
  test('who meets every condition, and names the rule', async () => {
    assert.deepEqual(await decide({ callers: ['person'], providers: ['corp'], groups: ['x', 'ops'] }), {
      effect: 'allow',
      rule: 'cluster/prod',
    })
  })
  test('exactly when each condition holds', async () => {
    const names = fc.constantFrom('a', 'b', 'c')
    const kinds = fc.constantFrom('person' as const, 'machine' as const)
    const rule = fc.record({
      callers: fc.array(kinds),
      providers: fc.option(fc.array(names), { nil: undefined }),
      groups: fc.option(fc.array(names), { nil: undefined }),
    })
    await fc.assert(
      fc.asyncProperty(rule, kinds, names, fc.array(names), async (each, kind, provider, groups) => {
        const should =
          each.callers.includes(kind) &&
          (each.providers ?? [provider]).includes(provider) &&
          (each.groups === undefined || new Set(each.groups).intersection(new Set(groups)).size > 0)
        assert.equal(await effect(each, { kind, provider, groups }), should ? 'allow' : 'deny')
      }),
      { numRuns: 500 },
    )
  })
})

describe('scopes', () => {
  const bearer = (scopes: readonly string[]) => bearerCaller('t', { principal: { kind: 'machine' }, proof: { scopes } })
  const asks = (rule: Partial<Rule>, caller: Caller) =>
    rules({ callers: ['machine', 'person'], ...rule }).authorize({ caller, action: ACTION, resource: PROD })

  test('are all needed, and what is missing is said with all that would be enough', async () => {
    assert.deepEqual(await asks({ scopes: ['a', 'b', 'c'] }, bearer(['b', 'x'])), {
      effect: 'deny',
      code: 'insufficient_scope',
      detail: 'the token lacks a c',
      scopes: ['a', 'b', 'c'],
    })
    assert.equal((await asks({ scopes: ['a', 'b'] }, bearer(['b', 'a']))).effect, 'allow')
  })

  test('are compared whole and to the letter', async () => {
    for (const held of [['read:all'], ['rea'], ['READ'], ['read '], ['read write']])
      assert.equal((await asks({ scopes: ['read'] }, bearer(held))).effect, 'deny', held.join())
  })

  test('are held by no login', async () => {
    const decision = await asks({ scopes: ['a'] }, loginCaller())
    assert.ok(decision.effect === 'deny')
    assert.equal(decision.code, 'insufficient_scope')
    assert.match(decision.detail, /^a login has no scopes/)
  })
})

describe('claims', () => {
  const asks = (claims: Rule['claims'], said?: Principal['claims']) =>
    rules({ callers: ['person'], claims }).authorize({
      caller: loginCaller({ principal: said === undefined ? {} : { claims: said } }),
      action: ACTION,
      resource: PROD,
    })

  test('are each needed with one of their values', async () => {
    const rule = { tenant: ['acme', 'beta'], plan: ['pro'] }
    assert.equal((await asks(rule, { tenant: ['beta'], plan: ['pro', 'x'] })).effect, 'allow')
    assert.equal((await asks({ constructor: ['x'] }, {})).effect, 'deny')
    for (const said of [undefined, {}, { tenant: ['acme'] }, { tenant: ['other'], plan: ['pro'] }, { tenant: [], plan: ['pro'] }]) {
      const decision = await asks(rule, said)
      assert.equal(decision.effect === 'deny' && decision.code, 'denied', JSON.stringify(said))
    }
  })
})

describe('of several rules', () => {
  const machines: Rule = { callers: ['machine'], scopes: ['read'] }
  const finance: Rule = { callers: ['person'], groups: ['finance'] }
  const asks = (all: readonly Rule[], caller: Caller) =>
    createRouteRules(new Map([['cluster/prod', all]])).authorize({ caller, action: ACTION, resource: PROD })

  test('one must be met whole: halves of two are none', async () => {
    const both = bearerCaller('t', { principal: { kind: 'person', groups: ['finance'] }, proof: { scopes: ['read'] } })
    assert.deepEqual(await asks([machines, finance], both), { effect: 'allow', rule: 'cluster/prod#1' })
    const neither = bearerCaller('t', { principal: { kind: 'person', groups: [] }, proof: { scopes: ['read'] } })
    assert.equal((await asks([machines, finance], neither)).effect, 'deny')
  })

  test('what would be enough is said of the one that lacks scopes alone', async () => {
    const robot = bearerCaller('t', { principal: { kind: 'machine' }, proof: { scopes: [] } })
    for (const all of [
      [finance, machines],
      [machines, finance],
    ]) {
      const decision = await asks(all, robot)
      assert.deepEqual(decision.effect === 'deny' && [decision.code, decision.scopes], ['insufficient_scope', ['read']])
    }
    // Of two that lack as much it is the first.
    const twice = await asks([machines, { ...machines, scopes: ['write'] }], robot)
    assert.deepEqual(twice.effect === 'deny' && twice.scopes, ['read'])
    assert.equal((await asks([], robot)).effect, 'abstain')
  })
})
