/**
 * How Mandate proves itself to an issuer, as one function in the shape that openid-client calls before each request.
 *
 * Security: nothing is proven with material from the start of the process. Secrets and keys are read again when their
 * file changed, the platform's assertion at every use (it is short-lived and replaced in place). Material that cannot
 * be read is an error before anything is sent, never an unauthenticated request.
 */
import { createPrivateKey, type KeyObject, randomUUID } from 'node:crypto'
import { SignJWT } from 'jose'
import { type ClientMetadata, ClientSecretBasic, None, type ServerMetadata } from 'openid-client'
import type { Clock } from '../clock.ts'
import type { ProviderConfig } from '../config/provider.ts'
import { secretSource } from '../config/references.ts'

/** The material cannot be read or used. Says which kind, never what. */
export class ClientAuthenticationFaulty extends Error {
  override readonly name = 'ClientAuthenticationFaulty'
  readonly code = 'client_authentication_faulty'
}

/**
 * openid-client's ClientAuth as it is in truth: its declaration forgets that the result is awaited (oauth4webapi's does not).
 * Throws or rejects with ClientAuthenticationFaulty or ReferenceUnreadable before anything is sent.
 */
export type ClientAuthentication = (
  server: ServerMetadata,
  client: ClientMetadata,
  body: URLSearchParams,
  headers: Headers,
) => void | Promise<void>

const JWT_BEARER = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const ASSERTION_SECONDS = 60
const COMPACT_JWS = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/

/** How this provider's client proves itself. Reads nothing yet. */
export function createClientAuthentication(
  config: Pick<ProviderConfig, 'clientId' | 'clientAuth' | 'issuer'>,
  clock: Clock,
): ClientAuthentication {
  const { clientAuth, clientId, issuer } = config
  switch (clientAuth.method) {
    case 'secret': {
      const source = secretSource(clientAuth.secret)
      // RFC 6749 2.3.1: id and secret are form-urlencoded before they are joined; ClientSecretBasic does that.
      return (server, client, body, headers) => ClientSecretBasic(source.read().expose())(server, client, body, headers)
    }
    case 'private-key-jwt': {
      const key = rotatingKey(secretSource(clientAuth.key))
      const header = { alg: clientAuth.algorithm, typ: 'JWT', ...(clientAuth.keyId === undefined ? {} : { kid: clientAuth.keyId }) }
      return async (_server, _client, body) => {
        const now = Math.floor(clock.now() / 1000)
        // RFC 7523 section 3. The audience is the issuer, not the endpoint: an assertion made for one issuer is then
        // worth nothing to another that lured us to an endpoint of the first (draft-ietf-oauth-rfc7523bis).
        const assertion = await new SignJWT({ jti: randomUUID() })
          .setProtectedHeader(header)
          .setIssuer(clientId)
          .setSubject(clientId)
          .setAudience(issuer)
          .setIssuedAt(now)
          .setNotBefore(now)
          .setExpirationTime(now + ASSERTION_SECONDS)
          .sign(key())
          .catch(() => {
            throw new ClientAuthenticationFaulty('the client key does not fit its algorithm')
          })
        setAssertion(body, clientId, assertion)
      }
    }
    case 'federated-token-file': {
      const { path } = clientAuth
      return (_server, _client, body) => {
        // A new source each time: nothing of an earlier read is kept.
        const assertion = secretSource({ file: path }).read().expose()
        if (!COMPACT_JWS.test(assertion)) throw new ClientAuthenticationFaulty('the federated token file does not hold a signed JWT')
        setAssertion(body, clientId, assertion)
      }
    }
    case 'none':
      return None()
  }
}

function setAssertion(body: URLSearchParams, clientId: string, assertion: string): void {
  body.set('client_id', clientId)
  body.set('client_assertion_type', JWT_BEARER)
  body.set('client_assertion', assertion)
}

/** The private key, parsed anew when its source changed. */
function rotatingKey(source: ReturnType<typeof secretSource>): () => KeyObject {
  let held: { readonly pem: string; readonly key: KeyObject } | undefined
  return () => {
    const pem = source.read().expose()
    if (held?.pem === pem) return held.key
    try {
      held = { pem, key: createPrivateKey(pem) }
    } catch {
      throw new ClientAuthenticationFaulty('the client key is not a PEM private key')
    }
    return held.key
  }
}
