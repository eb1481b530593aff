/**
 * The closed catalogue of audit events. `docs/reference/audit-events.md` is proven equal to it.
 *
 * Security: an event holds names and outcomes, never a token, cookie, header or body. A login is named by the digest
 * of its id; a bearer by the first characters of its digest. A person's name and e-mail are not recorded.
 */

import type { BearerProof, Caller, Stranger } from '../principal.ts'
import type { RefusalCode } from '../refusal-codes.ts'

/** Who acted, as far as audit goes. */
export interface Who {
  /** `unknown` where a token holds and its bearer is nobody here. */
  readonly kind: 'person' | 'machine' | 'unknown'
  readonly provider: string
  readonly issuer: string
  readonly subject: string
  /** `login:` or `bearer:` and the beginning of its digest: tells two sign-ins of a person apart. */
  readonly proof: string
  /** The client that a bearer was issued to, and its scopes. */
  readonly client?: string
  readonly scopes?: readonly string[]
  /** Who acted for the subject, where that was somebody else. */
  readonly actor?: { readonly issuer: string; readonly subject: string }
}

/** Everything an event may say. Which event says what stands in AUDIT_EVENTS. */
interface Facts {
  readonly attempt: string
  readonly address: string
  readonly who: Who | undefined
  readonly provider: string
  readonly issuer: string | undefined
  readonly subject: string | undefined
  readonly login: string
  readonly action: string
  readonly resource: string
  readonly properties: Readonly<Record<string, string>>
  readonly rule: string
  readonly credential: string
  readonly code: RefusalCode
  readonly detail: string | undefined
  readonly count: number
  readonly result: string
  readonly cause: string
  readonly effect: string
  readonly status: number
  readonly upstreamAuditId: string | undefined
  readonly bytes: number
  readonly milliseconds: number
  readonly asker: string
  /** The action that the user was reviewed for: that of `properties`, or another one that stands for it. */
  readonly reviewed: Readonly<Record<string, string>>
  readonly task: string
}

interface Entry {
  readonly means: string
  readonly facts: ReadonlyArray<keyof Facts>
}

export const AUDIT_EVENTS = {
  login: { means: 'A person signed in and a login was made.', facts: ['attempt', 'address', 'provider', 'who', 'login'] },
  'host-code': {
    means: 'A person with a login was given a code that makes it known on another host. Written before the code is made.',
    facts: ['attempt', 'address', 'who', 'login', 'resource'],
  },
  'host-session': {
    means: 'A login was made known on another host, and a cookie of that host was made for it.',
    facts: ['attempt', 'address', 'who', 'login', 'resource'],
  },
  refused: {
    means:
      'An attempt was refused, at whatever step. `count` above 1 sums a second of refusals of one principal, or of one network where nobody was authenticated.',
    facts: ['attempt', 'address', 'who', 'action', 'resource', 'properties', 'code', 'detail', 'count'],
  },
  refresh: {
    means: 'A refresh token was presented to the issuer, and how that ended: renewed, refused, not-sent or unknown.',
    facts: ['provider', 'login', 'result'],
  },
  logout: {
    means: 'Logins or tokens were ended: by the person, everywhere, by the issuer (back-channel) or by an operator.',
    facts: ['address', 'who', 'provider', 'issuer', 'subject', 'login', 'cause'],
  },
  granted: {
    means: 'The caller was authenticated and allowed, and a credential with their rights is at hand. Written before anything is sent.',
    facts: ['attempt', 'address', 'who', 'action', 'resource', 'properties', 'rule', 'credential'],
  },
  effect: {
    means: 'Something that cannot be taken back is about to be done under a grant. Written before it is done.',
    facts: ['attempt', 'who', 'resource', 'effect'],
  },
  completed: {
    means: 'The target answered, and the answer was passed on to its last byte.',
    facts: ['attempt', 'who', 'resource', 'status', 'upstreamAuditId', 'bytes', 'milliseconds'],
  },
  failed: {
    means: 'A granted attempt ended without a whole answer.',
    facts: ['attempt', 'who', 'resource', 'code', 'cause', 'status', 'upstreamAuditId', 'bytes', 'milliseconds'],
  },
  'stream-opened': {
    means: 'An answer that goes on (a watch, followed logs) began.',
    facts: ['attempt', 'who', 'resource', 'properties', 'upstreamAuditId'],
  },
  'stream-closed': {
    means: 'Such an answer ended, and why.',
    facts: ['attempt', 'who', 'resource', 'cause', 'status', 'upstreamAuditId', 'bytes', 'milliseconds'],
  },
  escalated: {
    means:
      'A write that a user asked for is about to be done by the service account, on a proof that the user may do it themselves. Written before it is sent.',
    facts: ['asker', 'action', 'resource', 'properties', 'reviewed'],
  },
  brokered: {
    means:
      'A write of a brokered operation is about to be done by the service account: who asked, what the API server allowed them (`reviewed`), and what is written on it. Written before it is sent.',
    facts: ['attempt', 'who', 'asker', 'action', 'resource', 'properties', 'reviewed'],
  },
  'own-work': {
    means: "Mandate's own account is about to do something for a task of its own, which nobody asked for. Written before it is sent.",
    facts: ['task', 'action', 'resource', 'properties'],
  },
} as const satisfies Record<string, Entry>

export type AuditEventName = keyof typeof AUDIT_EVENTS

/** One record: its name and exactly the facts the catalogue lists for it. */
export type AuditEvent = {
  [E in AuditEventName]: { readonly event: E } & Pick<Facts, (typeof AUDIT_EVENTS)[E]['facts'][number]>
}[AuditEventName]

// A caller is asked for at every record of theirs, and is one object for as long as their login or token is cached.
const known = new WeakMap<Caller, Who>()

/** What audit says of a caller: one frozen object for each. */
export function whoOf(caller: Caller): Who {
  let who = known.get(caller)
  if (who === undefined) {
    who = Object.freeze(describe(caller))
    known.set(caller, who)
  }
  return who
}

/** What audit says of a token that holds and whose bearer is nobody here. */
export function whoIs(stranger: Stranger): Who {
  const { provider, issuer, subject } = stranger
  return { kind: 'unknown', provider, issuer, subject, proof: bearerProof(stranger.digest), ...bearing(stranger) }
}

function bearerProof(digest: string): string {
  return `bearer:${digest.slice(0, 16)}`
}

function describe({ principal, proof }: Caller): Who {
  const shown = proof.kind === 'login' ? `login:${proof.loginId.slice(0, 16)}` : bearerProof(proof.digest)
  const { kind, provider, issuer, subject, actor } = principal
  const acting = actor === undefined ? {} : { actor: { issuer: actor.issuer, subject: actor.subject } }
  return { kind, provider, issuer, subject, proof: shown, ...(proof.kind === 'bearer' ? bearing(proof) : {}), ...acting }
}

/** What a machine is known by, and what a bearer may. A person's login has neither. */
function bearing({ client, scopes }: Pick<BearerProof, 'client' | 'scopes'>): Pick<Who, 'client' | 'scopes'> {
  return { ...(client === undefined ? {} : { client }), ...(scopes.length === 0 ? {} : { scopes: withinBound(scopes) }) }
}

/** A token has room for thousands of scopes, which would then stand in every record of its caller. */
const MOST_SCOPES_CHARACTERS = 2_048

function withinBound(scopes: readonly string[]): readonly string[] {
  let room = MOST_SCOPES_CHARACTERS
  const cut = scopes.findIndex((scope) => {
    room -= scope.length
    return room < 0
  })
  // No scope has a space within (RFC 6749 3.3).
  return cut === -1 ? scopes : [...scopes.slice(0, cut), `and ${scopes.length - cut} more`]
}
