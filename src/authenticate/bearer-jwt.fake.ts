/** What the tests of bearers play on: one provider with one key, revocations that a test decides, and a way to show tokens. */
import assert from 'node:assert/strict'
import { createFakeClock } from '../clock.fake.ts'
import type { ProviderConfig } from '../config/provider.ts'
import { Refusal } from '../errors.ts'
import type { Caller } from '../principal.ts'
import { accessClaims, mint, providerConfig, type SignKey, signKey } from '../providers/stage.fake.ts'
import type { RefusalCode } from '../refusal-codes.ts'
import { Secret } from '../secret.ts'
import type { Presented } from './authenticator.ts'
import { type BearerProvider, createBearerAuthenticator } from './bearer-jwt.ts'
import type { BearerSubject } from './verified-tokens.ts'

export const ISSUER = 'https://issuer.example'

export function stageBearers(
  changes: Readonly<Record<string, unknown>> = {},
  {
    start,
    alg = 'ES256',
    more = [],
    config = providerConfig(ISSUER, changes),
  }: { start?: number; alg?: SignKey['alg']; more?: readonly BearerProvider[]; config?: ProviderConfig } = {},
) {
  const clock = createFakeClock(start)
  const key = signKey(alg, 'one')
  const found = { times: 0, fail: undefined as RefusalCode | undefined }
  const keys: BearerProvider['keys'] = {
    async find({ kid }) {
      found.times++
      if (found.fail !== undefined) throw new Refusal(found.fail)
      if (kid !== 'one') throw new Refusal('token_key_unknown')
      return key.publicKey
    },
  }
  const watching = new Map<(why: 'revoked' | 'blind') => void, BearerSubject>()
  const revocations = {
    blind: false,
    revoked: (_subject: BearerSubject): boolean => false,
    check: (subject: BearerSubject): boolean => revocations.revoked(subject),
    watch(subject: BearerSubject, end: (why: 'revoked' | 'blind') => void) {
      watching.set(end, subject)
      return () => void watching.delete(end)
    },
  }
  const observed: unknown[] = []
  const authenticator = createBearerAuthenticator({
    providers: [{ config, keys }, ...more],
    revocations,
    clock,
    oldestMs: 32 * 3_600_000,
    observe: (issuer, result, cached, seconds) => void observed.push([issuer, result, cached, Number.isFinite(seconds)]),
  })
  const token = (claims: object = {}, header: object = {}) => mint(key, accessClaims(ISSUER, clock, claims), { typ: 'at+jwt', ...header })
  const show = (authorization: string | undefined) => authenticator.authenticate(presented(authorization))
  const caller = async (text: string): Promise<Caller> => {
    const answer = await show(`Bearer ${text}`)
    assert.ok(answer.result === 'authenticated', answer.result === 'rejected' ? answer.refusal.message : answer.result)
    return answer.caller
  }
  const rejects = async (text: string, code: RefusalCode, what = '') => {
    const answer = await show(`Bearer ${text}`)
    assert.ok(answer.result === 'rejected', what)
    assert.equal(answer.refusal.code, code, what)
  }
  return { clock, key, found, revocations, watching, observed, token, show, caller, rejects, authenticator }
}

function presented(authorization: string | undefined): Presented {
  return {
    method: 'GET',
    writes: false,
    cookie: undefined,
    authorization: authorization === undefined ? undefined : new Secret(authorization),
    self: 'https://mandate.example',
    origin: undefined,
    fetchSite: undefined,
  }
}
