/**
 * The metadata of one issuer (OpenID Connect Discovery 1.0), fetched at first need, kept 10 minutes fresh, and kept on
 * after that while the issuer fails to answer well.
 *
 * Security: metadata decides where codes, secrets and refresh tokens are sent and whose keys are believed. So `issuer`
 * must equal the configured one to the letter (section 4.3: else one issuer could speak for another), and every
 * endpoint must be https; http on loopback is for an issuer that is itself there, because to follow anybody else's word to
 * this machine's own services would be to ask them in that issuer's name. An endpoint that is there but unsafe refuses the whole answer.
 */
import type { ServerMetadata } from 'openid-client'
import type { Clock } from '../clock.ts'
import type { ProviderConfig } from '../config/provider.ts'
import type { Log } from '../log.ts'
import { faultOf } from './issuer-fault.ts'
import { type IssuerHttp, isSecureAddress } from './issuer-http.ts'
import { fetchJsonObject, IssuerAnswerFaulty } from './issuer-json.ts'
import { createLastGood } from './last-good.ts'
import { publicAddress } from './public-address.ts'

/** Checked metadata: the endpoints that every provider needs are there. */
export type IssuerMetadata = Readonly<ServerMetadata> & { readonly jwks_uri: string }

export interface Discovery {
  /** Throws Refusal `issuer_unavailable`. */
  metadata(): Promise<IssuerMetadata>
  /** Whether metadata is at hand or can be fetched. Never throws. */
  live(): Promise<boolean>
  close(): void
}

const FRESH_MS = 600_000
const ENDPOINTS = ['authorization_endpoint', 'token_endpoint', 'jwks_uri', 'end_session_endpoint', 'revocation_endpoint'] as const

export function createDiscovery(
  config: Pick<ProviderConfig, 'name' | 'issuer' | 'signIn'>,
  { http, clock, log }: { readonly http: IssuerHttp; readonly clock: Clock; readonly log: Log },
): Discovery {
  const address = `${config.issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  const kept = createLastGood({
    load: async () => checkMetadata(await fetchJsonObject(http, address), config),
    failed: (error) => log.warn('metadata of an issuer cannot be had', { provider: config.name, ...faultOf(error, address) }),
    clock,
    freshMs: FRESH_MS,
    // Metadata is of use only together with an issuer that answers, so there is no point in forgetting it.
    keepMs: Number.POSITIVE_INFINITY,
  })
  return {
    metadata: () => kept.get(),
    live: () =>
      kept.get().then(
        () => true,
        () => false,
      ),
    close: () => kept.close(),
  }
}

/** Throws IssuerAnswerFaulty. What is not text where text belongs is refused, because openid-client takes it as it is. */
function checkMetadata(answer: Record<string, unknown>, config: Pick<ProviderConfig, 'issuer' | 'signIn'>): IssuerMetadata {
  if (answer['issuer'] !== config.issuer) {
    // A slash too many or too few is the usual cause, and seen only where both stand side by side.
    throw new IssuerAnswerFaulty('wrong_issuer', { configured: publicAddress(config.issuer), found: issuerIn(answer) })
  }
  const needed: readonly string[] = config.signIn ? ['authorization_endpoint', 'token_endpoint', 'jwks_uri'] : ['jwks_uri']
  const trial = config.issuer.startsWith('http:')
  const endpoints: Partial<Record<(typeof ENDPOINTS)[number], string>> = {}
  for (const name of ENDPOINTS) {
    const endpoint = answer[name]
    if (endpoint === undefined || endpoint === null) {
      if (needed.includes(name)) throw new IssuerAnswerFaulty('endpoint_missing', { endpoint: name })
      continue
    }
    if (typeof endpoint !== 'string' || !isSecureAddress(endpoint) || !(trial || isHttps(endpoint)))
      throw new IssuerAnswerFaulty('endpoint_insecure', { endpoint: name })
    endpoints[name] = endpoint
  }
  const { jwks_uri } = endpoints
  if (jwks_uri === undefined) throw new IssuerAnswerFaulty('endpoint_missing', { endpoint: 'jwks_uri' })
  const algorithms = answer['id_token_signing_alg_values_supported']
  // Only what is used here is taken over: no other member of a hostile answer reaches openid-client.
  return Object.freeze({
    issuer: config.issuer,
    ...endpoints,
    jwks_uri,
    ...(isTextList(algorithms) ? { id_token_signing_alg_values_supported: algorithms } : {}),
    ...(answer['authorization_response_iss_parameter_supported'] === true ? { authorization_response_iss_parameter_supported: true } : {}),
  })
}

function issuerIn({ issuer }: Record<string, unknown>): string {
  return typeof issuer === 'string' ? publicAddress(issuer) : issuer === undefined ? 'none' : 'not an address'
}

function isHttps(address: string): boolean {
  return URL.parse(address)?.protocol === 'https:'
}

function isTextList(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((member) => typeof member === 'string')
}
