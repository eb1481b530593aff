/** Ends the issuer's own session: the browser's by a redirect, the refresh token's by revocation. Neither ever throws. */
import { buildEndSessionUrl, tokenRevocation } from 'openid-client'
import type { ProviderConfig } from '../config/provider.ts'
import { describeError, type Log } from '../log.ts'
import { cognitoLogoutUrl } from './cognito-logout.ts'
import { type ExchangeParts, openExchange } from './exchange.ts'
import type { SignOut } from './provider.ts'

export interface SignOutParts extends ExchangeParts {
  readonly log: Log
}

export function createSignOut(config: Pick<ProviderConfig, 'kind' | 'name' | 'clientId'>, parts: SignOutParts): SignOut {
  const { discovery, log } = parts
  return {
    async url(idToken, returnTo) {
      try {
        const { end_session_endpoint } = await discovery.metadata()
        if (end_session_endpoint === undefined) return undefined
        switch (config.kind) {
          case 'cognito':
            return cognitoLogoutUrl(end_session_endpoint, config.clientId, returnTo)
          case 'oidc': {
            const { configuration } = await openExchange(config, parts)
            // RP-Initiated Logout 1.0, section 2: without the hint the issuer asks the person, and needs client_id to know
            // whose return address it is; openid-client adds that.
            return buildEndSessionUrl(configuration, {
              post_logout_redirect_uri: returnTo,
              ...(idToken === undefined ? {} : { id_token_hint: idToken.expose() }),
            })
          }
        }
      } catch (error) {
        log.warn('the sign-out address of an issuer cannot be had', { provider: config.name, ...describeError(error) })
        return undefined
      }
    },

    async revoke(refreshToken) {
      try {
        const { revocation_endpoint } = await discovery.metadata()
        if (revocation_endpoint === undefined) return
        const { configuration } = await openExchange(config, parts)
        await tokenRevocation(configuration, refreshToken.expose(), { token_type_hint: 'refresh_token' })
      } catch (error) {
        log.warn('a refresh token could not be revoked at its issuer', { provider: config.name, ...describeError(error) })
      }
    },
  }
}
