import { gitVersion } from './discovery.ts'
import type { JsonObject } from './object.ts'
import { apiVersionOf, type ResourceType, resourceTypes } from './resource-table.ts'

/*
 * As much OpenAPI v3 as kubectl needs to apply and create: which kinds exist, where they are patched, and that
 * `fieldValidation` and `dryRun` are understood. Schemas are open objects; `kubectl explain` has nothing to say here.
 */

const groupVersions = [...new Set(resourceTypes.map(apiVersionOf))]

function prefixOf(groupVersion: string): string {
  return groupVersion === 'v1' ? 'api/v1' : `apis/${groupVersion}`
}

/** The index at /openapi/v3. */
export function openapiIndex(): JsonObject {
  const entries = groupVersions.map((groupVersion) => {
    const path = prefixOf(groupVersion)
    return [path, { serverRelativeURL: `/openapi/v3/${path}` }] as const
  })
  return { paths: Object.fromEntries(entries) }
}

function operation(type: ResourceType, action: string, contentTypes: readonly string[]): JsonObject {
  const schema = { $ref: `#/components/schemas/${type.kind}` }
  const parameter = (name: string): JsonObject => ({ name, in: 'query', schema: { type: 'string', uniqueItems: true } })
  return {
    tags: [type.group === '' ? 'core_v1' : `${type.group}_${type.version}`],
    operationId: `${action}${type.kind}`,
    parameters: ['dryRun', 'fieldManager', 'fieldValidation'].map(parameter),
    requestBody: { content: Object.fromEntries(contentTypes.map((contentType) => [contentType, { schema }])) },
    responses: { '200': { description: 'OK', content: { 'application/json': { schema } } } },
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': { group: type.group, version: type.version, kind: type.kind },
  }
}

/** The document of one group version, or undefined when there is none. `path` is `api/v1` or `apis/apps/v1`. */
export function openapiDocument(path: string): JsonObject | undefined {
  const groupVersion = groupVersions.find((candidate) => prefixOf(candidate) === path)
  if (groupVersion === undefined) return undefined
  const types = resourceTypes.filter((type) => apiVersionOf(type) === groupVersion)
  // Strategic merge patch is left out on purpose: without schemas kubectl must use its own built-in ones for it.
  const patches = ['application/apply-patch+yaml', 'application/json-patch+json', 'application/merge-patch+json']
  const paths: JsonObject = {}
  const schemas: JsonObject = {}
  for (const type of types) {
    const collection = `/${path}/${type.namespaced ? 'namespaces/{namespace}/' : ''}${type.resource}`
    paths[collection] = { post: operation(type, 'post', ['application/json', 'application/yaml']) }
    if (type.verbs.includes('patch')) {
      const put = operation(type, 'put', ['application/json', 'application/yaml'])
      paths[`${collection}/{name}`] = { put, patch: operation(type, 'patch', patches) }
    }
    schemas[type.kind] = {
      type: 'object',
      'x-kubernetes-preserve-unknown-fields': true,
      'x-kubernetes-group-version-kind': [{ group: type.group, version: type.version, kind: type.kind }],
    }
  }
  return { openapi: '3.0.0', info: { title: 'Kubernetes', version: gitVersion }, paths, components: { schemas } }
}
