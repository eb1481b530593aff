/**
 * What a proxy says it was asked: the headers of a question at /authorize.
 *
 * Security: whoever writes these headers chooses what is decided on (oauth2-proxy CVE-2026-40575: `X-Forwarded-Uri` was
 * believed from anyone), so only listed peers come this far (`server.ts`), and of the two families of names the
 * configured one alone is read: a caller could send the other one through the proxy. Each must be there once and spelled
 * with hyphens, because a proxy that leaves one out passes its caller's on. The target is read as on every other port,
 * since the proxy forwards the same bytes.
 */
import { Refusal } from '../errors.ts'
import { foldName, hostnameOf } from './request-head.ts'
import { type RequestTarget, readTarget } from './request-target.ts'

/** `x-forwarded`: X-Forwarded-Method, -Proto, -Host, -Uri. `x-original`: X-Original-Method and an absolute X-Original-URL. */
export type HeaderFamily = 'x-forwarded' | 'x-original'

/** The request that a proxy holds back. */
export interface AskedRequest {
  /** As it was sent; methods are case-sensitive (RFC 9110 9.1). */
  readonly method: string
  /** `http` or `https`. */
  readonly protocol: string
  /** As it was sent. */
  readonly host: string
  /** Without a port; '' for what is no host name. */
  readonly hostname: string
  readonly target: RequestTarget
}

const NAMES: Readonly<Record<HeaderFamily, readonly string[]>> = {
  'x-forwarded': ['x-forwarded-method', 'x-forwarded-proto', 'x-forwarded-host', 'x-forwarded-uri'],
  'x-original': ['x-original-method', 'x-original-url'],
}
/** RFC 9110 5.6.2. */
const METHOD = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,32}$/
const ABSOLUTE = /^([a-z]+):\/\/([^/?#]*)(\/.*)$/

/** Reads the question. Throws Refusal `question_unclear` or `path_ambiguous`. */
export function readAsked(rawHeaders: readonly string[], family: HeaderFamily): AskedRequest {
  const said = onceEach(rawHeaders, NAMES[family])
  const method = said(`${family}-method`)
  if (!METHOD.test(method)) throw ambiguous(`${family}-method is not a method`)
  const [protocol, host, target] =
    family === 'x-forwarded'
      ? [said('x-forwarded-proto'), said('x-forwarded-host'), said('x-forwarded-uri')]
      : splitAbsolute(said('x-original-url'))
  return { method, protocol, host, hostname: hostnameOf(host), target: readTarget(target) }
}

/** Cut, not parsed: a URL parser would turn the path into another. */
function splitAbsolute(url: string): readonly [protocol: string, host: string, target: string] {
  const [, protocol, host, target] = ABSOLUTE.exec(url) ?? []
  if (protocol === undefined || host === undefined || target === undefined) throw ambiguous('x-original-url is not an absolute URL')
  return [protocol, host, target]
}

function onceEach(rawHeaders: readonly string[], names: readonly string[]): (name: string) => string {
  const values = new Map<string, string>()
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? ''
    const folded = foldName(name)
    if (!names.includes(folded)) continue
    if (name.includes('_')) throw ambiguous(`${folded} is spelled with an underscore`)
    if (values.has(folded)) throw ambiguous(`${folded} was sent twice`)
    values.set(folded, rawHeaders[i + 1] ?? '')
  }
  return (name) => {
    const value = values.get(name)
    if (value === undefined) throw ambiguous(`${name} is missing`)
    return value
  }
}

function ambiguous(detail: string): Refusal {
  return new Refusal('question_unclear', { detail })
}
