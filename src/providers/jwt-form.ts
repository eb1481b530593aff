/**
 * The form of a JWT before anything of it is believed: three strict base64url parts, a header with nothing in it that
 * would change how it is read, a claims object. Pure, and bounded before it parses.
 *
 * Security:
 * - Strict base64url (RFC 7515 section 2: no padding, no white space, no line breaks, no other alphabet, no stray low
 *   bits): two texts for one token would have two digests, and a revoked or cached token could come back disguised.
 * - `crit`, `b64` and `zip` change how a token is read and are refused (RFC 7515 4.1.11, RFC 7797, RFC 7516 4.1.3).
 * - `jwk`, `jku`, `x5u`, `x5c` and `kid` name keys by the sender's word: the first four are never looked at.
 * - Nothing here may enter an error: the sender would find it quoted in an answer or a log.
 */
import { Refusal } from '../errors.ts'
import type { Secret } from '../secret.ts'
import { isObject, parseJson } from './issuer-json.ts'

/** The longest token that is looked at, in characters. */
export const LONGEST_TOKEN = 16_384

export interface JwtForm {
  readonly alg: string
  readonly kid: string | undefined
  /** In lower case and without `application/` (RFC 7515 4.1.9); undefined when absent. */
  readonly typ: string | undefined
  /** Nothing of it is proven. */
  readonly unverified: Readonly<Record<string, unknown>>
}

/** Takes a token apart. Throws Refusal `token_too_large` or `token_malformed`. */
export function readJwtForm(token: Secret): JwtForm {
  if (token.length > LONGEST_TOKEN) throw new Refusal('token_too_large')
  const parts = token.expose().split('.')
  const [head = '', body = '', signature = ''] = parts
  if (parts.length !== 3 || !isBase64url(signature)) throw malformed('it is not three base64url parts')
  const header = decode(head)
  const claims = decode(body)
  if (header === undefined || claims === undefined) throw malformed('its header or claims are not a JSON object')
  const { alg, kid, typ } = header
  if (['crit', 'b64', 'zip'].some((member) => member in header)) throw malformed('its header has crit, b64 or zip')
  if (typeof alg !== 'string' || alg === '') throw malformed('its header has no alg')
  if (kid !== undefined && (typeof kid !== 'string' || kid === '')) throw malformed('its kid is not text')
  if (typ !== undefined && (typeof typ !== 'string' || typ === '')) throw malformed('its typ is not text')
  return { alg, kid, typ: typ?.toLowerCase().replace(/^application\//, ''), unverified: claims }
}

function malformed(detail: string): Refusal {
  return new Refusal('token_malformed', { detail })
}

function isBase64url(part: string): boolean {
  return /^[A-Za-z0-9_-]+$/.test(part) && Buffer.from(part, 'base64url').toString('base64url') === part
}

function decode(part: string): Record<string, unknown> | undefined {
  if (!isBase64url(part)) return undefined
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(part, 'base64url'))
  } catch {
    return undefined
  }
  const value = parseJson(text)
  return isObject(value) ? value : undefined
}
