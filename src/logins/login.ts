/**
 * A login: one sign-in of one person, and what is remembered of it between requests.
 *
 * The record and the upstream tokens are kept apart: the record is read often and stays under a kilobyte, the tokens
 * are read only when a credential is made of them. Both are sealed before they reach the store.
 */
import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import type { Principal } from '../principal.ts'
import type { SignedIn, TokenSet } from '../providers/tokens.ts'
import { Secret } from '../secret.ts'

/**
 * Where the right to present the refresh token of the present generation stands. It is part of the record, so moving
 * it is a compare-and-set (promise 1). `since` is when a token was first presented whose fate is not known: providers
 * that take a used token again do so for a time that is counted from there.
 */
export type RefreshState =
  | { readonly state: 'idle'; readonly since?: number | undefined }
  /** Somebody won the right. After `leaseUntil` waiters stop waiting for them; the right itself never returns. */
  | { readonly state: 'presenting'; readonly presenter: string; readonly leaseUntil: number; readonly since: number }
  /** The presenter died or the issuer's answer was lost: the token may be used up, so it is never presented again. */
  | { readonly state: 'unknown'; readonly presenter?: string | undefined }
  /** The issuer refused it, or never gave one. */
  | { readonly state: 'refused' }

export interface LoginRecord {
  readonly principal: Principal
  readonly shown: Readonly<Record<string, unknown>>
  readonly sid: string | undefined
  /** Milliseconds since the epoch. */
  readonly signedInAt: number
  readonly endsAt: number
  /** Counts refreshes; equals the version of the tokens it belongs to. */
  readonly generation: number
  readonly refresh: RefreshState
}

const refreshState = z.discriminatedUnion('state', [
  z.object({ state: z.literal('idle'), since: z.number().optional() }),
  z.object({ state: z.literal('presenting'), presenter: z.string(), leaseUntil: z.number(), since: z.number() }),
  z.object({ state: z.literal('unknown'), presenter: z.string().optional() }),
  z.object({ state: z.literal('refused') }),
])

// A shown claim is mostly a member of the principal once more, and the list of groups is the largest of all: such a
// claim is written as the letter of that member.
const SAME = { s: 'subject', g: 'groups', n: 'name', e: 'email', k: 'kubernetesUser' } as const
const shownForm = z.union([z.tuple([z.string(), z.enum(['s', 'g', 'n', 'e', 'k'])]), z.tuple([z.string(), z.null(), z.unknown()])])

// Short member names: the record is to stay under a kilobyte in the store.
const recordForm = z.object({
  p: z.string(),
  i: z.string(),
  s: z.string(),
  g: z.array(z.string()),
  n: z.string().optional(),
  e: z.string().optional(),
  c: z.array(shownForm),
  k: z.string().optional(),
  l: z.record(z.string(), z.array(z.string())).optional(),
  d: z.string().optional(),
  t: z.number(),
  x: z.number(),
  r: z.number(),
  f: refreshState,
})

const tokensForm = z.object({
  a: z.string(),
  x: z.number(),
  i: z.string().optional(),
  y: z.number().optional(),
  r: z.string().optional(),
  o: z.number(),
})

/** The first record of a login. */
export function newRecord({ principal, shown, sid, tokens }: SignedIn, now: number, absoluteMs: number): LoginRecord {
  const refresh: RefreshState = tokens.refreshToken === undefined ? { state: 'refused' } : { state: 'idle' }
  return { principal, shown, sid, signedInAt: now, endsAt: now + absoluteMs, generation: 1, refresh }
}

export function encodeRecord(record: LoginRecord): Uint8Array {
  const { principal, shown, sid, signedInAt, endsAt, generation, refresh } = record
  const form: z.input<typeof recordForm> = {
    p: principal.provider,
    i: principal.issuer,
    s: principal.subject,
    g: [...principal.groups],
    n: principal.name,
    e: principal.email,
    c: Object.entries(shown).map(([claim, value]) => encodeShown(principal, claim, value)),
    k: principal.kubernetesUser,
    l: principal.claims && Object.fromEntries(Object.entries(principal.claims).map(([claim, values]) => [claim, [...values]])),
    d: sid,
    t: signedInAt,
    x: endsAt,
    r: generation,
    f: refresh,
  }
  return Buffer.from(JSON.stringify(form), 'utf8')
}

/** Throws when the bytes are not a record: they were sealed by us, so that is a fault, not bad input. */
export function decodeRecord(bytes: Uint8Array): LoginRecord {
  const form = recordForm.parse(JSON.parse(Buffer.from(bytes).toString('utf8')))
  // Frozen, because every request of the login is answered from the one object.
  const principal: Principal = Object.freeze({
    kind: 'person',
    provider: form.p,
    issuer: form.i,
    subject: form.s,
    groups: Object.freeze(form.g),
    ...(form.n === undefined ? {} : { name: form.n }),
    ...(form.e === undefined ? {} : { email: form.e }),
    ...(form.k === undefined ? {} : { kubernetesUser: form.k }),
    ...(form.l === undefined ? {} : { claims: Object.freeze(form.l) }),
  })
  const shown = Object.freeze(
    Object.fromEntries(form.c.map(([claim, same, value]) => [claim, same === null ? value : principal[SAME[same]]])),
  )
  return { principal, shown, sid: form.d, signedInAt: form.t, endsAt: form.x, generation: form.r, refresh: form.f }
}

function encodeShown(principal: Principal, claim: string, value: unknown): z.input<typeof shownForm> {
  for (const letter of ['s', 'g', 'n', 'e', 'k'] as const) {
    const member = principal[SAME[letter]]
    if (member !== undefined && isDeepStrictEqual(member, value)) return [claim, letter]
  }
  return [claim, null, value]
}

export function encodeTokens(tokens: TokenSet): Uint8Array {
  const form: z.input<typeof tokensForm> = {
    a: tokens.accessToken.expose(),
    x: tokens.accessExpiresAt,
    o: tokens.obtainedAt,
    ...(tokens.idToken === undefined ? {} : { i: tokens.idToken.expose() }),
    ...(tokens.idExpiresAt === undefined ? {} : { y: tokens.idExpiresAt }),
    ...(tokens.refreshToken === undefined ? {} : { r: tokens.refreshToken.expose() }),
  }
  return Buffer.from(JSON.stringify(form), 'utf8')
}

export function decodeTokens(bytes: Uint8Array): TokenSet {
  const form = tokensForm.parse(JSON.parse(Buffer.from(bytes).toString('utf8')))
  return {
    accessToken: new Secret(form.a),
    accessExpiresAt: form.x,
    idToken: form.i === undefined ? undefined : new Secret(form.i),
    idExpiresAt: form.y,
    refreshToken: form.r === undefined ? undefined : new Secret(form.r),
    obtainedAt: form.o,
  }
}
