/** Principals and callers for tests: whole ones, of which a test changes what it is about. */
import type { BearerProof, Caller, LoginProof, Principal } from './principal.ts'
import { Secret } from './secret.ts'

const NEVER = new AbortController().signal

export function principalOf(changes: Partial<Principal> = {}): Principal {
  return {
    kind: 'person',
    provider: 'corp',
    issuer: 'https://issuer.example',
    subject: 'alice',
    groups: ['dev', 'ops'],
    kubernetesUser: 'alice',
    ...changes,
  }
}

/** A caller who showed a login cookie. */
export function loginCaller(changes: { principal?: Partial<Principal>; proof?: Partial<LoginProof>; ended?: AbortSignal } = {}): Caller {
  return {
    principal: principalOf(changes.principal),
    proof: { kind: 'login', loginId: 'login-1', ...changes.proof },
    ended: changes.ended ?? NEVER,
  }
}

/** A caller who showed a token whose text is `text`. */
export function bearerCaller(
  text: string,
  changes: { principal?: Partial<Principal>; proof?: Partial<BearerProof>; ended?: AbortSignal } = {},
): Caller {
  const token = new Secret(text)
  const proof: BearerProof = {
    kind: 'bearer',
    token,
    digest: token.digest(),
    audiences: ['mandate'],
    scopes: [],
    expiresAt: Date.UTC(2026, 0, 2),
    ...changes.proof,
  }
  return { principal: principalOf(changes.principal), proof, ended: changes.ended ?? NEVER }
}

/** A token of the form of a JWT; nobody signed it. */
export function unsignedJwt(claims: Readonly<Record<string, unknown>>): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part({ alg: 'ES256', typ: 'JWT' })}.${part(claims)}.c2lnbmF0dXJl`
}
