/** Turns our short description of a client into the registration metadata of OpenID Connect (RFC 7591 names). */
import type { ClientMetadata } from 'oidc-provider'
import type { IssuerClient, IssuerSigningAlg } from './options.ts'
import { TOKEN_EXCHANGE } from './token-exchange.ts'

export function toClientMetadata(client: IssuerClient, signingAlg: IssuerSigningAlg): ClientMetadata {
  const redirectUris = [...(client.redirectUris ?? [])]
  const signsPeopleIn = redirectUris.length > 0
  return {
    client_id: client.id,
    redirect_uris: redirectUris,
    response_types: signsPeopleIn ? ['code'] : [],
    grant_types: [
      ...(signsPeopleIn ? ['authorization_code', 'refresh_token'] : []),
      ...(signsPeopleIn && 'public' in client ? ['urn:ietf:params:oauth:grant-type:device_code'] : []),
      ...(client.machine === true ? ['client_credentials'] : []),
      ...('exchanges' in client && client.exchanges !== undefined ? [TOKEN_EXCHANGE] : []),
    ],
    post_logout_redirect_uris: [...(client.postLogoutRedirectUris ?? [])],
    id_token_signed_response_alg: signingAlg,
    ...(client.backchannelLogoutUri === undefined
      ? {}
      : { backchannel_logout_uri: client.backchannelLogoutUri, backchannel_logout_session_required: true }),
    ...authentication(client),
  }
}

function authentication(client: IssuerClient): Partial<ClientMetadata> {
  if ('secret' in client) {
    return { client_secret: client.secret, token_endpoint_auth_method: client.authMethod ?? 'client_secret_basic' }
  }
  if ('jwks' in client) {
    return {
      jwks: { keys: client.jwks.keys.map((key) => ({ ...key })) },
      token_endpoint_auth_method: 'private_key_jwt',
    }
  }
  return { application_type: 'native', token_endpoint_auth_method: 'none' }
}
