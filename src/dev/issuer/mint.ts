/**
 * Tokens on demand, signed with the issuer's live key, for tests of what a relying party must refuse. Everything can be
 * overridden, so a minted token may be as wrong as a test wants; by default it equals one that the issuer would give out.
 */
import { constants, randomUUID, sign } from 'node:crypto'
import { claimsAbout } from './accounts.ts'
import type { TestUser } from './options.ts'
import type { SigningKey } from './signing-keys.ts'

/** Replaces members of the token; a member that is `undefined` is left out. `alg: "none"` also leaves the signature out. */
export interface MintOverrides {
  readonly header?: Readonly<Record<string, unknown>>
  readonly claims?: Readonly<Record<string, unknown>>
}

/** Whose token it is: a person at a client, or a client for itself. */
export type TokenSubject = { readonly user: TestUser; readonly clientId: string } | { readonly clientId: string; readonly user?: undefined }

export interface MintContext {
  readonly issuer: string
  readonly key: SigningKey
  /** Seconds until `exp`. */
  readonly lifetime: number
}

/** OpenID Connect Core section 2. */
export function mintIdToken(context: MintContext, user: TestUser, clientId: string, overrides: MintOverrides = {}): string {
  const claims = { ...times(context), sub: user.sub, aud: clientId, ...claimsAbout(user) }
  return signCompact(context.key, overrides, {}, claims)
}

/** RFC 9068. */
export function mintAccessToken(context: MintContext, subject: TokenSubject, audience: string, overrides: MintOverrides = {}): string {
  const about = subject.user === undefined ? { sub: subject.clientId } : { sub: subject.user.sub, ...claimsAbout(subject.user) }
  const claims = { ...times(context), ...about, aud: audience, client_id: subject.clientId, jti: randomUUID() }
  return signCompact(context.key, overrides, { typ: 'at+jwt' }, claims)
}

/** OpenID Connect Back-Channel Logout section 2.4. `sid` is left out when not known: all of the person's sessions. */
export function mintLogoutToken(
  context: MintContext,
  user: TestUser,
  clientId: string,
  sid: string | undefined,
  overrides: MintOverrides = {},
): string {
  const events = { 'http://schemas.openid.net/event/backchannel-logout': {} }
  const claims = { ...times(context), sub: user.sub, sid, aud: clientId, jti: randomUUID(), events }
  return signCompact(context.key, overrides, { typ: 'logout+jwt' }, claims)
}

function times({ issuer, lifetime }: MintContext): { iss: string; iat: number; exp: number } {
  const now = Math.floor(Date.now() / 1000)
  return { iss: issuer, iat: now, exp: now + lifetime }
}

function signCompact(key: SigningKey, overrides: MintOverrides, header: object, claims: object): string {
  const protectedHeader: Record<string, unknown> = { alg: key.alg, kid: key.kid, ...header, ...overrides.header }
  const input = `${encode(protectedHeader)}.${encode({ ...claims, ...overrides.claims })}`
  return protectedHeader.alg === 'none' ? `${input}.` : `${input}.${signature(key, input)}`
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

function signature(key: SigningKey, input: string): string {
  const data = Buffer.from(input)
  switch (key.alg) {
    case 'RS256':
      return sign('sha256', data, key.privateKey).toString('base64url')
    case 'PS256':
      return sign('sha256', data, {
        key: key.privateKey,
        padding: constants.RSA_PKCS1_PSS_PADDING,
        saltLength: 32,
      }).toString('base64url')
    case 'ES256':
      return sign('sha256', data, { key: key.privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')
    case 'EdDSA':
      return sign(null, data, key.privateKey).toString('base64url')
  }
}
