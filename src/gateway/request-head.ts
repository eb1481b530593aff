/**
 * The first look at a request: its headers folded once, its ambiguities refused.
 *
 * Security: proxies that disagree on what a header is called are smuggled past. Names are folded (case, `_` to `-`)
 * before anything is decided; a header that means identity, framing or routing must come at most once and spelled
 * with hyphens; whatever begins with `impersonate` after folding is refused (Rancher CVE-2021-31999, oauth2-proxy
 * CVE-2025-64484). Nothing in here is ever copied to an upstream: `forward/header-boundary.ts` builds that anew.
 */
import { Refusal } from '../errors.ts'

export interface RequestHead {
  /**
   * Values by name in lower case. A repeated header that may repeat is joined by ", ". A name spelled with an underscore
   * is not here: it could otherwise add to what a trusted proxy wrote with hyphens.
   */
  readonly values: ReadonlyMap<string, string>
}

const MOST_HEADERS = 100

// Each of these changes who the caller is, where the request goes or where it ends: two of one kind is an attack.
const ONCE = new Set([
  'host',
  'authorization',
  'cookie',
  'origin',
  'content-length',
  'content-type',
  'transfer-encoding',
  'sec-fetch-site',
  'expect',
  'referer',
  'upgrade',
  'sec-websocket-key',
  'sec-websocket-version',
  'sec-websocket-protocol',
])

/** Folds Node's raw header list. Throws Refusal `header_ambiguous`, `headers_too_many` or `impersonation_refused`. */
export function readHead(rawHeaders: readonly string[]): RequestHead {
  if (rawHeaders.length / 2 > MOST_HEADERS) throw new Refusal('headers_too_many')
  const values = new Map<string, string>()
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? ''
    const value = rawHeaders[i + 1] ?? ''
    const folded = foldName(name)
    if (folded.startsWith('impersonate')) throw new Refusal('impersonation_refused')
    const before = values.get(folded)
    if (ONCE.has(folded)) {
      if (before !== undefined) throw new Refusal('header_ambiguous', { detail: `${folded} was sent twice` })
      if (name.includes('_')) throw new Refusal('header_ambiguous', { detail: `${folded} is spelled with an underscore` })
    }
    if (name.includes('_')) continue
    values.set(folded, before === undefined ? value : `${before}, ${value}`)
  }
  refuseFraming(values)
  return { values }
}

/**
 * Node undoes `chunked` alone, so a body under any other coding would go on without saying so. Of both framings one is a
 * lie (RFC 9112 6.3); Node refuses that too, and we do not rest on it.
 */
function refuseFraming(values: ReadonlyMap<string, string>): void {
  const expected = values.get('expect')?.toLowerCase() ?? '100-continue'
  if (expected !== '100-continue') throw new Refusal('header_ambiguous', { detail: 'expect is something else than 100-continue' })
  const coding = values.get('transfer-encoding')
  if (coding === undefined) return
  if (coding.toLowerCase() !== 'chunked')
    throw new Refusal('header_ambiguous', { detail: 'transfer-encoding is something else than chunked' })
  if (values.has('content-length')) throw new Refusal('header_ambiguous', { detail: 'both transfer-encoding and content-length were sent' })
}

/** The one way a header name is compared anywhere: lower case, underscores as hyphens. */
export function foldName(name: string): string {
  const lower = name.toLowerCase()
  return lower.includes('_') ? lower.replaceAll('_', '-') : lower
}

/**
 * The host name in a Host header, without its port; '' for what is none. A name that is not ours is refused by whoever
 * asks: DNS rebinding ends there, and no cache in front is poisoned.
 */
export function hostnameOf(host: string | undefined): string {
  return /^(\[[0-9a-f:]+\]|[a-z0-9.-]+)(?::\d{1,5})?$/.exec(host?.toLowerCase() ?? '')?.[1] ?? ''
}
