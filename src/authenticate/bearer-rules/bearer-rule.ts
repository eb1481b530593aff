/**
 * The contract of a rule: which tokens of an issuer are bearers for Mandate, and whether one speaks of a person or a
 * machine. Each kind of provider has one of its own, in a file of its own.
 *
 * Security: for whom a token is must be decided by somebody. Most kinds leave it to `aud`; one whose tokens have none says
 * so here, by `ifPresent`, and owes a rule in its stead. A machine is proven by a configured client *and* the absence of
 * a user (docs/decisions/0003), and nothing that a token merely has proves it: access tokens of people name a client as well.
 */
import type { PrincipalKind } from '../../principal.ts'
import type { AudienceRule, VerifiedClaims, VerifiedJwt } from '../../providers/verify.ts'

export interface BearerRule {
  /** The `typ` headers that its bearers may have, in lower case and without `application/`; `undefined` for none. */
  readonly types: ReadonlyArray<string | undefined>
  /** What `aud` of its bearers must say. */
  readonly audience: AudienceRule
  /** Looks at the type that the claims give away, before the audience is looked at. Throws Refusal `token_type_wrong`. */
  readonly requireType?: (claims: VerifiedClaims) => void
  /** Whom a verified token speaks of. Throws Refusal `token_type_wrong`, `token_audience_wrong`, or `denied` for nobody. */
  judge(verified: VerifiedJwt): PrincipalKind
}
