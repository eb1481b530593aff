/**
 * Says to a service who asks, in headers beside whatever credential it gets.
 *
 * Security: every value comes from the verified principal and proof. What a header line could not carry as it is, and
 * what separates the members of a list, is percent-encoded, so that no name can end its line, look like another name
 * or become two members of a list: `decodeURIComponent` of each member gives back what the issuer said. A principal
 * without a subject is nobody and is refused, and so is text with half a character in it (a lone surrogate): all of
 * those would be written alike, and two subjects would be one. Who acts for somebody is said beside them.
 */
import type { Credential, HeaderLine } from '../credential.ts'
import { Refusal } from '../errors.ts'
import type { BearerProof, Caller, Principal } from '../principal.ts'
import type { CredentialSource } from './credential-source.ts'

/** What a header can say of a caller. */
export type IdentityFact =
  | 'subject'
  | 'issuer'
  | 'provider'
  | 'kind'
  | 'name'
  | 'email'
  | 'groups'
  | 'scopes'
  | 'client'
  | 'actor'
  | 'actor-issuer'

/** One header that says who asks. */
export interface IdentityHeader {
  readonly name: string
  readonly says: IdentityFact
  /** Said of machines alone: a service that reads it takes whoever has it for one. */
  readonly ofMachines?: true
  /** Between the members of a list. Default: a comma. */
  readonly between?: ',' | ' '
}

/** What is said unless an operator chooses otherwise. */
export const MANDATE_HEADERS: readonly IdentityHeader[] = [
  { name: 'X-Mandate-Subject', says: 'subject' },
  { name: 'X-Mandate-Issuer', says: 'issuer' },
  { name: 'X-Mandate-Provider', says: 'provider' },
  { name: 'X-Mandate-Kind', says: 'kind' },
  { name: 'X-Mandate-Name', says: 'name' },
  { name: 'X-Mandate-Email', says: 'email' },
  { name: 'X-Mandate-Groups', says: 'groups' },
  { name: 'X-Mandate-Scopes', says: 'scopes' },
  { name: 'X-Mandate-Client', says: 'client' },
  { name: 'X-Mandate-Actor', says: 'actor' },
  { name: 'X-Mandate-Actor-Issuer', says: 'actor-issuer' },
]

/** What services that know machines alone read. */
export const M2M_HEADERS: readonly IdentityHeader[] = [
  { name: 'X-M2M-Client-ID', says: 'client', ofMachines: true },
  { name: 'X-M2M-Scope', says: 'scopes', ofMachines: true, between: ' ' },
]

interface Dressed {
  readonly bare: Credential
  readonly credential: Credential
}

/** Wraps a source: its credentials carry these headers. The same caller with the same credential is dressed once. */
export function identified(source: CredentialSource, headers: readonly IdentityHeader[]): CredentialSource {
  // By what the lines are made of: the objects live as long as a login or a verified bearer is remembered.
  const made = new WeakMap<Principal | BearerProof, Dressed>()
  return {
    async assume(caller, target) {
      const { principal, proof } = caller
      const key = proof.kind === 'bearer' ? proof : principal
      const before = made.get(key)
      if (before === undefined && !isUsable(caller)) return { result: 'refused', refusal: new Refusal('identity_unusable') }
      const answer = await source.assume(caller, target)
      if (answer.result !== 'granted') return answer
      if (before?.bare === answer.credential) return { result: 'granted', credential: before.credential }
      const lines = before?.credential.lines ?? identityLines(caller, headers)
      const credential = Object.freeze({ ...answer.credential, lines })
      made.set(key, { bare: answer.credential, credential })
      return { result: 'granted', credential }
    },
    evict: (caller, target, refused) => source.evict?.(caller, target, refused) ?? false,
  }
}

function isUsable({ principal, proof }: Pick<Caller, 'principal' | 'proof'>): boolean {
  const { provider, name = '', email = '', groups, actor } = principal
  const named = [principal, ...(actor === undefined ? [] : [actor])].flatMap(({ subject, issuer }) => [subject, issuer])
  const shown = proof.kind === 'bearer' ? [...proof.scopes, proof.client ?? ''] : []
  return (
    named.every((value) => value !== '') && [...named, provider, name, email, ...groups, ...shown].every((value) => value.isWellFormed())
  )
}

/** The headers that say who asks. Absent is what the issuer did not say. */
export function identityLines(
  caller: Pick<Caller, 'principal' | 'proof'>,
  headers: readonly IdentityHeader[] = MANDATE_HEADERS,
): readonly HeaderLine[] {
  return Object.freeze(
    headers.flatMap(({ name, says, ofMachines, between = ',' }): HeaderLine[] => {
      if (ofMachines === true && caller.principal.kind !== 'machine') return []
      const members = factOf(caller, says).filter((value) => value !== '')
      return members.length === 0 ? [] : [[name, members.map((value) => encodeMember(value, between)).join(between)]]
    }),
  )
}

function factOf({ principal, proof }: Pick<Caller, 'principal' | 'proof'>, fact: IdentityFact): readonly string[] {
  switch (fact) {
    case 'subject':
    case 'issuer':
    case 'provider':
    case 'kind':
      return [principal[fact]]
    case 'name':
    case 'email':
      return [principal[fact] ?? '']
    case 'groups':
      return principal.groups
    case 'scopes':
      return proof.kind === 'bearer' ? proof.scopes : []
    case 'client':
      return proof.kind === 'bearer' ? [proof.client ?? ''] : []
    case 'actor':
      return [principal.actor?.subject ?? '']
    case 'actor-issuer':
      return [principal.actor?.issuer ?? '']
  }
}

/** Outer spaces are cut off by whoever reads a header line (RFC 9110 5.5). */
const PLAIN = /^(?! )[\x20-\x24\x26-\x2b\x2d-\x7e]*(?<! )$/

function encodeMember(value: string, between: ',' | ' '): string {
  if (PLAIN.test(value) && (between === ',' || !value.includes(' '))) return value
  const last = Buffer.byteLength(value) - 1
  return [...Buffer.from(value, 'utf8')]
    .map((byte, at) => {
      const character = String.fromCharCode(byte)
      const plain = byte === 0x20 ? between === ',' && at > 0 && at < last : byte > 0x20 && byte < 0x7f && byte !== 0x25 && byte !== 0x2c
      return plain ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
    })
    .join('')
}
