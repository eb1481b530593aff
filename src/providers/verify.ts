/**
 * Verifies one JWT against one issuer: form, algorithm, type, key, signature, and then the registered claims.
 *
 * Security: what the token says of itself chooses among what the provider's configuration allows and nothing more. The
 * key comes from the issuer's own set and fits the algorithm, so neither `none`, nor HMAC with a public key, nor a key
 * in the header can verify. Each fault becomes one code of ours; no text of a library or of the token goes with it.
 *
 * What `aud` must say has to be given, so nobody leaves it unchecked by forgetting it. A name that is empty is named by no
 * token: jose would take it for "do not look", and for that reason it is not asked to.
 */
import type { KeyObject } from 'node:crypto'
import { errors, jwtVerify } from 'jose'
import type { Clock } from '../clock.ts'
import { Refusal } from '../errors.ts'
import type { RefusalCode } from '../refusal-codes.ts'
import type { Secret } from '../secret.ts'
import { type JwtForm, readJwtForm } from './jwt-form.ts'
import type { IssuerKeys } from './keys.ts'

/**
 * What `aud` must say. A name: it must be there and have this member. `ifPresent`, for issuers that name no audience and
 * whose kind has another rule for whom a token is (`authenticate/bearer-rules/`): it may be absent, and if it is there it
 * must have this member.
 */
export type AudienceRule = string | { readonly ifPresent: string }

export interface VerifyOptions {
  /** Equal to `iss`, to the letter. */
  readonly issuer: string
  readonly audience: AudienceRule
  /** Refuses what by its claims is another type of token, before its audience is looked at. */
  readonly requireType?: ((claims: VerifiedClaims) => void) | undefined
  readonly algorithms: readonly string[]
  readonly keys: Pick<IssuerKeys, 'find'>
  /** Allowed `typ` headers in lower case without `application/`; `undefined` allows its absence. */
  readonly types: ReadonlyArray<string | undefined>
  readonly clock: Clock
  /** Leeway for exp, nbf and iat. Default 30. */
  readonly clockToleranceSeconds?: number
  /** Claims that must be there besides `iss` and, unless it may be absent, `aud`. Default: sub, exp, iat. */
  readonly requireClaims?: readonly string[]
}

/** The claims of a verified token: the registered ones have the types of RFC 7519, the others are as they came. */
export interface VerifiedClaims {
  readonly [claim: string]: unknown
  readonly iss: string
  /** Empty when the token has none, where that is allowed. */
  readonly aud: readonly string[]
  readonly sub: string | undefined
  readonly exp: number | undefined
  readonly iat: number | undefined
}

export interface VerifiedJwt {
  readonly alg: string
  readonly typ: string | undefined
  readonly claims: VerifiedClaims
  /** What verified it. It holds for as long as the issuer publishes this key (`IssuerKeys.published`). */
  readonly key: KeyObject
}

export const CLOCK_TOLERANCE_SECONDS = 30
const LONGEST_SUBJECT = 1_024

/** `form` is that of `token`, where it was read before. Throws Refusal `token_*`, or `issuer_unavailable` when the keys cannot be had. */
export async function verifyJwt(token: Secret, options: VerifyOptions, form: JwtForm = readJwtForm(token)): Promise<VerifiedJwt> {
  if (!options.algorithms.includes(form.alg)) throw new Refusal('token_algorithm_refused')
  if (!options.types.includes(form.typ))
    throw new Refusal('token_type_wrong', { detail: 'its typ header is not one of this kind of token' })
  // Before the key is looked for, so that a token of another issuer causes no fetch from this one.
  if (form.unverified['iss'] !== options.issuer) throw new Refusal('token_issuer_unknown')
  const key = await options.keys.find(form)
  const tolerance = options.clockToleranceSeconds ?? CLOCK_TOLERANCE_SECONDS
  const named = typeof options.audience === 'string'
  let payload: Readonly<Record<string, unknown>>
  try {
    const verified = await jwtVerify(token.expose(), key, {
      algorithms: [...options.algorithms],
      issuer: options.issuer,
      clockTolerance: tolerance,
      currentDate: new Date(options.clock.now()),
      requiredClaims: [...(options.requireClaims ?? ['sub', 'exp', 'iat']), ...(named ? ['aud'] : [])],
    })
    payload = verified.payload
  } catch (error) {
    throw new Refusal(codeOf(error))
  }
  const claims = checkTypes(payload, options.clock.now() / 1000 + tolerance)
  options.requireType?.(claims)
  if (named || Object.hasOwn(payload, 'aud')) requireAudience(claims.aud, options.audience)
  return { alg: form.alg, typ: form.typ, claims, key }
}

function requireAudience(aud: readonly string[], rule: AudienceRule): void {
  const audience = typeof rule === 'string' ? rule : rule.ifPresent
  if (audience === '' || !aud.includes(audience)) throw new Refusal('token_audience_wrong')
}

function codeOf(error: unknown): RefusalCode {
  if (error instanceof errors.JWTExpired) return 'token_expired'
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'token_signature_invalid'
  if (error instanceof errors.JOSEAlgNotAllowed || error instanceof errors.JOSENotSupported) return 'token_algorithm_refused'
  if (!(error instanceof errors.JWTClaimValidationFailed)) return 'token_malformed'
  if (error.reason !== 'check_failed') return 'token_claims_invalid'
  if (error.claim === 'nbf') return 'token_not_yet_valid'
  return error.claim === 'iss' ? 'token_issuer_unknown' : 'token_claims_invalid'
}

/** jose leaves the type of `sub`, `aud` as a whole and the age of `iat` to us. */
function checkTypes(claims: Readonly<Record<string, unknown>>, latest: number): VerifiedClaims {
  const { iss, sub, exp, iat, nbf } = claims
  const aud: unknown[] = claims['aud'] === undefined ? [] : [claims['aud']].flat()
  if (typeof iss !== 'string') throw invalid('iss is not text')
  if (sub !== undefined && !isName(sub)) throw invalid('sub is not text of 1 to 1024 characters')
  if (!aud.every((member) => typeof member === 'string')) throw invalid('aud is not text or a list of text')
  if (!isTime(exp) || !isTime(iat) || !isTime(nbf)) throw invalid('exp, iat or nbf is not a number')
  if (iat !== undefined && iat > latest) throw new Refusal('token_not_yet_valid')
  return { ...claims, iss, sub, aud, exp, iat }
}

function invalid(detail: string): Refusal {
  return new Refusal('token_claims_invalid', { detail })
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= LONGEST_SUBJECT
}

function isTime(value: unknown): value is number | undefined {
  return value === undefined || (typeof value === 'number' && Number.isFinite(value) && value >= 0 && value < 1e11)
}
