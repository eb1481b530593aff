/**
 * What an API server's answer means to who asked.
 *
 * Security: a 401 or 403 to a user stays a 401 or 403 of that user, whatever else could be asked with. The same
 * statuses to the service account are the operator's trouble (`account_refused`, 502): shown to the user as their own
 * they would send somebody who is signed in to sign in again. Why a user may not is told to that user, in the API server's
 * own sentence; it is no part of the message, which goes to logs.
 */
import { Refusal } from '../errors.ts'
import type { Answer } from './transport.ts'

/** An answer of the API server that is no refusal of rights: not found, conflict, invalid and the like. */
export class ApiStatus extends Error {
  override readonly name = 'ApiStatus'
  /** The HTTP status. */
  readonly status: number
  /** Kubernetes' word for it, such as `NotFound` or `AlreadyExists`. */
  readonly reason: string
  /** The API server's own sentence, for whoever asked; it may quote what they sent, so it is not this error's message. */
  readonly said: string

  constructor(status: number, reason: string, said: string) {
    super(`the API server answered ${status}${reason === '' ? '' : ` ${reason}`}`)
    this.status = status
    this.reason = reason
    this.said = said
  }
}

/** The body of an answer that succeeded; otherwise throws what it means to the user who asked. */
export function answeredToUser(answer: Answer): Readonly<Record<string, unknown>> {
  if (answer.status === 401) throw new Refusal('credential_refused')
  if (answer.status === 403) {
    const said = sentenceIn(answer.body['message'])
    throw new Refusal('not_permitted', said === '' ? {} : { said })
  }
  return answered(answer)
}

/** What an API server says, for whoever asked alone: one line of at most 500 characters, or ''. It may quote what they sent. */
export function sentenceIn(said: unknown): string {
  if (typeof said !== 'string') return ''
  // Control characters, and those that turn the direction of what follows.
  return said.slice(0, 500).replaceAll(/\p{C}/gu, ' ').trim()
}

/** The body of an answer that succeeded; otherwise throws what it means to the service account. */
export function answeredToAccount(answer: Answer): Readonly<Record<string, unknown>> {
  if (answer.status === 401) throw new Refusal('account_refused', { detail: 'its token is not taken' })
  if (answer.status === 403) throw new Refusal('account_refused', { detail: 'it lacks the right' })
  return answered(answer)
}

function answered({ status, retryAfterSeconds, body }: Answer): Readonly<Record<string, unknown>> {
  if (status >= 200 && status < 300) return body
  if (status === 429) throw new Refusal('too_many_requests', { retryAfterSeconds: retryAfterSeconds ?? 1 })
  if (status >= 500) throw new Refusal('upstream_unavailable', { detail: `it answered ${status}` })
  throw statusOf(status, body)
}

/** An ApiStatus of a `Status` object, or of whatever else the body is. */
export function statusOf(status: number, body: Readonly<Record<string, unknown>>): ApiStatus {
  const { reason, message } = body
  const word = typeof reason === 'string' && /^[A-Za-z]{1,64}$/.test(reason) ? reason : ''
  return new ApiStatus(status, word, typeof message === 'string' ? message.slice(0, 2_000) : '')
}
