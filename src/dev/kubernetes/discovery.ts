import type { IncomingMessage } from 'node:http'
import { negotiateOutput, offered } from './media-type.ts'
import type { JsonObject } from './object.ts'
import { type ResourceType, resourceTypes } from './resource-table.ts'
import { notAcceptable } from './status-error.ts'

/* What this server has: the classic discovery documents, and the aggregated one kubectl reads first. */

/** The Kubernetes release whose behaviour this server follows. */
export const gitVersion = 'v1.36.0+mandate.dev'

/** What /version answers. */
export const versionDocument: JsonObject = {
  major: '1',
  minor: '36',
  emulationMajor: '1',
  emulationMinor: '36',
  minCompatibilityMajor: '1',
  minCompatibilityMinor: '35',
  gitVersion,
  gitCommit: '0000000000000000000000000000000000000000',
  gitTreeState: 'clean',
  buildDate: '1970-01-01T00:00:00Z',
  goVersion: 'none',
  compiler: 'node',
  platform: `${process.platform}/${process.arch}`,
}

const groups = [...new Set(resourceTypes.map((type) => type.group))]
const namedGroups = groups.filter((group) => group !== '')

/** Whether this server has the API group; the core group is the empty string. */
export function hasGroup(group: string): boolean {
  return groups.includes(group)
}

function typesOf(group: string): ResourceType[] {
  return resourceTypes.filter((type) => type.group === group)
}

/** Kinds of the options of connections, which are not the kind of the resource. */
const optionKinds: Readonly<Record<string, string>> = {
  attach: 'PodAttachOptions',
  exec: 'PodExecOptions',
  portforward: 'PodPortForwardOptions',
}

/** A subresource whose kind is of another group than its resource. */
const tokenKind = { group: 'authentication.k8s.io', version: 'v1', kind: 'TokenRequest' }

function subresourceVerbs(subresource: string): string[] {
  if (optionKinds[subresource] !== undefined) return ['create', 'get']
  if (subresource === 'token') return ['create']
  if (subresource === 'log') return ['get']
  return subresource === 'finalize' ? ['update'] : ['get', 'patch', 'update']
}

/** APIResourceList of one group and version. */
function resourceList(group: string): JsonObject {
  const resources = typesOf(group).flatMap((type): JsonObject[] => {
    const main: JsonObject = {
      name: type.resource,
      singularName: type.singular,
      namespaced: type.namespaced,
      kind: type.kind,
      verbs: [...type.verbs],
    }
    if (type.shortNames.length > 0) main.shortNames = [...type.shortNames]
    if (type.categories.length > 0) main.categories = [...type.categories]
    const below = type.subresources.map((subresource) => ({
      name: `${type.resource}/${subresource}`,
      singularName: '',
      namespaced: type.namespaced,
      ...(subresource === 'token' ? tokenKind : { kind: optionKinds[subresource] ?? type.kind }),
      verbs: subresourceVerbs(subresource),
    }))
    return [main, ...below]
  })
  const groupVersion = group === '' ? 'v1' : `${group}/v1`
  const list: JsonObject = { kind: 'APIResourceList', groupVersion, resources }
  return group === '' ? list : { kind: 'APIResourceList', apiVersion: 'v1', groupVersion, resources }
}

function groupDocument(name: string): JsonObject {
  const version = { groupVersion: `${name}/v1`, version: 'v1' }
  return { name, versions: [version], preferredVersion: version }
}

function aggregatedResource(type: ResourceType): JsonObject {
  const responseKind = { group: type.group, version: type.version, kind: type.kind }
  const resource: JsonObject = {
    resource: type.resource,
    responseKind,
    scope: type.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: type.singular,
    verbs: [...type.verbs],
  }
  if (type.shortNames.length > 0) resource.shortNames = [...type.shortNames]
  if (type.categories.length > 0) resource.categories = [...type.categories]
  if (type.subresources.length > 0) {
    resource.subresources = type.subresources.map((subresource) => ({
      subresource,
      responseKind: responseKindOf(subresource) ?? responseKind,
      verbs: subresourceVerbs(subresource),
    }))
  }
  return resource
}

function responseKindOf(subresource: string): JsonObject | undefined {
  const options = optionKinds[subresource]
  if (options !== undefined) return { group: '', version: '', kind: options }
  return subresource === 'token' ? tokenKind : undefined
}

function aggregated(version: string, names: readonly string[]): JsonObject {
  return {
    kind: 'APIGroupDiscoveryList',
    apiVersion: `apidiscovery.k8s.io/${version}`,
    metadata: {},
    items: names.map((name) => ({
      metadata: name === '' ? {} : { name },
      versions: [{ version: 'v1', freshness: 'Current', resources: typesOf(name).map(aggregatedResource) }],
    })),
  }
}

/** A discovery document and its content type. */
export type Document = { contentType: string; body: JsonObject }

/** The aggregated form's version when Accept asks for it before anything else that is offered. */
function aggregatedVersion(accept: string): string | undefined {
  for (const clause of accept.split(',')) {
    const parameters = clause.split(';').map((part) => part.trim())
    const isAggregated = parameters.includes('g=apidiscovery.k8s.io') && parameters.includes('as=APIGroupDiscoveryList')
    if (isAggregated && parameters[0] === 'application/json') {
      for (const version of ['v2', 'v2beta1']) if (parameters.includes(`v=${version}`)) return version
    }
    if (parameters.length === 1 && /^(application\/(json|yaml)|\*\/\*)$/.test(parameters[0] ?? '')) return undefined
  }
  return undefined
}

/** The document at a discovery path, or undefined when there is none. Throws 406. */
export function discoveryDocument(path: string, request: IncomingMessage, address: string): Document | undefined {
  const trimmed = path.replace(/\/$/, '')
  const accept = request.headers.accept ?? ''
  const version = trimmed === '/api' || trimmed === '/apis' ? aggregatedVersion(accept) : undefined
  if (version !== undefined) {
    const contentType = `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`
    return { contentType, body: aggregated(version, trimmed === '/api' ? [''] : namedGroups) }
  }
  const body = classicDocument(trimmed, address)
  if (body === undefined) return undefined
  try {
    negotiateOutput(accept)
  } catch {
    throw notAcceptable(offered)
  }
  return { contentType: 'application/json', body }
}

function classicDocument(path: string, address: string): JsonObject | undefined {
  if (path === '/api') {
    const serverAddressByClientCIDRs = [{ clientCIDR: '0.0.0.0/0', serverAddress: address }]
    return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs }
  }
  if (path === '/apis') return { kind: 'APIGroupList', apiVersion: 'v1', groups: namedGroups.map(groupDocument) }
  if (path === '/api/v1') return resourceList('')
  const [, prefix, group = '', version] = path.split('/')
  if (prefix !== 'apis' || !namedGroups.includes(group) || path.split('/').length > 4) return undefined
  if (version === undefined) return { kind: 'APIGroup', apiVersion: 'v1', ...groupDocument(group) }
  return version === 'v1' ? resourceList(group) : undefined
}
