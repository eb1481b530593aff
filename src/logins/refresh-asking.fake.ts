/** Asking for the tokens of a login in time that stands still. */
import assert from 'node:assert/strict'
import { asRefusal } from '../errors.ts'
import type { Call } from '../store/faults.fake.ts'
import { StoreUnavailable } from '../store/store.ts'
import type { LoginTokens, Usable } from './login-tokens.ts'
import { type RefreshReplica, type RefreshStage, TOKEN_LIFE_MS } from './refresh.fake.ts'

/** Into the margin before the token's end. */
export const DUE_MS = TOKEN_LIFE_MS * 0.85
/** Past its end. */
export const ENDED_MS = TOKEN_LIFE_MS + 1

/** The text of the token, or the code of the refusal; undefined while it goes on. */
export type End = string | undefined

/** Watches a call from now on. */
export function watched(call: Promise<Usable>): { readonly end: End } {
  const seen: { end: End } = { end: undefined }
  call.then(
    ({ token }) => (seen.end = token.expose()),
    (error: unknown) => (seen.end = error instanceof StoreUnavailable ? 'store_unavailable' : asRefusal(error).code),
  )
  return seen
}

/** Asks for the access token. */
export function ask(tokens: LoginTokens, loginId: string): { readonly end: End } {
  return watched(tokens.fresh(loginId, 'access-token'))
}

/** Waits for a renewal although the present token may still serve. */
export function renewal({ refreshing }: RefreshReplica, loginId: string, from: number): { readonly end: End } {
  return watched(refreshing.beyond(loginId, from).then(({ tokens }) => ({ token: tokens.accessToken, expiresAt: 0 })))
}

/** Asks and lets time go on until there is an answer, at most for `withinMs`. */
export async function answerOf({ clock }: RefreshStage, { tokens }: RefreshReplica, loginId: string, withinMs = 20_000): Promise<End> {
  const asked = ask(tokens, loginId)
  for (let waited = 0; asked.end === undefined && waited <= withinMs; waited += 50) await clock.advance(50)
  return asked.end
}

export async function stateOf({ records }: RefreshReplica, loginId: string): Promise<string | undefined> {
  return (await records.record(loginId))?.value.refresh.state
}

/** A write of the login record. */
export function isRecordWrite({ method, on }: Call): boolean {
  return method === 'put' && on.startsWith('login:')
}

/** So many tokens were presented, and each once. */
export function assertOnce({ issuer }: RefreshStage, presented = issuer.presented.size): void {
  for (const [token, times] of issuer.presented) assert.equal(times, 1, token)
  assert.equal(issuer.presented.size, presented)
  assert.equal(issuer.familyKilled, false)
}

export function presentations({ issuer }: RefreshStage): number {
  return issuer.presented.values().reduce((sum, times) => sum + times, 0)
}
