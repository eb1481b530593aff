/**
 * One request to a token endpoint through openid-client, and what was seen of it on the wire.
 *
 * Security: whether a refresh token was presented must not be guessed from a library's error (promise 1). Each
 * exchange has a `fetch` of its own that notes how far it came, so the outcome rests on what happened: never called
 * (client authentication could not be built), certainly not sent, sent without an answer, or answered with this status.
 */
import { allowInsecureRequests, Configuration, clockSkew, clockTolerance, customFetch } from 'openid-client'
import type { Clock } from '../clock.ts'
import type { ProviderConfig } from '../config/provider.ts'
import type { ClientAuthentication } from './client-authentication.ts'
import type { Discovery } from './discovery.ts'
import { faultOf, type IssuerFault } from './issuer-fault.ts'
import { IssuerCallFailed, type IssuerHttp } from './issuer-http.ts'
import { isObject, parseJson } from './issuer-json.ts'
import { CLOCK_TOLERANCE_SECONDS } from './verify.ts'

/** What happened on the wire. Reasons, codes and error words are of closed lists. */
export type Seen =
  /** Certainly nothing was sent. */
  | ({ readonly stage: 'not-sent' } & IssuerFault)
  /** Something may have been sent; no whole answer came. */
  | ({ readonly stage: 'no-answer' } & IssuerFault)
  /** An answer that is not a 200 with a JSON object. `error` is a registered OAuth error or UNREGISTERED, if it named one. */
  | {
      readonly stage: 'refused'
      readonly status: number
      readonly error: string | undefined
      /** What it said in Retry-After, if that was a number of seconds. */
      readonly retryAfterSeconds: number | undefined
    }
  /** A 200 with a JSON object; whether its tokens hold is another matter. */
  | { readonly stage: 'answered'; readonly withIdToken: boolean }

export interface Exchange {
  readonly configuration: Configuration
  seen(): Seen
}

export interface ExchangeParts {
  readonly discovery: Discovery
  readonly http: IssuerHttp
  readonly clientAuthentication: ClientAuthentication
  readonly clock: Clock
}

/** Opens an exchange. Throws Refusal `issuer_unavailable` when there is no metadata. */
export async function openExchange(
  config: Pick<ProviderConfig, 'clientId'>,
  { discovery, http, clientAuthentication, clock }: ExchangeParts,
): Promise<Exchange> {
  const metadata = await discovery.metadata()
  // openid-client reads the machine's clock; the difference makes it follow ours.
  const skew = Math.round((clock.now() - Date.now()) / 1000)
  const configuration = new Configuration(
    metadata,
    config.clientId,
    { [clockSkew]: skew, [clockTolerance]: CLOCK_TOLERANCE_SECONDS },
    // oxlint-disable-next-line typescript/no-misused-promises -- openid-client awaits it, only its type says void
    clientAuthentication,
  )
  // Discovery took only https and loopback addresses, and issuer-http refuses any other once more.
  allowInsecureRequests(configuration)
  let seen: Seen = { stage: 'not-sent', reason: 'client_authentication' }
  configuration[customFetch] = async (url, request) => {
    seen = { stage: 'no-answer', reason: 'broken_off' }
    try {
      const response = await http.fetch(url, request)
      seen = await describe(response.clone())
      return response
    } catch (error) {
      const maybeSent = !(error instanceof IssuerCallFailed) || error.maybeSent
      seen = { stage: maybeSent ? 'no-answer' : 'not-sent', ...faultOf(error) }
      throw error
    }
  }
  return { configuration, seen: () => seen }
}

/** Why there is no answer, as it is logged. */
export function faultIn({ stage: _stage, ...fault }: Extract<Seen, { readonly stage: 'not-sent' | 'no-answer' }>): IssuerFault {
  return fault
}

/** RFC 6749 4.1.2.1 and 5.2, RFC 8707 2, RFC 8628 3.5, OpenID Connect Core 3.1.2.6. Any other word is not repeated. */
const REGISTERED_ERRORS = [
  'invalid_request',
  'invalid_client',
  'invalid_grant',
  'unauthorized_client',
  'unsupported_grant_type',
  'invalid_scope',
  'access_denied',
  'unsupported_response_type',
  'server_error',
  'temporarily_unavailable',
  'invalid_target',
  'slow_down',
  'interaction_required',
  'login_required',
  'account_selection_required',
  'consent_required',
  'invalid_request_uri',
  'invalid_request_object',
  'request_not_supported',
  'request_uri_not_supported',
  'registration_not_supported',
  'unmet_authentication_requirements',
] as const

/** Stands for an error word that no specification registers (Keycloak has several): it is a refusal, but not repeated. */
export const UNREGISTERED = 'unregistered_error'

/** The registered error that a text names, or undefined. */
export function registeredError(value: unknown): string | undefined {
  return REGISTERED_ERRORS.find((error) => error === value)
}

async function describe(response: Response): Promise<Seen> {
  const answer = parseJson(await response.text())
  if (response.status === 200 && isObject(answer)) return { stage: 'answered', withIdToken: typeof answer['id_token'] === 'string' }
  const named = isObject(answer) ? answer['error'] : undefined
  const error = typeof named === 'string' && named !== '' ? (registeredError(named) ?? UNREGISTERED) : undefined
  return { stage: 'refused', status: response.status, error, retryAfterSeconds: secondsIn(response.headers.get('retry-after')) }
}

const MOST_WAIT_SECONDS = 3_600

/** RFC 9110 10.2.3, the form in seconds alone: a date would need the issuer's clock. */
function secondsIn(value: string | null): number | undefined {
  return value !== null && /^[0-9]{1,9}$/.test(value) ? Math.min(Math.max(Number(value), 1), MOST_WAIT_SECONDS) : undefined
}
