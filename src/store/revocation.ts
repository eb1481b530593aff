/** What a revocation says, and how it is written into the log. */

export type Revocation =
  /** Ends one login. */
  | { readonly kind: 'login'; readonly loginId: string }
  /** Ends everything of a principal that was issued at or before `notBefore` (milliseconds since the epoch). */
  | { readonly kind: 'principal'; readonly issuer: string; readonly subject: string; readonly notBefore: number }
  /**
   * Ends what belongs to one session of the issuer (OpenID Connect Back-Channel Logout 1.0, `sid`), and with `also` the
   * logins of that subject, made at or before `notBefore`, that know no session: they may belong to it.
   */
  | { readonly kind: 'session'; readonly issuer: string; readonly sid: string; readonly also?: SessionSubject | undefined }

export interface SessionSubject {
  readonly subject: string
  readonly notBefore: number
}

/** Whom a revocation may end: what a request or stream rests on. */
export interface RevocationSubject {
  readonly loginId?: string | undefined
  readonly issuer: string
  readonly subject: string
  readonly sid?: string | undefined
  /** Milliseconds since the epoch: when the login began, or `iat` of the bearer times 1000. */
  readonly issuedAt: number
}

/** A revocation and when it was made, in milliseconds since the epoch: it matters for `keepMs` from then. */
export interface DatedRevocation {
  readonly revocation: Revocation
  readonly at: number
}

/** One text for each revocation, the same on every replica. */
export function revocationKey(revocation: Revocation): string {
  switch (revocation.kind) {
    case 'login':
      return JSON.stringify(['login', revocation.loginId])
    case 'principal':
      return JSON.stringify(['principal', revocation.issuer, revocation.subject, revocation.notBefore])
    case 'session':
      // Replicas of an older version read the first three parts.
      return JSON.stringify([
        'session',
        revocation.issuer,
        revocation.sid,
        ...(revocation.also ? [revocation.also.subject, revocation.also.notBefore] : []),
      ])
  }
}

/** Bytes for the log, before sealing. */
export function encodeRevocation({ revocation, at }: DatedRevocation): Uint8Array {
  return Buffer.from(`${at} ${revocationKey(revocation)}`)
}

/** Undefined for what no version of Mandate wrote. */
export function decodeRevocation(bytes: Uint8Array): DatedRevocation | undefined {
  const text = Buffer.from(bytes).toString('utf8')
  const space = text.indexOf(' ')
  const at = Number(text.slice(0, space))
  if (space < 1 || !Number.isFinite(at)) return undefined
  let parts: unknown
  try {
    parts = JSON.parse(text.slice(space + 1))
  } catch {
    return undefined
  }
  if (!Array.isArray(parts)) return undefined
  const [kind, first, second, third, fourth]: unknown[] = parts
  if (typeof first !== 'string') return undefined
  if (kind === 'login') return { at, revocation: { kind, loginId: first } }
  if (typeof second !== 'string') return undefined
  if (kind === 'session') {
    if (third === undefined) return { at, revocation: { kind, issuer: first, sid: second } }
    if (typeof third !== 'string' || typeof fourth !== 'number') return undefined
    return { at, revocation: { kind, issuer: first, sid: second, also: { subject: third, notBefore: fourth } } }
  }
  if (kind !== 'principal' || typeof third !== 'number') return undefined
  return { at, revocation: { kind, issuer: first, subject: second, notBefore: third } }
}
