/**
 * Signs a person in by a code that they type in a browser anywhere else (RFC 8628), for machines without one.
 *
 * Security: whoever talks a person into typing a code gets that person's tokens (5.4), so this happens only when it is
 * asked for by --device. The addresses shown are printed and never opened, must be https, and lose what could write into
 * a terminal. Tokens are checked as at every sign-in; there is no nonce in this flow. PKCE goes along, which RFC 8628 does
 * not know and so has issuers ignore: Keycloak takes it, and then a device code that was read by somebody is no use to them.
 */
import { randomBytes } from 'node:crypto'
import {
  calculatePKCECodeChallenge,
  genericGrantRequest,
  initiateDeviceAuthorization,
  ResponseBodyError,
  type TokenEndpointResponse,
} from 'openid-client'
import { Complaint } from '../../complaint.ts'
import { Refusal } from '../../errors.ts'
import { openExchange } from '../../providers/exchange.ts'
import { isSecureAddress } from '../../providers/issuer-http.ts'
import { fetchJsonObject } from '../../providers/issuer-json.ts'
import { signedInOf } from '../../providers/signed-in.ts'
import { tokenSetOf } from '../../providers/token-answer.ts'
import type { SignedIn } from '../../providers/tokens.ts'
import { Secret } from '../../secret.ts'
import type { IssuerParts } from './issuer.ts'

const GRANT = 'urn:ietf:params:oauth:grant-type:device_code'
/** RFC 8628 3.2 and 3.5: how often to ask when the issuer does not say, and by how much to slow down. */
const INTERVAL_SECONDS = 5
const SLOWER_SECONDS = 5

export interface DeviceOptions {
  readonly say: (line: string) => void
  /** Shows that it goes on; a character each time the issuer is asked. */
  readonly progress: (sign: string) => void
  readonly wait: (ms: number) => Promise<void>
}

/** Throws Complaint when the issuer has no such flow, the person refuses, or the code expires; Refusal as `SignIn` does. */
export async function signInByDevice(parts: IssuerParts, { say, progress, wait }: DeviceOptions): Promise<SignedIn> {
  const { config, clock } = parts
  const resource: Record<string, string> = config.resource === undefined ? {} : { resource: config.resource }
  const metadata = { ...(await parts.discovery.metadata()), device_authorization_endpoint: await endpointOf(parts) }
  const { configuration } = await openExchange(config, { ...parts, discovery: { ...parts.discovery, metadata: async () => metadata } })
  const verifier = new Secret(randomBytes(32).toString('base64url'))
  const challenge = { code_challenge: await calculatePKCECodeChallenge(verifier.expose()), code_challenge_method: 'S256' }
  const begun = await initiateDeviceAuthorization(configuration, { scope: config.scopes.join(' '), ...resource, ...challenge }).catch(
    (error: unknown) => {
      throw new Complaint(`the issuer gives no device code${error instanceof ResponseBodyError ? `: ${plain(error.error)}` : ''}`)
    },
  )
  const { verification_uri: address, verification_uri_complete: complete, user_code: code } = begun
  if (!isSecureAddress(address) || (complete !== undefined && !isSecureAddress(complete)))
    throw new Complaint("the issuer's page for codes is not https, so nobody is sent there")
  say(`To sign in, open this page in any browser and type the code:\n\n  ${plain(address)}\n  ${plain(code)}\n`)
  if (complete !== undefined) say(`or open this one, and check that it shows that code:\n\n  ${plain(complete)}\n`)

  const end = clock.now() + begun.expires_in * 1000
  for (let seconds = begun.interval ?? INTERVAL_SECONDS; ; ) {
    await wait(seconds * 1000)
    if (clock.now() >= end) throw new Complaint('the code expired before anybody signed in with it; begin again')
    progress('.')
    const at = clock.now()
    try {
      const form = { device_code: begun.device_code, code_verifier: verifier.expose(), ...resource }
      const answer = await genericGrantRequest(configuration, GRANT, form)
      progress('\n')
      return await signedIn(parts, answer, at)
    } catch (error) {
      if (error instanceof Refusal) throw error
      // RFC 8628 3.5: whoever gets no answer asks less often.
      if (!(error instanceof ResponseBodyError)) seconds += SLOWER_SECONDS
      else if (error.error === 'slow_down') seconds += SLOWER_SECONDS
      else if (error.error !== 'authorization_pending') {
        progress('\n')
        throw refusedBy(error.error)
      }
    }
  }
}

function refusedBy(error: string): Complaint {
  if (error === 'access_denied') return new Complaint('the sign-in was refused in the browser')
  if (error === 'expired_token') return new Complaint('the code expired before anybody signed in with it; begin again')
  return new Complaint(`the issuer refused the sign-in: ${plain(error)}`)
}

async function signedIn({ config, verifyIdToken }: IssuerParts, answer: TokenEndpointResponse, at: number): Promise<SignedIn> {
  if (answer.id_token === undefined) throw new Refusal('sign_in_token_invalid', { detail: 'there is no ID token' })
  const token = new Secret(answer.id_token)
  const verified = await verifyIdToken(token, { accessToken: new Secret(answer.access_token) })
  const tokens = tokenSetOf(answer, at, { token, expiresAt: (verified.claims.exp ?? 0) * 1000 }, undefined)
  if (tokens === undefined) throw new Refusal('sign_in_token_invalid', { detail: 'the access token is not a bearer' })
  return signedInOf(verified, tokens, config)
}

/** The rest of the metadata was checked by `discovery.ts`, which keeps nothing that the gateway has no use for. */
async function endpointOf({ config, http }: IssuerParts): Promise<string> {
  const found = await fetchJsonObject(http, `${config.issuer.replace(/\/$/, '')}/.well-known/openid-configuration`).catch(() => {
    throw new Refusal('issuer_unavailable')
  })
  const endpoint = found['device_authorization_endpoint']
  if (typeof endpoint !== 'string') throw new Complaint('the issuer has no sign-in by device code; leave --device out')
  if (!isSecureAddress(endpoint) || (endpoint.startsWith('http:') && !config.issuer.startsWith('http:')))
    throw new Complaint("the issuer's address for device codes is not https, so it is not asked")
  return endpoint
}

/** Printable text of somebody else's, on one line. */
function plain(text: string): string {
  return text.replaceAll(/[^\x21-\x7e]/g, '?').slice(0, 2_000)
}
