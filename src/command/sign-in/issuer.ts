/**
 * The issuer that a person of the command line signs in at: the gateway's own parts for talking to one, with the public
 * client of the command line. Discovery, bounded HTTP, verification of ID tokens, presenting a refresh token at most once:
 * all of it is the same code, so a command line is no weaker than the gateway.
 */

import { type Clock, systemClock } from '../../clock.ts'
import { Complaint } from '../../complaint.ts'
import { ALGORITHMS, oidc, type ProviderConfig } from '../../config/provider.ts'
import { Refusal } from '../../errors.ts'
import { createLog } from '../../log.ts'
import { createClientAuthentication } from '../../providers/client-authentication.ts'
import { createDiscovery } from '../../providers/discovery.ts'
import type { ExchangeParts } from '../../providers/exchange.ts'
import { createVerifyIdToken, type VerifyIdToken } from '../../providers/id-token.ts'
import { createIssuerHttp } from '../../providers/issuer-http.ts'
import { readJwtForm } from '../../providers/jwt-form.ts'
import { createIssuerKeys } from '../../providers/keys.ts'
import type { SignIn } from '../../providers/provider.ts'
import { createSignIn } from '../../providers/sign-in.ts'
import { createSignOut } from '../../providers/sign-out.ts'
import { createRedeem } from '../../providers/token-endpoint.ts'
import type { Redeem, SignedIn, TokenSet } from '../../providers/tokens.ts'
import type { Secret } from '../../secret.ts'
import type { CommandLineProvider } from './gateway-document.ts'
import type { KeptTokens } from './kept-tokens.ts'

export interface IssuerParts extends ExchangeParts {
  readonly config: ProviderConfig
  readonly verifyIdToken: VerifyIdToken
}

export interface Issuer {
  readonly parts: IssuerParts
  readonly signIn: SignIn
  readonly redeem: Redeem
  /** Revokes a refresh token (RFC 7009). False when the issuer did not confirm it. */
  revoke(refreshToken: Secret): Promise<boolean>
  close(): Promise<void>
}

/**
 * `ca`: a PEM file to trust for the issuer instead of Node's own certificates. Asks nothing yet. Throws Complaint when what
 * the gateway describes could not be configured there either.
 */
export function openIssuer(described: CommandLineProvider, ca: string | undefined, clock: Clock = systemClock): Issuer {
  const config = configOf(described)
  const http = createIssuerHttp(ca === undefined ? {} : { ca: { file: ca } })
  let troubles = 0
  // What goes wrong is told to the person in whole sentences, not in log lines.
  const log = createLog(() => (troubles += 1), 'warn')
  const discovery = createDiscovery(config, { http, clock, log })
  const keys = createIssuerKeys(config, { discovery, http, clock, log })
  const verifyIdToken = createVerifyIdToken(config, { keys, clock })
  const parts = { config, discovery, http, clock, log, verifyIdToken, clientAuthentication: createClientAuthentication(config, clock) }
  return {
    parts,
    signIn: createSignIn(config, parts),
    redeem: createRedeem(config, parts),
    async revoke(refreshToken) {
      const before = troubles
      await createSignOut(config, parts).revoke(refreshToken)
      return troubles === before
    },
    async close() {
      discovery.close()
      keys.close()
      await http.close()
    },
  }
}

function configOf({ name, title, issuer, clientId, scopes, resource, token, audience }: CommandLineProvider): ProviderConfig {
  const { success, data, error } = oidc.safeParse({
    kind: 'oidc',
    title,
    issuer,
    clientId,
    clientAuth: { method: 'none' },
    scopes,
    ...(resource === undefined ? {} : { resource }),
    accept: token,
    audience,
    algorithms: [...ALGORITHMS],
  })
  if (!success) {
    const members = [...new Set(error.issues.map(({ path }) => path.join('.')))].join(', ')
    throw new Complaint(`the gateway names something for ${name} that no sign-in can use (${members}); ask its operator`)
  }
  return { ...data, name, audience, prefix: '', ruleClaims: [] }
}

/** What is kept of a sign-in or a refresh. Throws Complaint when Mandate would not take the token. */
export function keptOf(
  described: CommandLineProvider,
  tokens: TokenSet,
  { subject, who }: Pick<KeptTokens, 'subject' | 'who'>,
): KeptTokens {
  const { issuer, clientId, audience, resource, token: kind } = described
  const [token, expiresAt] = kind === 'access-token' ? [tokens.accessToken, tokens.accessExpiresAt] : [tokens.idToken, tokens.idExpiresAt]
  if (token === undefined || expiresAt === undefined)
    throw new Complaint('the issuer gave no ID token, which the gateway wants; sign in again')
  requireAudience(token, described)
  return {
    issuer,
    clientId,
    audience,
    resource,
    kind,
    token,
    obtainedAt: tokens.obtainedAt,
    expiresAt,
    refreshToken: tokens.refreshToken,
    presenting: false,
    subject,
    who,
  }
}

/** The person's name for the terminal, without what could write into it. */
export function whoIs({ shown, principal }: SignedIn): string {
  const name = [shown['preferred_username'], shown['name'], principal.subject].find((one) => typeof one === 'string' && one !== '')
  return String(name)
    .replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, '?')
    .slice(0, 200)
}

/** Better said now, in whole words, than by a 401 at each request. The gateway's own check is the one that counts. */
function requireAudience(token: Secret, { audience, issuer }: CommandLineProvider): void {
  let aud: unknown
  try {
    aud = readJwtForm(token).unverified['aud']
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    throw new Complaint(
      `the access token of ${issuer} is not a JWT, and Mandate takes no other; ask your operator for an audience of its own`,
    )
  }
  const named: unknown[] = Array.isArray(aud) ? aud : [aud]
  if (named.includes(audience)) return
  const shown = named
    .map((one) =>
      String(one)
        .replaceAll(/[^\x21-\x7e]/g, '?')
        .slice(0, 200),
    )
    .join(', ')
  throw new Complaint(
    `the issuer gave a token for ${shown}, Mandate wants one for ${audience}; ask your operator (an audience at the issuer, or commandLine.resource)`,
  )
}
