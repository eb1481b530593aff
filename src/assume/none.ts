/**
 * No credential: a service learns who asks from identity headers alone, and believes Mandate because nobody else can
 * reach it.
 *
 * Security: every value comes from the verified principal and proof. What a header line could not carry as it is, and
 * what separates the members of a list, is percent-encoded, so that no name can end its line, look like another name
 * or become two members of a list: `decodeURIComponent` of each member gives back what the issuer said. A principal
 * without a subject is nobody and is refused, and so is text with half a character in it (a lone surrogate): all of
 * those would be written alike, and two subjects would be one. Who acts for somebody is said beside them.
 */
import type { HeaderLine, IdentityCredential } from '../credential.ts'
import { Refusal } from '../errors.ts'
import type { BearerProof, Caller, Principal } from '../principal.ts'
import type { CredentialSource } from './credential-source.ts'

/** A source that needs nobody's answer. The same caller gets the same credential: it is made once. */
export function createNone(): CredentialSource {
  // By what the lines are made of: the objects live as long as a login or a verified bearer is remembered.
  const made = new WeakMap<Principal | BearerProof, IdentityCredential>()
  return {
    async assume({ principal, proof }) {
      const key = proof.kind === 'bearer' ? proof : principal
      let credential = made.get(key)
      if (credential === undefined) {
        if (!isUsable({ principal, proof })) return { result: 'refused', refusal: new Refusal('identity_unusable') }
        // It holds for as long as the caller's proof does, which the door watches.
        credential = Object.freeze({ kind: 'identity', lines: identityLines({ principal, proof }), expiresAt: Number.POSITIVE_INFINITY })
        made.set(key, credential)
      }
      return { result: 'granted', credential }
    },
  }
}

function isUsable({ principal, proof }: Pick<Caller, 'principal' | 'proof'>): boolean {
  const { provider, name = '', email = '', groups, actor } = principal
  const named = [principal, ...(actor === undefined ? [] : [actor])].flatMap(({ subject, issuer }) => [subject, issuer])
  const scopes = proof.kind === 'bearer' ? proof.scopes : []
  return (
    named.every((value) => value !== '') && [...named, provider, name, email, ...groups, ...scopes].every((value) => value.isWellFormed())
  )
}

/** The headers that say who asks. Absent is what the issuer did not say. */
export function identityLines({ principal, proof }: Pick<Caller, 'principal' | 'proof'>): readonly HeaderLine[] {
  const { subject, issuer, provider, kind, name, email, groups, actor } = principal
  const one = (header: string, value: string | undefined): HeaderLine[] =>
    value === undefined || value === '' ? [] : [[header, encodeMember(value)]]
  const list = (header: string, values: readonly string[]): HeaderLine[] => {
    const members = values.filter((value) => value !== '').map(encodeMember)
    return members.length === 0 ? [] : [[header, members.join(',')]]
  }
  return Object.freeze([
    ...one('X-Mandate-Subject', subject),
    ...one('X-Mandate-Issuer', issuer),
    ...one('X-Mandate-Provider', provider),
    ...one('X-Mandate-Kind', kind),
    ...one('X-Mandate-Name', name),
    ...one('X-Mandate-Email', email),
    ...list('X-Mandate-Groups', groups),
    ...(proof.kind === 'bearer' ? list('X-Mandate-Scopes', proof.scopes) : []),
    ...one('X-Mandate-Actor', actor?.subject),
    ...one('X-Mandate-Actor-Issuer', actor?.issuer),
  ])
}

/** Outer spaces are cut off by whoever reads a header line (RFC 9110 5.5). */
const PLAIN = /^(?! )[\x20-\x24\x26-\x2b\x2d-\x7e]*(?<! )$/

function encodeMember(value: string): string {
  if (PLAIN.test(value)) return value
  const last = Buffer.byteLength(value) - 1
  return [...Buffer.from(value, 'utf8')]
    .map((byte, at) => {
      const character = String.fromCharCode(byte)
      const plain = byte === 0x20 ? at > 0 && at < last : byte > 0x20 && byte < 0x7f && byte !== 0x25 && byte !== 0x2c
      return plain ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
    })
    .join('')
}
