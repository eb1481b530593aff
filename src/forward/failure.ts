/** Words for what kept an upstream from being reached. */

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
