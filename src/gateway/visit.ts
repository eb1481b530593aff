/** One request that has passed framing: what every endpoint of the gateway gets to see. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { Refusal } from '../errors.ts'
import type { RequestHead } from './request-head.ts'
import type { RequestTarget } from './request-target.ts'

/** The connection of a request that asks for another protocol: ours to speak on from its head on. */
export interface Upgrade {
  readonly socket: Duplex
  /** What the caller sent right behind the head, before the protocol was changed. */
  readonly early: Buffer
}

export interface Visit {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Present for a request to change the protocol that the listener has let through. */
  readonly upgrade: Upgrade | undefined
  /** Names this request in answers, logs and audit. Ours, never the caller's. */
  readonly requestId: string
  /** The caller's address; of a trusted proxy's client where one is configured. */
  readonly address: string
  readonly head: RequestHead
  readonly target: RequestTarget
}

/** The query's fields. Throws Refusal `path_ambiguous` when one of `once` comes twice: which one counts would be a guess. */
export function queryOf({ target }: Visit, once: readonly string[]): URLSearchParams {
  const query = new URLSearchParams(target.search)
  for (const name of once) {
    if (query.getAll(name).length > 1) throw new Refusal('path_ambiguous', { detail: `the query has ${name} twice` })
  }
  return query
}

// Fetch Metadata: the address bar and bookmarks say `none`. Old browsers and plain http off loopback say nothing.
const OUR_SITE: ReadonlySet<string | undefined> = new Set([undefined, 'none', 'same-origin'])

/** True when a browser says by Sec-Fetch-Site that a page of another origin, or a redirect by one, led it here. */
export function ledByAnotherSite(fetchSite: string | undefined): boolean {
  return !OUR_SITE.has(fetchSite)
}

/** True when a browser navigates here and would rather see a page. */
export function wantsPage({ head, request }: Visit): boolean {
  return request.method === 'GET' && (head.values.get('accept') ?? '').includes('text/html')
}

/** The same of a request that may not be readable: for how its refusal looks, and for nothing that is decided. */
export function seemsToWantPage({ method, headers }: Pick<IncomingMessage, 'method' | 'headers'>): boolean {
  return method === 'GET' && (headers.accept ?? '').includes('text/html')
}

/** Refuses methods other than the given. */
export function requireMethod({ request, response }: Visit, ...methods: string[]): void {
  if (methods.includes(request.method ?? '')) return
  response.setHeader('Allow', methods.join(', '))
  throw new Refusal('method_unsupported')
}
