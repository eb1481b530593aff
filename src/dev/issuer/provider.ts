/**
 * The settings of oidc-provider. Each of its development defaults is replaced by a choice of ours, which is also what
 * keeps it from printing warnings.
 */
import { randomBytes } from 'node:crypto'
import type { Configuration, KoaContextWithOIDC } from 'oidc-provider'
import { InvalidTarget } from 'oidc-provider/lib/helpers/errors.js'
import { base as basePolicy, Check } from 'oidc-provider/lib/helpers/interaction_policy/index.js'
import { Provider } from 'oidc-provider/lib/provider.js'
import { type Accounts, CLAIMS_BY_SCOPE, claimsAbout } from './accounts.ts'
import { toClientMetadata } from './clients.ts'
import { showCodeConfirm, showCodeInput, showDeviceSuccess } from './device-page.ts'
import type { MemoryStorage } from './memory-storage.ts'
import { DEFAULT_LIFETIMES, type IssuerOptions } from './options.ts'
import { SIGN_IN_PATH } from './sign-in-page.ts'
import { showError, showSignedOut, showSignOut } from './sign-out-page.ts'
import type { SigningKey } from './signing-keys.ts'
import { addTokenExchange } from './token-exchange.ts'

export interface ProviderParts {
  readonly issuer: string
  readonly options: IssuerOptions
  readonly accounts: Accounts
  readonly storage: MemoryStorage
  readonly cookieKeys: readonly string[]
  /** The first one signs, all are published. */
  readonly keys: readonly SigningKey[]
  readonly fetch: (url: string | URL | Request, init?: RequestInit) => Promise<Response>
}

/** Keys for signing the issuer's cookies. */
export function createCookieKeys(): readonly string[] {
  return [randomBytes(32).toString('base64url')]
}

export function createProvider(parts: ProviderParts): Provider {
  const provider = new Provider(parts.issuer, configuration(parts))
  const { issuer, options, accounts, keys } = parts
  addTokenExchange(provider, { issuer, options, accounts, keys, lifetime: { ...DEFAULT_LIFETIMES, ...options.lifetimes }.accessToken })
  // The server in front writes the forwarded headers itself, so that links carry the issuer's URL whatever Host was sent.
  provider.proxy = true
  const { onFault = () => {} } = parts.options
  provider.on('server_error', (_ctx: unknown, error: Error) => onFault(error))
  provider.onerror = onFault
  return provider
}

function configuration({ issuer, options, accounts, storage, cookieKeys, keys, fetch }: ProviderParts): Configuration {
  const lifetimes = { ...DEFAULT_LIFETIMES, ...options.lifetimes }
  const signingAlg = options.signingAlg ?? 'RS256'
  const audiences = typeof options.audience === 'string' ? [options.audience] : options.audience
  const policy = basePolicy()
  policy.get('consent')?.checks.remove('native_client_prompt')
  policy.get('login')?.checks.add(NATIVE_ASKS)
  // Cookies do not tell ports apart: two issuers on localhost would throw each other's sessions out.
  const cookie = `mandate_dev_issuer_${new URL(issuer).port}`

  return {
    adapter: storage.adapter,
    jwks: { keys: keys.map((key) => ({ ...key.privateJwk })) },
    clients: options.clients.map((client) => toClientMetadata(client, signingAlg)),
    findAccount: (_ctx, sub) => accounts.find(sub),
    claims: CLAIMS_BY_SCOPE,
    scopes: ['openid', 'offline_access', 'profile', 'email', 'groups'],
    conformIdTokenClaims: false,
    responseTypes: ['code'],
    allowOmittingSingleRegisteredRedirectUri: false,
    clientDefaults: { id_token_signed_response_alg: signingAlg },
    cookies: {
      keys: [...cookieKeys],
      names: { session: cookie, interaction: `${cookie}_interaction`, resume: `${cookie}_resume` },
    },
    pkce: { required: () => true },
    clientBasedCORS: () => false,
    interactions: { policy, url: (_ctx, interaction) => `${SIGN_IN_PATH}${interaction.uid}` },
    loadExistingGrant: grantWhatIsAsked,
    issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: options.refreshTokens !== 'reusable',
    expiresWithSession: () => true,
    extraTokenClaims(_ctx, token) {
      const user = 'accountId' in token ? accounts.bySub(String(token.accountId)) : undefined
      return user && claimsAbout(user)
    },
    ttl: {
      AccessToken: () => lifetimes.accessToken,
      ClientCredentials: () => lifetimes.accessToken,
      IdToken: () => lifetimes.idToken,
      RefreshToken: () => lifetimes.refreshToken,
      Session: () => lifetimes.session,
      Grant: () => lifetimes.session + lifetimes.refreshToken,
      AuthorizationCode: () => 60,
      Interaction: () => 3600,
      DeviceCode: () => 600,
    },
    fetch,
    renderError: (ctx, out) => showError(ctx, out),
    features: {
      devInteractions: { enabled: false },
      dPoP: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
      userinfo: { enabled: false },
      clientCredentials: { enabled: true },
      backchannelLogout: { enabled: true },
      deviceFlow: {
        enabled: true,
        userCodeInputSource: (ctx, form, _out, error) => showCodeInput(ctx, form, error),
        userCodeConfirmSource: (ctx, form, client, _device, code) => showCodeConfirm(ctx, form, client, code),
        successSource: (ctx) => showDeviceSuccess(ctx),
      },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: (ctx, form) => showSignOut(ctx, form),
        postLogoutSuccessSource: (ctx) => showSignedOut(ctx),
      },
      introspection: { enabled: true, allowedPolicy: (_ctx, client, token) => token.clientId === client.clientId },
      revocation: { enabled: true, allowedPolicy: (_ctx, client, token) => token.clientId === client.clientId },
      resourceIndicators: {
        enabled: true,
        defaultResource: (_ctx, _client, oneOf) => oneOf?.[0] ?? audiences[0],
        useGrantedResource: () => true,
        getResourceServerInfo(_ctx, indicator) {
          if (!audiences.includes(indicator)) throw new InvalidTarget('no such resource here')
          return {
            audience: indicator,
            scope: (options.resourceScopes ?? []).join(' '),
            accessTokenFormat: 'jwt',
            accessTokenTTL: lifetimes.accessToken,
            jwt: { sign: { alg: signingAlg } },
          }
        },
      },
    },
  }
}

/**
 * RFC 8252 8.6: anybody on the machine can pretend to be a program without a secret. So its sign-in always takes a click,
 * even where the browser is signed in already.
 */
const NATIVE_ASKS = new Check('native_asks', 'a program without a secret asks the person', ({ oidc }) => {
  const asks = oidc.client?.applicationType === 'native' && oidc.result?.login === undefined
  return asks ? Check.REQUEST_PROMPT : Check.NO_NEED_TO_PROMPT
})

/** No consent is asked: whatever a known client wants of a signed-in person is granted. */
async function grantWhatIsAsked(ctx: KoaContextWithOIDC) {
  const { session, client, provider, params, resourceServers } = ctx.oidc
  if (session?.accountId === undefined || client === undefined) return undefined
  const existing = session.grantIdFor(client.clientId)
  const grant =
    (existing === undefined ? undefined : await provider.Grant.find(existing)) ??
    new provider.Grant({ clientId: client.clientId, accountId: session.accountId })
  grant.addOIDCScope(String(params?.scope ?? 'openid'))
  for (const [indicator, server] of Object.entries(resourceServers ?? {})) grant.addResourceScope(indicator, server.scope)
  await grant.save()
  return grant
}
