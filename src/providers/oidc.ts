/**
 * An OpenID Connect provider put together from its parts. Each provider has connections, metadata and keys of its own,
 * so an issuer that is down, slow or hostile harms no other (promise 9). Nothing is fetched before it is needed.
 */
import type { Clock } from '../clock.ts'
import type { ProviderConfig } from '../config/provider.ts'
import type { Log } from '../log.ts'
import { createClientAuthentication } from './client-authentication.ts'
import { createDiscovery, type Discovery } from './discovery.ts'
import { createVerifyIdToken } from './id-token.ts'
import { createIssuerHttp, type IssuerHttp } from './issuer-http.ts'
import { createIssuerKeys, type IssuerKeys } from './keys.ts'
import { createVerifyLogoutToken } from './logout-token.ts'
import type { Provider } from './provider.ts'
import { createSignIn } from './sign-in.ts'
import { createSignOut } from './sign-out.ts'
import { createRedeem } from './token-endpoint.ts'
import { createTokenExchange } from './token-exchange.ts'

export interface OidcProvider extends Provider {
  /** Verifies this issuer's bearers too. */
  readonly keys: IssuerKeys
  readonly discovery: Discovery
  /** Breaks off calls and closes connections; later calls are refused as `issuer_unavailable`. */
  close(): Promise<void>
}

export interface OidcParts {
  readonly clock: Clock
  readonly log: Log
  /** Default: connections of its own, with the provider's `ca`. Closed by `close` either way. */
  readonly http?: IssuerHttp
}

export function createOidcProvider(
  config: ProviderConfig,
  { clock, log, http = createIssuerHttp({ ca: config.ca }) }: OidcParts,
): OidcProvider {
  const discovery = createDiscovery(config, { http, clock, log })
  const keys = createIssuerKeys(config, { discovery, http, clock, log })
  const verifyIdToken = createVerifyIdToken(config, { keys, clock })
  const parts = { discovery, http, clock, log, verifyIdToken, clientAuthentication: createClientAuthentication(config, clock) }
  return {
    config,
    keys,
    discovery,
    signIn: createSignIn(config, parts),
    redeem: createRedeem(config, parts),
    exchange: createTokenExchange(config, parts),
    signOut: createSignOut(config, parts),
    verifyLogoutToken: createVerifyLogoutToken(config, { keys, clock }),
    live: () => discovery.live(),
    async close() {
      discovery.close()
      keys.close()
      await http.close()
    },
  }
}
