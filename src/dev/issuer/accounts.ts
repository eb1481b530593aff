/** What the issuer says about a person. The same claims stand in ID tokens and in access tokens. */
import type { Account } from 'oidc-provider'
import type { TestUser } from './options.ts'

/** The claims about `user` besides `sub`, spelled as OpenID Connect Core section 5.1 has them, and `groups`. */
export function claimsAbout(user: TestUser): Record<string, unknown> {
  return {
    name: user.name,
    preferred_username: user.name,
    email: user.email,
    email_verified: user.emailVerified,
    groups: [...user.groups],
  }
}

/**
 * Scope to claims. Everything comes with `openid` already, as it does from the issuers that companies run (Entra, Keycloak
 * with its usual mappers), so that a client which forgets a scope still sees the groups.
 */
export const CLAIMS_BY_SCOPE = {
  openid: ['sub', 'name', 'preferred_username', 'email', 'email_verified', 'groups'],
  profile: ['name', 'preferred_username'],
  email: ['email', 'email_verified'],
  groups: ['groups'],
}

export interface Accounts {
  /** By subject, in the shape oidc-provider wants. `undefined` for somebody unknown. */
  find(sub: string): Account | undefined
  bySub(sub: string): TestUser | undefined
  byName(name: string): TestUser | undefined
}

/** Throws when two users share a name or a subject: tokens would then speak of the wrong one. */
export function createAccounts(users: readonly TestUser[]): Accounts {
  const bySub = new Map(users.map((user) => [user.sub, user]))
  const byName = new Map(users.map((user) => [user.name, user]))
  if (bySub.size !== users.length) throw new Error('two users of the issuer share a sub')
  if (byName.size !== users.length) throw new Error('two users of the issuer share a name')
  return {
    bySub: (sub) => bySub.get(sub),
    byName: (name) => byName.get(name),
    find(sub) {
      const user = bySub.get(sub)
      return user && { accountId: sub, claims: () => ({ sub, ...claimsAbout(user) }) }
    },
  }
}
