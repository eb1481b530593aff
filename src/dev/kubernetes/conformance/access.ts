import assert from 'node:assert/strict'
import { test } from 'node:test'
import { asArray, at, type Json, type JsonObject } from '../object.ts'
import { type Api, configMaps, type Reply } from './api-client.ts'
import { assertStatus } from './refusals.ts'

const rbac = '/apis/rbac.authorization.k8s.io/v1'
const authorization = '/apis/authorization.k8s.io/v1'
const apiGroup = 'rbac.authorization.k8s.io'

function binding(name: string, kind: string, role: string, subject: JsonObject): Json {
  return { metadata: { name }, roleRef: { apiGroup, kind, name: role }, subjects: [subject] }
}

function canI(api: Api, token: string, resourceAttributes: JsonObject): Promise<Reply> {
  return api.post(`${authorization}/selfsubjectaccessreviews`, { spec: { resourceAttributes } }, { token })
}

function isAllowed(reply: Reply): boolean {
  return at(reply.json, 'status', 'allowed') === true
}

/** What roles grant, and what reviews say about it. */
export function access(api: () => Api): void {
  test('a user without roles may do nothing but look around and ask about themselves', async () => {
    const user = api().name('poor')
    const token = await api().target.userToken(user, [])
    const refused = await api().post(configMaps('default'), { metadata: { name: 'x' } }, { token })
    const place = 'in API group "" in the namespace "default"'
    assertStatus(refused, 403, 'Forbidden', `configmaps is forbidden: User "${user}" cannot create resource "configmaps" ${place}`)
    const named = await api().ask('DELETE', '/api/v1/nodes/n1', { token })
    const message = `nodes "n1" is forbidden: User "${user}" cannot delete resource "nodes" in API group "" at the cluster scope`
    assertStatus(named, 403, 'Forbidden', message)
    assert.deepEqual(named.json.details, { name: 'n1', kind: 'nodes' })
    const log = await api().get('/api/v1/namespaces/default/pods/p/log', { token })
    assertStatus(log, 403, 'Forbidden', `pods "p" is forbidden: User "${user}" cannot get resource "pods/log" ${place}`)
    const deployments = await api().get('/apis/apps/v1/deployments?watch=true', { token })
    assertStatus(
      deployments,
      403,
      'Forbidden',
      `deployments.apps is forbidden: User "${user}" cannot watch resource "deployments" in API group "apps" at the cluster scope`,
    )
    assert.equal((await api().get('/apis', { token })).status, 200)
    assert.equal(isAllowed(await canI(api(), token, { verb: 'list', resource: 'pods', namespace: 'default' })), false)
  })

  test('a refusal escapes what a browser might read as markup', async () => {
    const headers = [['Impersonate-User', '<b>&']] as const
    const reply = await api().get('/api/v1/nodes', { headers })
    assertStatus(reply, 403, 'Forbidden', /User "&lt;b&gt;&amp;" cannot list/)
  })

  test('a role grants its verbs on its resources, in its namespace, to its group', async () => {
    const [namespace, other] = [await api().namespace(), await api().namespace()]
    const [user, group] = [api().name('member'), api().name('team')]
    const token = await api().target.userToken(user, [group])
    const rules = [
      { apiGroups: [''], resources: ['configmaps'], verbs: ['get', 'list'] },
      { apiGroups: [''], resources: ['secrets'], resourceNames: ['open'], verbs: ['get'] },
      { apiGroups: [''], resources: ['pods/log'], verbs: ['get'] },
    ]
    const path = `${rbac}/namespaces/${namespace}`
    await api().post(`${path}/roles`, { metadata: { name: 'reads' }, rules })
    await api().post(`${path}/rolebindings`, binding('reads', 'Role', 'reads', { kind: 'Group', apiGroup, name: group }))
    const here = (attributes: JsonObject): Promise<Reply> => canI(api(), token, { namespace, ...attributes })
    const granted = await api().until(() => here({ verb: 'list', resource: 'configmaps' }), isAllowed)
    assert.equal(
      at(granted.json, 'status', 'reason'),
      `RBAC: allowed by RoleBinding "reads/${namespace}" of Role "reads" to Group "${group}"`,
    )
    assert.equal(isAllowed(await here({ verb: 'get', resource: 'secrets', name: 'open' })), true)
    assert.equal(isAllowed(await here({ verb: 'get', resource: 'pods', subresource: 'log' })), true)
    for (const attributes of [
      { verb: 'delete', resource: 'configmaps' },
      { verb: 'get', resource: 'secrets', name: 'shut' },
      { verb: 'list', resource: 'secrets' },
      { verb: 'get', resource: 'pods' },
      { verb: 'get', resource: 'configmaps', group: 'apps' },
      { verb: 'get', resource: 'configmaps', namespace: other },
      { verb: 'get', resource: 'configmaps', namespace: '' },
    ]) {
      assert.equal(isAllowed(await here(attributes)), false, JSON.stringify(attributes))
    }
    assert.equal((await api().get(configMaps(namespace), { token })).status, 200)
    assert.equal((await api().get(configMaps(other), { token })).status, 403)
    const pinned = await api().get(`/api/v1/namespaces/${namespace}/secrets?fieldSelector=metadata.name%3Dopen`, { token })
    assert.equal(pinned.status, 403, 'the rule has get, not list')
    const ruleReview = await api().post(`${authorization}/selfsubjectrulesreviews`, { spec: { namespace } }, { token })
    const listed = asArray(at(ruleReview.json, 'status', 'resourceRules'))
    assert.ok(listed.some((rule) => JSON.stringify(at(rule, 'resources')) === '["pods/log"]'))
    await Promise.all([api().drop(namespace), api().drop(other)])
  })

  test('nobody grants what they do not hold', async () => {
    const namespace = await api().namespace()
    const user = api().name('delegate')
    const token = await api().target.userToken(user, [])
    const path = `${rbac}/namespaces/${namespace}`
    const subject = { kind: 'User', apiGroup, name: user }
    // Not the cluster role `admin`: a server without controllers never fills that one in.
    const rules = [
      { apiGroups: [apiGroup], resources: ['roles', 'rolebindings'], verbs: ['create'] },
      { apiGroups: [''], resources: ['configmaps'], verbs: ['get', 'list'] },
    ]
    await api().post(`${path}/roles`, { metadata: { name: 'delegate' }, rules })
    await api().post(`${path}/rolebindings`, binding('delegate', 'Role', 'delegate', subject))
    await api().until(() => canI(api(), token, { verb: 'create', group: apiGroup, resource: 'roles', namespace }), isAllowed)
    const all = [{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }]
    const role = await api().post(`${path}/roles`, { metadata: { name: 'all' }, rules: all }, { token })
    assertStatus(
      role,
      403,
      'Forbidden',
      /is attempting to grant RBAC permissions not currently held:\n\{APIGroups:\["\*"\], Resources:\["\*"\], Verbs:\["\*"\]\}/,
    )
    const bound = binding('all', 'ClusterRole', 'cluster-admin', subject)
    assertStatus(await api().post(`${path}/rolebindings`, bound, { token }), 403, 'Forbidden', /not currently held/)
    const less = [{ apiGroups: [''], resources: ['configmaps'], verbs: ['get'] }]
    assert.equal((await api().post(`${path}/roles`, { metadata: { name: 'less' }, rules: less }, { token })).status, 201)
    await api().drop(namespace)
  })

  test('a subject access review asks about somebody else, and about paths', async () => {
    const path = `${authorization}/subjectaccessreviews`
    const masters = { groups: ['system:masters'], nonResourceAttributes: { verb: 'get', path: '/metrics' } }
    assert.equal(isAllowed(await api().post(path, { spec: masters })), true)
    const known = { groups: ['system:authenticated'], nonResourceAttributes: { verb: 'get', path: '/apis/apps' } }
    assert.equal(isAllowed(await api().post(path, { spec: known })), true)
    const stranger = { user: 'x', nonResourceAttributes: { verb: 'get', path: '/metrics' } }
    assert.equal(isAllowed(await api().post(path, { spec: stranger })), false)
    assertStatus(await api().post(path, { spec: { user: 'x' } }), 422, 'Invalid', /exactly one of/)
    const nobody = { resourceAttributes: { verb: 'get', resource: 'pods' } }
    assertStatus(await api().post(path, { spec: nobody }), 422, 'Invalid', /at least one of user or group must be specified/)
  })
}
