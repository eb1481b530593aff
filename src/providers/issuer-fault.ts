/**
 * What the log says of a call to an issuer that gave nothing usable: why, by which code of the system, and at which address.
 *
 * Security: codes and reasons are words of closed lists, and addresses are public ones (public-address.ts). Nothing else of
 * an answer is repeated, but for the issuer that it names: that one stands in every token and every authorization request.
 */
import { IssuerCallFailed } from './issuer-http.ts'
import { IssuerAnswerFaulty, reasonWord } from './issuer-json.ts'
import { publicAddress } from './public-address.ts'

/** Fields for the log. */
export interface IssuerFault {
  readonly reason: string
  /** Of the system, of TLS or of undici, such as ECONNREFUSED or CERT_HAS_EXPIRED. */
  readonly code?: string
  readonly url?: string
  /** Which endpoint of the metadata is missing or insecure. */
  readonly endpoint?: string
  /** The issuer as configured, and as its metadata names it. */
  readonly configured?: string
  readonly found?: string
}

/**
 * What may be said of a failed call or a faulty answer; the reason is `fault` for anything unexpected. `asked` is where it was
 * asked, for errors that do not know that.
 */
export function faultOf(error: unknown, asked?: string): IssuerFault {
  const known = error instanceof IssuerCallFailed || error instanceof IssuerAnswerFaulty ? error.url : undefined
  const url = known ?? (asked === undefined ? undefined : publicAddress(asked))
  const code = error instanceof IssuerCallFailed ? error.code : undefined
  return {
    reason: reasonWord(error),
    ...(code === undefined ? {} : { code }),
    ...(url === undefined ? {} : { url }),
    ...(error instanceof IssuerAnswerFaulty ? error.about : {}),
  }
}
