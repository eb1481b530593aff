/**
 * Where the tokens of one sign-in come from: the issuer that the gateway names, after it was compared with what is pinned
 * and kept (pins.ts), and as the person whose tokens are kept.
 *
 * Security:
 * - Before anybody is sent to the issuer the terminal says which issuer, client and audience it is for; after it, as whom.
 *   The address of a sign-in can be seen on the machine, and whoever answers it first signs in as themselves.
 * - So another person than the one whose tokens are kept is refused, and the tokens of that sign-in are ended.
 */
import { Complaint } from '../../complaint.ts'
import type { SignedIn } from '../../providers/tokens.ts'
import type { CommandLineProvider } from './gateway-document.ts'
import { type Issuer, keptOf, whoIs } from './issuer.ts'
import { forgetting, type Pins, requirePinned, requireUnchanged, type Where } from './pins.ts'
import type { Source } from './renew.ts'

export interface SourceParts {
  readonly where: Where
  readonly pins: Pins
  readonly issuer: Pick<Issuer, 'redeem' | 'revoke' | 'close'>
  /** Signs a person in, in the way that they chose. */
  readonly signIn: () => Promise<SignedIn>
  readonly say: (line: string) => void
}

export function sourceOf(described: CommandLineProvider, { where, pins, issuer, signIn, say }: SourceParts): Source {
  return {
    requireUnchanged: (kept) => requireUnchanged(kept, described, where),
    redeem: issuer.redeem,
    renewed: (kept, { tokens }) => keptOf(described, tokens, kept),
    async signIn(kept) {
      requirePinned(pins, described, where)
      if (kept !== undefined) requireUnchanged(kept, described, where)
      const { clientId, audience, resource } = described
      say(
        `Signing in to ${where.gateway} at ${described.issuer}, client ${clientId}, for ${audience}${resource === undefined ? '' : ` (${resource})`}.`,
      )
      const signedIn = await signIn()
      const who = whoIs(signedIn)
      const { issuer: of, subject } = signedIn.principal
      if (kept !== undefined && (kept.issuer !== of || kept.subject !== subject)) {
        const { refreshToken } = signedIn.tokens
        if (refreshToken !== undefined) await issuer.revoke(refreshToken)
        throw new Complaint(
          `this sign-in was ${who}'s, and the tokens that are kept are ${kept.who}'s, so it is not used: if you are ${who}, run ${forgetting(where)} first`,
        )
      }
      const fresh = keptOf(described, signedIn.tokens, { subject, who })
      say(`Signed in as ${who} (${where.provider}).`)
      return fresh
    },
    close: issuer.close,
  }
}
