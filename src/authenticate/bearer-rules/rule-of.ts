/** Which rule a provider's bearers are judged by. A kind without a rule does not compile. */
import type { ProviderConfig } from '../../config/provider.ts'
import type { BearerRule } from './bearer-rule.ts'
import { cognitoRule } from './cognito.ts'
import { oidcRule } from './oidc.ts'

export type Judged = Pick<ProviderConfig, 'kind' | 'accept' | 'accessTokenType' | 'audience' | 'machineClients' | 'personClients'>

export function ruleOf(provider: Judged): BearerRule {
  switch (provider.kind) {
    case 'oidc':
      return oidcRule(provider)
    case 'cognito':
      return cognitoRule(provider)
  }
}
