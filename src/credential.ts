/**
 * A credential carries the caller's rights for one target, and nothing of ours beyond that.
 *
 * Security: the only way from a Credential to a request is `present`, which is pure and total: it cannot fail and
 * cannot yield an empty credential, because the constructors below refuse values that could not be sent. A request
 * that cannot be dressed therefore cannot be sent (capsule-proxy CVE-2023-48312: an empty token became the proxy's
 * own identity). Multi-valued headers are separate lines, never one joined line (`Impersonate-Group: dev, ops` would
 * name a group "dev, ops").
 */
import { Refusal } from './errors.ts'
import type { Secret } from './secret.ts'

export type HeaderLine = readonly [name: string, value: string]

interface Expiring {
  /** Milliseconds since the epoch after which the credential must not be used. */
  readonly expiresAt: number
  /** Headers that say who asks, for services that read them; their values are printable ASCII. */
  readonly lines?: readonly HeaderLine[]
}

/** RFC 6750: the caller's own token for the target. */
export interface BearerCredential extends Expiring {
  readonly kind: 'bearer'
  readonly token: Secret
}

/** The Kubernetes impersonation headers, sent with the broker's own token. */
export interface ImpersonationCredential extends Expiring {
  readonly kind: 'impersonation'
  readonly broker: Secret
  readonly user: string
  readonly uid: string
  readonly groups: readonly string[]
  readonly extra: ReadonlyArray<readonly [key: string, value: string]>
}

/** No credential for the target: it learns who asks from identity headers alone. */
export interface IdentityCredential extends Expiring {
  readonly kind: 'identity'
}

export type Credential = BearerCredential | ImpersonationCredential | IdentityCredential

const FIELD_VALUE = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/
const TOKEN68 = /^[A-Za-z0-9\-._~+/]+=*$/

/** Refuses a token that RFC 6750 2.1 could not carry, the empty one above all. */
export function bearerCredential(token: Secret, expiresAt: number): BearerCredential {
  if (!TOKEN68.test(token.expose())) throw new Refusal('credential_not_offered', { detail: 'the token is empty or not a b64token' })
  return Object.freeze({ kind: 'bearer', token, expiresAt })
}

/**
 * Refuses names that a header line cannot carry unchanged. Kubernetes reads header values as they come, so text
 * outside printable ASCII or with outer spaces could name somebody else than was decided on. A broker token that
 * cannot be sent is our operator's trouble, not the caller's: `credential_unavailable`.
 */
export function impersonationCredential(parts: Omit<ImpersonationCredential, 'kind'>): ImpersonationCredential {
  const { broker, user, uid, groups, extra, expiresAt } = parts
  if (!TOKEN68.test(broker.expose())) throw new Refusal('credential_unavailable')
  const values = [user, uid, ...groups, ...extra.map(([, value]) => value)]
  if (!values.every((value) => FIELD_VALUE.test(value))) {
    throw new Refusal('identity_unusable', {
      detail: 'a user, uid, group or extra value is empty or has characters outside printable ASCII',
    })
  }
  if (extra.some(([key]) => key === '')) throw new Refusal('identity_unusable', { detail: 'the key of an extra value is empty' })
  // Copied and frozen: caches share credentials, and no later step may change what was decided on.
  return Object.freeze({
    kind: 'impersonation',
    broker,
    user,
    uid,
    groups: Object.freeze([...groups]),
    extra: Object.freeze(extra.map(([key, value]) => Object.freeze([key, value] as const))),
    expiresAt,
  })
}

/** The header lines that dress a request with this credential. Pure; never empty for a credential that has rights. */
export function present(credential: Credential): readonly HeaderLine[] {
  const { lines = [] } = credential
  switch (credential.kind) {
    case 'bearer':
      return [['Authorization', `Bearer ${credential.token.expose()}`], ...lines]
    case 'impersonation':
      return [
        ['Authorization', `Bearer ${credential.broker.expose()}`],
        ['Impersonate-User', credential.user],
        ['Impersonate-Uid', credential.uid],
        ...credential.groups.map((group): HeaderLine => ['Impersonate-Group', group]),
        ...credential.extra.map(([key, value]): HeaderLine => [`Impersonate-Extra-${encodeExtraKey(key)}`, value]),
        ...lines,
      ]
    case 'identity':
      return lines
  }
}

/**
 * Extra keys as client-go sends them: bytes that a header name cannot carry (RFC 9110 5.6.2), and `%` itself, are
 * percent-encoded. The API server lower-cases the header's name and decodes after that, so ASCII letters arrive in
 * lower case whatever is sent; they are sent so, that what we show is what it reads.
 */
function encodeExtraKey(key: string): string {
  return [...Buffer.from(key, 'utf8')]
    .map((byte) => {
      const character = String.fromCharCode(byte)
      return /[A-Za-z0-9!#$&'*+.^_`|~-]/.test(character) ? character.toLowerCase() : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
    })
    .join('')
}
