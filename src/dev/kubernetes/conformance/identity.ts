import assert from 'node:assert/strict'
import { test } from 'node:test'
import { asArray, asObject, at, type Json, type JsonObject } from '../object.ts'
import type { Api, Reply } from './api-client.ts'
import { assertStatus } from './refusals.ts'

const reviews = '/apis/authentication.k8s.io/v1/selfsubjectreviews'
const rbac = '/apis/rbac.authorization.k8s.io/v1'

type Lines = readonly (readonly [string, string])[]

function whoAmI(api: Api, token?: string, headers: Lines = []): Promise<Reply> {
  return api.post(reviews, {}, token === undefined ? { headers } : { token, headers })
}

function userOf(reply: Reply): JsonObject {
  assert.equal(reply.status, 201, reply.text)
  const user = asObject(at(reply.json, 'status', 'userInfo')) ?? {}
  // A real server tells which credential was used; that is nobody's identity.
  const { extra, ...rest } = user
  const kept = Object.entries(asObject(extra) ?? {}).filter(([key]) => !key.startsWith('authentication.kubernetes.io/'))
  return kept.length === 0 ? rest : { ...rest, extra: Object.fromEntries(kept) }
}

/** Grants a user exactly these impersonation rules, and waits until they hold. */
async function grant(api: Api, user: string, rules: JsonObject[], probe: JsonObject): Promise<void> {
  const name = api.name('impersonator')
  assert.equal((await api.post(`${rbac}/clusterroles`, { metadata: { name }, rules })).status, 201)
  const binding: Json = {
    metadata: { name },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: user }],
  }
  assert.equal((await api.post(`${rbac}/clusterrolebindings`, binding)).status, 201)
  const review = { spec: { user, resourceAttributes: { verb: 'impersonate', ...probe } } }
  await api.until(
    () => api.post('/apis/authorization.k8s.io/v1/subjectaccessreviews', review),
    (reply) => at(reply.json, 'status', 'allowed') === true,
  )
}

/** Who a request is: by bearer, by impersonation, and what is recorded of it. */
export function identity(api: () => Api): void {
  test('impersonation without the right to it is 403, and without a user 400', async () => {
    const token = await api().target.userToken('plain', ['staff'])
    const denied = await whoAmI(api(), token, [['Impersonate-User', 'alice']])
    assertStatus(denied, 403, 'Forbidden', /User "plain" cannot impersonate/)
    for (const header of [
      ['Impersonate-Group', 'g'],
      ['Impersonate-Uid', '1'],
      ['Impersonate-Extra-Team', 'x'],
    ] as const) {
      assertStatus(await whoAmI(api(), undefined, [header]), 400, 'BadRequest', /^requested .* without impersonating a user/s)
    }
  })

  test('each part of an impersonation needs a right of its own, by name', async () => {
    const gateway = api().name('gateway')
    const token = await api().target.userToken(gateway, [])
    const authentication = { apiGroups: ['authentication.k8s.io'], verbs: ['impersonate'] }
    await grant(
      api(),
      gateway,
      [
        { apiGroups: [''], resources: ['users'], resourceNames: ['alice'], verbs: ['impersonate'] },
        { apiGroups: [''], resources: ['groups'], resourceNames: ['dev', 'ops'], verbs: ['impersonate'] },
        { ...authentication, resources: ['uids'], resourceNames: ['u-1'] },
        { ...authentication, resources: ['userextras/team'], resourceNames: ['red'] },
      ],
      { resource: 'users', name: 'alice' },
    )
    const alice = ['Impersonate-User', 'alice'] as const
    const full = await api().until(
      () =>
        whoAmI(api(), token, [
          alice,
          ['Impersonate-Group', 'dev'],
          ['Impersonate-Group', 'ops'],
          ['Impersonate-Uid', 'u-1'],
          ['Impersonate-Extra-Team', 'red'],
        ]),
      (reply) => reply.status === 201,
    )
    assert.deepEqual(userOf(full), {
      username: 'alice',
      uid: 'u-1',
      groups: ['dev', 'ops', 'system:authenticated'],
      extra: { team: ['red'] },
    })
    const refused: Lines[] = [
      [['Impersonate-User', 'bob']],
      [alice, ['Impersonate-Group', 'system:masters']],
      [alice, ['Impersonate-Group', 'dev, ops']],
      [alice, ['Impersonate-Uid', 'u-2']],
      [alice, ['Impersonate-Extra-Team', 'blue']],
      [alice, ['Impersonate-Extra-Color', 'red']],
      [['Impersonate-User', 'system:serviceaccount:default:default']],
      [['Impersonate-User', 'system:node:n1']],
    ]
    for (const headers of refused) assertStatus(await whoAmI(api(), token, headers), 403, 'Forbidden', /cannot impersonate/)
  })

  test("an impersonated user has their rights and not the impersonator's", async () => {
    const headers = [['Impersonate-User', 'nobody-special']] as const
    const reply = await api().get('/api/v1/namespaces/default/secrets', { headers })
    const message = 'secrets is forbidden: User "nobody-special" cannot list resource "secrets" in API group "" in the namespace "default"'
    assertStatus(reply, 403, 'Forbidden', message)
  })

  test('constrained impersonation needs both rights: to be the user, and to do this as them', async () => {
    const gateway = api().name('constrained')
    const token = await api().target.userToken(gateway, [])
    const probe = { verb: 'impersonate-on:user-info:create', group: 'authentication.k8s.io', resource: 'selfsubjectreviews' }
    await grant(
      api(),
      gateway,
      [
        { apiGroups: ['authentication.k8s.io'], resources: ['users'], resourceNames: ['carol'], verbs: ['impersonate:user-info'] },
        { apiGroups: ['authentication.k8s.io'], resources: ['selfsubjectreviews'], verbs: [probe.verb] },
      ],
      probe,
    )
    const carol = [['Impersonate-User', 'carol']] as const
    const reply = await api().until(
      () => whoAmI(api(), token, carol),
      ({ status }) => status === 201,
    )
    assert.deepEqual(userOf(reply), { username: 'carol', groups: ['system:authenticated'] })
    const elsewhere = await api().get('/api/v1/namespaces/default', { token, headers: carol })
    assertStatus(
      elsewhere,
      403,
      'Forbidden',
      `namespaces "default" is forbidden: User "${gateway}" cannot impersonate-on:user-info:get resource "namespaces" in API group "" in the namespace "default"`,
    )
  })

  test("a bearer's user is known by name and groups", async () => {
    const name = api().name('person')
    const user = userOf(await whoAmI(api(), await api().target.userToken(name, ['one', 'two'])))
    assert.equal(user.username, name)
    assert.deepEqual([...asArray(user.groups)].sort(), ['one', 'system:authenticated', 'two'])
  })

  test('impersonating a service account or nobody gives the groups that go with it', async () => {
    const account = userOf(await whoAmI(api(), undefined, [['Impersonate-User', 'system:serviceaccount:ns:sa']]))
    assert.deepEqual(account.groups, ['system:serviceaccounts', 'system:serviceaccounts:ns', 'system:authenticated'])
    const nobody = await whoAmI(api(), undefined, [['Impersonate-User', 'system:anonymous']])
    assertStatus(nobody, 403, 'Forbidden', /User "system:anonymous" cannot create resource "selfsubjectreviews"/)
  })

  test('an escaped extra key is unescaped, and its case is not kept', async () => {
    const headers = [
      ['Impersonate-User', 'alice'],
      ['Impersonate-Extra-Example.com%2FTeam', 'a'],
      ['Impersonate-Extra-Example.com%2Fteam', 'b'],
    ] as const
    assert.deepEqual(userOf(await whoAmI(api(), undefined, headers)).extra, { 'example.com/team': ['a', 'b'] })
  })

  test("every answer carries an audit id, the client's own when it sent one", async () => {
    for (const token of ['', 'nobody', api().target.adminToken]) {
      const { headers } = await api().get('/api/v1/namespaces/default', { token })
      assert.match(String(headers['audit-id']), /^[0-9a-f-]{36}$/)
    }
    const { headers } = await api().get('/version', { headers: [['Audit-ID', 'mine']] })
    assert.equal(headers['audit-id'], 'mine')
  })
}
