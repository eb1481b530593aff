/** A client of a test realm. It has the standard flow and the password grant for convenience. */
export interface RealmClient {
  readonly clientId: string
  /** Its secret; without one it is a public client that must use PKCE. */
  readonly secret?: string
  /** True for a client that acts for itself (client_credentials) and has no sign-in at all. It needs a secret. */
  readonly machine?: boolean
  /** Audiences that its access tokens carry besides Keycloak's own. */
  readonly audiences?: readonly string[]
  /** Where Keycloak posts logout tokens, which carry the session id. */
  readonly backchannelLogoutUrl?: string
  /**
   * Whether it may ask for token exchange (RFC 8693, Keycloak's standard version 2): of tokens that were issued to it or
   * name it, for other clients of the realm that its own tokens may name.
   */
  readonly tokenExchange?: boolean
  /** Where it may be sent back to; anywhere by default. */
  readonly redirectUris?: readonly string[]
  /** Whether people may sign in by a device code (RFC 8628). */
  readonly deviceGrant?: boolean
  /** Claims of fixed value in its ID and access tokens. */
  readonly claims?: Readonly<Record<string, string>>
}

/** A person of a test realm; the e-mail address counts as verified. */
export interface RealmUser {
  readonly username: string
  readonly password: string
  /** Group names without slashes; they become the claim `groups`. */
  readonly groups?: readonly string[]
  /** `<username>@example.com` by default. */
  readonly email?: string
}

/** What a test realm holds. */
export interface RealmOptions {
  readonly name: string
  /** Whether each refresh token may be presented once only; false by default. */
  readonly revokeRefreshToken?: boolean
  /** Seconds an access token lives; 300 by default. */
  readonly accessTokenLifespan?: number
  /** Seconds a login lives without use; 1800 by default. */
  readonly ssoSessionIdleTimeout?: number
  readonly clients: readonly RealmClient[]
  readonly users?: readonly RealmUser[]
}

/** A realm in the form that Keycloak imports; only `realm` is read on this side. */
export interface RealmImport {
  readonly realm: string
  readonly [key: string]: unknown
}

/** Describes a realm for `startKeycloak`. Its ID and access tokens carry group names, without a path, as `groups`. */
export function makeRealm(options: RealmOptions): RealmImport {
  const users = options.users ?? []
  const groups = new Set(users.flatMap((user) => user.groups ?? []))
  return {
    realm: options.name,
    enabled: true,
    sslRequired: 'none',
    revokeRefreshToken: options.revokeRefreshToken ?? false,
    refreshTokenMaxReuse: 0,
    accessTokenLifespan: options.accessTokenLifespan ?? 300,
    ssoSessionIdleTimeout: options.ssoSessionIdleTimeout ?? 1800,
    groups: [...groups].map((name) => ({ name })),
    clients: options.clients.map(describeClient),
    users: users.map(({ username, password, groups: memberOf = [], email = `${username}@example.com` }) => ({
      username,
      email,
      emailVerified: true,
      enabled: true,
      // Keycloak refuses the password grant to an account without a whole name.
      firstName: username,
      lastName: 'Example',
      credentials: [{ type: 'password', value: password, temporary: false }],
      groups: memberOf.map((name) => `/${name}`),
    })),
  }
}

function describeClient(client: RealmClient): object {
  const machine = client.machine ?? false
  const attributes: Record<string, string> = { 'post.logout.redirect.uris': '+' }
  if (client.secret === undefined) attributes['pkce.code.challenge.method'] = 'S256'
  if (client.deviceGrant === true) attributes['oauth2.device.authorization.grant.enabled'] = 'true'
  if (client.tokenExchange === true) attributes['standard.token.exchange.enabled'] = 'true'
  if (client.backchannelLogoutUrl !== undefined) {
    attributes['backchannel.logout.url'] = client.backchannelLogoutUrl
    attributes['backchannel.logout.session.required'] = 'true'
  }
  return {
    clientId: client.clientId,
    enabled: true,
    protocol: 'openid-connect',
    publicClient: client.secret === undefined,
    ...(client.secret === undefined ? {} : { secret: client.secret }),
    standardFlowEnabled: !machine,
    directAccessGrantsEnabled: !machine,
    serviceAccountsEnabled: machine,
    redirectUris: machine ? [] : (client.redirectUris ?? ['*']),
    webOrigins: [],
    attributes,
    protocolMappers: [
      mapper('groups', 'oidc-group-membership-mapper', { 'claim.name': 'groups', 'full.path': 'false' }),
      ...(client.audiences ?? []).map((audience) =>
        mapper(`audience ${audience}`, 'oidc-audience-mapper', { 'included.custom.audience': audience }, false),
      ),
      ...Object.entries(client.claims ?? {}).map(([name, value]) =>
        mapper(`claim ${name}`, 'oidc-hardcoded-claim-mapper', {
          'claim.name': name,
          'claim.value': value,
          'jsonType.label': 'String',
        }),
      ),
    ],
  }
}

function mapper(name: string, protocolMapper: string, config: Record<string, string>, identity = true): object {
  return {
    name,
    protocol: 'openid-connect',
    protocolMapper,
    config: {
      'access.token.claim': 'true',
      'introspection.token.claim': 'true',
      'id.token.claim': String(identity),
      'userinfo.token.claim': String(identity),
      ...config,
    },
  }
}
