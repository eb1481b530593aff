import assert from 'node:assert/strict'
import { test } from 'node:test'
import { asArray, asText, at, type Json } from '../object.ts'
import type { Api } from './api-client.ts'
import { assertStatus } from './refusals.ts'

const aggregated = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'

function names(list: Json | undefined, key: string): string[] {
  return asArray(list).map((entry) => asText(at(entry, key)))
}

/** What a client learns about the server before it does anything. */
export function discovering(api: () => Api): void {
  test('a group that is not there is 404', async () => {
    assert.equal((await api().get('/apis/unicorns.example.com/v1')).status, 404)
    const refused = await api().get('/apis', { accept: 'text/html' })
    assertStatus(refused, 406, 'NotAcceptable', /^only the following media types are accepted: application\/json, application\/yaml/)
  })

  test('the classic documents tell groups, versions and resources', async () => {
    const versions = (await api().get('/api')).json
    assert.deepEqual([versions.kind, versions.versions], ['APIVersions', ['v1']])
    const groups = (await api().get('/apis')).json
    assert.equal(groups.kind, 'APIGroupList')
    const found = names(groups.groups, 'name')
    for (const group of ['apps', 'batch', 'authorization.k8s.io', 'rbac.authorization.k8s.io']) assert.ok(found.includes(group))
    const group = (await api().get('/apis/apps')).json
    assert.deepEqual([group.kind, at(group, 'preferredVersion', 'groupVersion')], ['APIGroup', 'apps/v1'])
    const core = (await api().get('/api/v1')).json
    assert.deepEqual([core.kind, core.groupVersion], ['APIResourceList', 'v1'])
    const pods = asArray(core.resources).find((resource) => at(resource, 'name') === 'pods')
    const { singularName, namespaced, kind, verbs, shortNames, categories } = (pods ?? {}) as Record<string, Json>
    assert.deepEqual(
      { singularName, namespaced, kind, verbs, shortNames, categories },
      {
        singularName: 'pod',
        namespaced: true,
        kind: 'Pod',
        verbs: ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'],
        shortNames: ['po'],
        categories: ['all'],
      },
    )
    assert.ok(names(core.resources, 'name').includes('pods/log'))
    assert.ok(names((await api().get('/apis/apps/v1')).json.resources, 'name').includes('deployments/status'))
  })

  test('aggregated discovery is one document', async () => {
    const reply = await api().get('/apis', { accept: `${aggregated},application/json` })
    assert.equal(reply.headers['content-type'], aggregated)
    assert.deepEqual([reply.json.kind, reply.json.apiVersion], ['APIGroupDiscoveryList', 'apidiscovery.k8s.io/v2'])
    const apps = asArray(reply.json.items).find((item) => at(item, 'metadata', 'name') === 'apps')
    const [version] = asArray(at(apps, 'versions'))
    const deployments = asArray(at(version, 'resources')).find((resource) => at(resource, 'resource') === 'deployments')
    assert.equal(at(deployments, 'scope'), 'Namespaced')
    assert.equal(at(deployments, 'responseKind', 'kind'), 'Deployment')
    assert.ok(names(at(deployments, 'subresources'), 'subresource').includes('status'))
    const core = await api().get('/api', { accept: aggregated })
    assert.equal(asText(at(asArray(at(asArray(core.json.items)[0], 'versions'))[0], 'version')), 'v1')
  })

  test('version, health and the index of OpenAPI', async () => {
    assert.match(asText((await api().get('/version')).json.gitVersion), /^v1\.\d+\./)
    for (const path of ['/healthz', '/livez', '/readyz']) assert.equal((await api().get(path)).text, 'ok')
    const index = (await api().get('/openapi/v3')).json
    for (const path of ['api/v1', 'apis/apps/v1']) {
      const url = asText(at(index, 'paths', path, 'serverRelativeURL'))
      assert.match(url, new RegExp(`^/openapi/v3/${path}`))
      assert.match(asText((await api().get(url)).json.openapi), /^3\.0/)
    }
  })
}
