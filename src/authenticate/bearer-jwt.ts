/**
 * Authenticates callers by a JWT in the Authorization header (RFC 6750 2.1).
 *
 * Security: the issuer is chosen by the token's unverified `iss`, which may only choose among configured ones; all that
 * follows is verified against that issuer alone. Every bearer must be for Mandate, by its audience or by what the kind of
 * its provider has in its stead (`bearer-rules/`). What the token itself is
 * to blame for is `rejected`; what cannot be told (keys that cannot be had, a replica that is blind for revocations) is
 * thrown and becomes 503.
 */
import type { KeyObject } from 'node:crypto'
import type { Clock } from '../clock.ts'
import type { ProviderConfig } from '../config/provider.ts'
import { Refusal } from '../errors.ts'
import type { BearerProof, Caller, PrincipalKind, Stranger } from '../principal.ts'
import { principalOf } from '../providers/claims.ts'
import { type JwtForm, LONGEST_TOKEN, readJwtForm } from '../providers/jwt-form.ts'
import type { IssuerKeys } from '../providers/keys.ts'
import { CLOCK_TOLERANCE_SECONDS, type VerifiedJwt, verifyJwt } from '../providers/verify.ts'
import type { RefusalCode } from '../refusal-codes.ts'
import { Secret } from '../secret.ts'
import { StoreUnavailable } from '../store/store.ts'
import type { Authentication, Authenticator } from './authenticator.ts'
import type { BearerRule } from './bearer-rules/bearer-rule.ts'
import { ruleOf } from './bearer-rules/rule-of.ts'
import { clientOf } from './client-of.ts'
import { scopesOf } from './scopes-of.ts'
import { type BearerRevocations, createVerifiedTokens, type VerifiedCaller } from './verified-tokens.ts'

/** An issuer whose tokens are taken. */
export interface BearerProvider {
  readonly config: ProviderConfig
  readonly keys: Pick<IssuerKeys, 'find'>
}

interface JudgedProvider extends BearerProvider {
  readonly rule: BearerRule
}

export interface BearerOptions {
  /** Each with an issuer of its own; the configuration sees to that. */
  readonly providers: readonly BearerProvider[]
  readonly revocations: BearerRevocations
  readonly clock: Clock
  /** How long revocations are kept. A bearer issued earlier is refused: its revocation may be forgotten. */
  readonly oldestMs: number
  /**
   * Told of each validation: the provider's name, or `none` for an issuer that is not configured, for what is no JWT and
   * for a refusal that was remembered.
   */
  observe(issuer: string, result: 'ok' | RefusalCode, cached: boolean, seconds: number): void
}

export interface BearerAuthenticator extends Authenticator {
  /**
   * Something begins to rest on a caller: until `release` a revocation ends it, however many tokens are shown
   * meanwhile. Callers that others vouched for are let be.
   */
  hold(caller: Caller): void
  /** It is over. Once for each `hold`. */
  release(caller: Caller): void
  /** Ends the callers of an issuer whose key does not stand any more, with `why`; gives back how many these were. */
  withdraw(issuer: string, stands: (key: KeyObject) => boolean, why: Refusal): number
  /** Ends every caller it vouched for. */
  close(): void
}

/** RFC 6750 2.1 with exactly one space, as Kubernetes reads it: one token, one spelling. */
const BEARER = /^bearer ([A-Za-z0-9\-._~+/]+=*)$/i
const SCHEME_LENGTH = 'Bearer '.length

export function createBearerAuthenticator(options: BearerOptions): BearerAuthenticator {
  const { revocations, clock, oldestMs, observe } = options
  const providers = new Map(options.providers.map(({ config, keys }) => [config.issuer, { config, keys, rule: ruleOf(config) }]))
  // A refusal belongs to one token: it is remembered by its digest and shared with no other.
  const strangers = new WeakMap<Refusal, Stranger>()
  const verified = createVerifiedTokens({ revocations, clock })

  const refuseTooOld = (issuedAt: number) => {
    if (clock.now() - issuedAt < oldestMs) return
    const hours = Math.floor(oldestMs / 3_600_000)
    throw new Refusal('token_expired', { detail: `Mandate takes a token for at most ${hours} hours after it was issued` })
  }

  /** Notes whom a token speaks of that holds, and is nobody's here. */
  const judged = (jwt: VerifiedJwt, rule: BearerRule, about: Omit<Stranger, 'subject'>): PrincipalKind => {
    try {
      return rule.judge(jwt)
    } catch (error) {
      if (error instanceof Refusal) strangers.set(error, Object.freeze({ ...about, subject: jwt.claims.sub ?? '' }))
      throw error
    }
  }

  /** Throws Refusal for everything that is wrong or cannot be told. */
  const verify = async (token: Secret, digest: string, form: JwtForm, chosen: JudgedProvider): Promise<VerifiedCaller> => {
    const { config, keys, rule } = chosen
    const { issuer, algorithms } = config
    const { types, audience, requireType } = rule
    const jwt = await verifyJwt(token, { issuer, audience, algorithms, keys, clock, types, requireType }, form)
    const { sid, iat = 0, exp = 0 } = jwt.claims
    const client = clientOf(jwt.claims)
    const said = scopesOf(jwt.claims, config.claims.scopes, 'machine')
    const kind = judged(jwt, rule, { provider: config.name, issuer, digest, scopes: said, ...(client === undefined ? {} : { client }) })
    const scopes = scopesOf(jwt.claims, config.claims.scopes, kind)
    const principal = principalOf(kind, jwt.claims, config)
    const proof: BearerProof = Object.freeze({
      kind: 'bearer',
      token,
      digest,
      audiences: Object.freeze([...jwt.claims.aud]),
      scopes,
      ...(client === undefined ? {} : { client }),
      expiresAt: exp * 1000,
    })
    // `iat` may be ahead of the clock of whoever revokes by as much as is tolerated, and a revoked token must not be
    // the younger for it: so the earliest moment counts at which it may have been issued.
    const issuedAt = (iat - CLOCK_TOLERANCE_SECONDS) * 1000
    const subject = { issuer, subject: principal.subject, issuedAt, ...(typeof sid === 'string' ? { sid } : {}) }
    refuseTooOld(issuedAt)
    // Its end, or the moment at which it is too old.
    const until = Math.min(proof.expiresAt, issuedAt + oldestMs)
    return verified.keep(digest, { principal, proof, subject, key: jwt.key, until })
  }

  /** Neither a cached caller nor a fresh one is believed while a revocation of it could be unseen. */
  const unrevoked = ({ caller, subject }: VerifiedCaller): Caller => {
    if (revocations.blind) throw new Refusal('store_unavailable')
    const why: unknown = caller.ended.reason
    if (why instanceof Refusal || why instanceof StoreUnavailable) throw why
    if (caller.ended.aborted || revocations.check(subject)) throw new Refusal('token_revoked')
    return caller
  }

  /** Who shows this header. `noted` learns on the way what is observed of it. */
  const identify = async (authorization: Secret, noted: { issuer: string; cached: boolean }): Promise<Caller> => {
    if (authorization.length > LONGEST_TOKEN + SCHEME_LENGTH) throw new Refusal('token_too_large')
    const shown = BEARER.exec(authorization.expose())?.[1]
    if (shown === undefined) throw new Refusal('authorization_malformed')
    const token = new Secret(shown)
    const digest = token.digest()
    const found = verified.find(digest)
    noted.cached = found !== undefined
    if (found instanceof Refusal) throw found
    if (found !== undefined) {
      noted.issuer = found.caller.principal.provider
      return unrevoked(found)
    }
    try {
      const form = readJwtForm(token)
      const { iss } = form.unverified
      const chosen = typeof iss === 'string' ? providers.get(iss) : undefined
      if (chosen === undefined) throw new Refusal('token_issuer_unknown')
      noted.issuer = chosen.config.name
      return unrevoked(await verify(token, digest, form, chosen))
    } catch (error) {
      if (error instanceof Refusal) verified.refuse(digest, error)
      throw error
    }
  }

  return {
    async authenticate({ authorization }): Promise<Authentication> {
      if (authorization === undefined) return { result: 'not-applicable' }
      const began = performance.now()
      const noted = { issuer: 'none', cached: false }
      const observed = (result: 'ok' | RefusalCode) => observe(noted.issuer, result, noted.cached, (performance.now() - began) / 1000)
      try {
        const caller = await identify(authorization, noted)
        observed('ok')
        return { result: 'authenticated', caller }
      } catch (error) {
        observed(error instanceof Refusal ? error.code : 'fault')
        if (!(error instanceof Refusal) || error.status >= 500) throw error
        const stranger = strangers.get(error)
        return { result: 'rejected', refusal: error, ...(stranger === undefined ? {} : { stranger }) }
      }
    },
    hold: (caller) => verified.hold(caller),
    release: (caller) => verified.release(caller),
    withdraw: (issuer, stands, why) => verified.withdraw(issuer, stands, why),
    close: () => verified.close(),
  }
}
