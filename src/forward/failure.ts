/** Words for what kept an upstream from being reached. */
import { Refusal } from '../errors.ts'
import { codeWord } from '../log.ts'

/** That a connection was not had in its time: asking the same server again would take as long. */
export const CONNECT_LATE = 'connecting took too long'

/** That an answer was begun, be it by one byte, and no head of it came. */
export const BROKE_OFF = 'it began an answer and gave no head that can be read'

/** The one answer of 1xx that undici does not pass over. */
const CONTINUED = 'it said 100 Continue, for which nobody asked'

/** How an answer ended that was begun: undici says this of nothing else while a request waits. */
export function howItBroke(error: Error): string {
  return error.message === 'bad response' ? CONTINUED : BROKE_OFF
}

/** Why the upstream could not be reached, from a closed list of words: error messages of libraries are not repeated. */
export function causeOf(error: Error): string {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  switch (code) {
    case 'ECONNREFUSED':
      return 'connection refused'
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'its name does not resolve'
    case 'UND_ERR_CONNECT_TIMEOUT':
      return CONNECT_LATE
    case 'ECONNRESET':
    case 'UND_ERR_SOCKET':
      return 'the connection was closed'
    default:
      return /^(ERR_TLS|CERT|DEPTH|SELF_SIGNED|UNABLE_TO)/.test(code) ? 'its certificate is not trusted' : 'the connection failed'
  }
}

/** Why a connection could not be had, for the log. */
export interface ConnectFault {
  readonly reason: string
  /** Of the system, of TLS or of undici, such as ECONNREFUSED or CERT_HAS_EXPIRED. */
  readonly code?: string
}

/** What may be said of it: words of ours, and a code of the form that codes have. */
export function connectFault(error: Error): ConnectFault {
  if (error instanceof Refusal) return { reason: error.detail ?? error.title }
  const code = 'code' in error ? codeWord(error.code) : undefined
  return { reason: causeOf(error), ...(code === undefined ? {} : { code }) }
}

/** That a service took too long. For how long it may is told to everybody who asks, and was waited for by them. */
export function unanswered(withinMs: number): Refusal {
  return new Refusal('upstream_timeout', { detail: `it did not begin to answer within ${withinMs / 1_000} s` })
}
