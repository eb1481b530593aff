/**
 * How large an answer of an API server may be, by what was asked.
 *
 * Security: an answer is read whole and then parsed, which stops everything else for about a second per 6 MB of the worst
 * JSON. One hostile cluster must not stop the others: what Mandate asks by itself, again and again (reviews, tokens,
 * leases), is answered in a few kB, so that is what is taken.
 */
const SMALL = 256 * 1024
/** etcd takes objects of 1.5 MB; aggregated servers may have others. */
const OBJECT = 4 << 20
/** Five hundred objects of 32 kB. */
const PAGE = 16 << 20

const OF_MANDATE = /^\/apis\/(?:authentication|authorization|coordination)\.k8s\.io\/|\/serviceaccounts\/[^/]+\/token(?:\?|$)/
const COLLECTION = /^\/(?:api|apis\/[^/]+)\/[^/]+\/(?:namespaces\/[^/]+\/)?[^/]+$/

/** Bytes; `path` as resource-path.ts wrote it, with or without a query. */
export function mostBytesOf({ method, path }: { readonly method: string; readonly path: string }): number {
  if (OF_MANDATE.test(path)) return SMALL
  const [resource = ''] = path.split('?')
  return method === 'GET' && COLLECTION.test(resource) ? PAGE : OBJECT
}
