/**
 * The tokens of the stand-in for a user pool, of the shapes that AWS documents, and of real pools where the documents are
 * silent: headers of `kid` and `alg` without `typ`, one key for ID tokens and another for access tokens, no `aud` in
 * access tokens, `version: 2` in those of the token endpoint, `sub` of a machine the client itself.
 */
import { generateKeyPairSync, type KeyObject, randomBytes, randomUUID, sign } from 'node:crypto'
import { leftHalf } from '../../src/providers/stage.fake.ts'
import { type CognitoUser, clientOf, type Pool } from './cognito-pool.ts'

/** What a test wants different in a token: members that are undefined are left out. */
export interface Changes {
  readonly claims?: object
  readonly header?: object
}

export interface Key {
  readonly kid: string
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

export interface CognitoTokens {
  /** The access token that a machine would be given; all the scopes of its client unless they are named. */
  machineToken(client: string, scopes?: readonly string[], changes?: Changes): string
  userAccessToken(user: CognitoUser, client: string, changes?: Changes): string
  userIdToken(user: CognitoUser, client: string, changes?: Changes): string
  /** What is published at jwks_uri. */
  published(): object
  /** The key by which access tokens are signed now. */
  accessKey(): Key
  /** New keys; the old ones are published no more. */
  rotate(): void
}

/** `life` is in seconds. */
export function createTokens(pool: Pool, issuer: string, life: number): CognitoTokens {
  let keys = { id: makeKey(), access: makeKey() }
  const scopesOf = (client: string) => clientOf(pool, client)?.scopes ?? []
  const stamp = () => {
    const seconds = Math.floor(pool.now() / 1000)
    return { auth_time: seconds, iss: issuer, exp: seconds + life, iat: seconds, jti: randomUUID() }
  }
  const session = () => ({ origin_jti: randomUUID(), event_id: randomUUID() })
  const groupsOf = ({ groups }: CognitoUser) => (groups.length === 0 ? {} : { 'cognito:groups': groups })

  const userAccessToken: CognitoTokens['userAccessToken'] = (user, client, { claims, header } = {}) => {
    const said = {
      sub: user.sub,
      ...groupsOf(user),
      ...stamp(),
      ...session(),
      version: 2,
      client_id: client,
      token_use: 'access',
      scope: scopesOf(client).join(' '),
      username: user.username,
    }
    return seal(keys.access, { ...said, ...claims }, header)
  }
  return {
    userAccessToken,
    machineToken(client, scopes = scopesOf(client), { claims, header } = {}) {
      const said = { sub: client, token_use: 'access', scope: scopes.join(' '), ...stamp(), version: 2, client_id: client }
      return seal(keys.access, { ...said, ...claims }, header)
    },
    userIdToken(user, client, { claims, header } = {}) {
      const said = {
        at_hash: leftHalf(userAccessToken(user, client)),
        sub: user.sub,
        ...groupsOf(user),
        email_verified: user.emailVerified ?? true,
        'cognito:username': user.username,
        ...stamp(),
        ...session(),
        aud: client,
        token_use: 'id',
        ...(user.name === undefined ? {} : { name: user.name }),
        email: user.email,
      }
      return seal(keys.id, { ...said, ...claims }, header)
    },
    published: () => ({ keys: [keys.id.jwk, keys.access.jwk] }),
    accessKey: () => keys.access,
    rotate() {
      keys = { id: makeKey(), access: makeKey() }
    },
  }
}

function makeKey(): Key & { readonly jwk: object } {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  // Plain base64: with + and / and =.
  const kid = randomBytes(32).toString('base64')
  const { n, e } = publicKey.export({ format: 'jwk' })
  return { kid, privateKey, publicKey, jwk: { alg: 'RS256', e, kid, kty: 'RSA', n, use: 'sig' } }
}

function seal({ kid, privateKey }: Key, claims: object, header: object = {}): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const input = `${part({ kid, alg: 'RS256', ...header })}.${part(claims)}`
  return `${input}.${sign('sha256', Buffer.from(input), privateKey).toString('base64url')}`
}
