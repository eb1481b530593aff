/**
 * What a request asks for, by the API server's own rules (apiserver `endpoints/request/requestinfo.go`).
 * Authorization decides on this and nothing else, so the odd cases count: a list or watch pinned to one
 * `metadata.name` carries that name, HEAD is a get, a legacy `/watch/` prefix is the verb watch.
 */
export type RequestInfo = {
  isResourceRequest: boolean
  path: string
  verb: string
  apiGroup: string
  apiVersion: string
  namespace: string
  resource: string
  subresource: string
  name: string
  parts: readonly string[]
}

const verbsOfMethods: Readonly<Record<string, string>> = {
  POST: 'create',
  GET: 'get',
  HEAD: 'get',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
}
const namespaceSubresources = new Set(['status', 'finalize'])
const specialVerbs = new Set(['proxy', 'watch'])

function split(path: string): string[] {
  const trimmed = path.replace(/^\/+|\/+$/g, '')
  return trimmed === '' ? [] : trimmed.split('/')
}

/** A truthy query parameter as apimachinery's conversion reads it: present, and neither `false` nor `0`. */
export function isTrue(value: string | null): boolean {
  return value !== null && value.toLowerCase() !== 'false' && value !== '0'
}

/** The name a field selector pins with `metadata.name=x`, if it may be a path segment. */
function pinnedName(selector: string | null): string {
  for (const term of (selector ?? '').split(',')) {
    const match = /^metadata\.name==?([^=!]+)$/.exec(term.trim())
    const name = match?.[1] ?? ''
    if (name !== '' && name !== '.' && name !== '..' && !/[/%]/.test(name)) return name
  }
  return ''
}

/**
 * Parses method, decoded path and query.
 * Throws when a special verb has nothing after it (`/api/v1/watch`), which the server answers with 500.
 */
export function parseRequestInfo(method: string, path: string, query: URLSearchParams): RequestInfo {
  const info: RequestInfo = {
    isResourceRequest: false,
    path,
    verb: method.toLowerCase(),
    apiGroup: '',
    apiVersion: '',
    namespace: '',
    resource: '',
    subresource: '',
    name: '',
    parts: [],
  }
  let parts = split(path)
  const prefix = parts[0]
  if (parts.length < 3 || (prefix !== 'api' && prefix !== 'apis')) return info
  parts = parts.slice(1)
  if (prefix === 'apis') {
    if (parts.length < 3) return info
    info.apiGroup = parts[0] ?? ''
    parts = parts.slice(1)
  }
  info.isResourceRequest = true
  info.apiVersion = parts[0] ?? ''
  parts = parts.slice(1)

  if (specialVerbs.has(parts[0] ?? '')) {
    if (parts.length < 2) throw new Error(`unable to determine kind and namespace from url, ${path}`)
    info.verb = parts[0] ?? ''
    parts = parts.slice(1)
  } else {
    info.verb = verbsOfMethods[method] ?? ''
  }

  if (parts[0] === 'namespaces' && parts.length > 1) {
    info.namespace = parts[1] ?? ''
    if (parts.length > 2 && !namespaceSubresources.has(parts[2] ?? '')) parts = parts.slice(2)
  }
  info.parts = parts
  if (parts.length >= 3 && info.verb !== 'proxy') info.subresource = parts[2] ?? ''
  info.name = parts[1] ?? ''
  info.resource = parts[0] ?? ''

  if (info.name === '' && info.verb === 'get') {
    info.verb = isTrue(query.get('watch')) ? 'watch' : 'list'
    info.name = pinnedName(query.get('fieldSelector'))
  }
  if (info.name === '' && info.verb === 'delete') info.verb = 'deletecollection'
  return info
}
