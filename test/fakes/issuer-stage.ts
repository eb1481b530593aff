/** The embedded issuer with two people, four clients, a relying party and a browser: what the issuer's own tests play on. */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import type { TestContext } from 'node:test'
import { createLocalJWKSet, type JSONWebKeySet } from 'jose'
import { type Issuer, startIssuer } from '../../src/dev/issuer/issuer.ts'
import type { IssuerOptions, TestUser } from '../../src/dev/issuer/options.ts'
import { type Browser, createBrowser } from './browser.ts'
import { authorizationUrl, callTokenEndpoint, type RelyingParty, startRelyingParty, type TokenAnswer } from './relying-party.ts'

export const ADA: TestUser = {
  name: 'ada',
  sub: 'user-ada',
  email: 'ada@example.test',
  emailVerified: true,
  groups: ['platform', 'admins'],
}
export const BOB: TestUser = {
  name: 'bob',
  sub: 'user-bob',
  email: 'bob@example.test',
  emailVerified: false,
  groups: [],
}
export const AUDIENCE = 'https://mandate.test/api'
export const WEB = { clientId: 'web', secret: 'a secret with / + and : in it' }
export const BATCH = { clientId: 'batch', secret: 'the-secret-of-the-batch-job' }
/** Signs for the client `signed`. */
export const SIGNER = generateKeyPairSync('ec', { namedCurve: 'P-256' })

export interface IssuerStage {
  readonly issuer: Issuer
  readonly party: RelyingParty
  readonly browser: Browser
}

/** Ends with the test, and fails it when the issuer had a fault of its own. */
export async function stageIssuer(t: TestContext, options: Partial<IssuerOptions> = {}): Promise<IssuerStage> {
  const party = await startRelyingParty()
  const faults: Error[] = []
  const { redirectUri, postLogoutRedirectUri, backchannelLogoutUri } = party
  const urls = { redirectUris: [redirectUri], postLogoutRedirectUris: [postLogoutRedirectUri] }
  const issuer = await startIssuer({
    users: [ADA, BOB],
    clients: [
      { id: WEB.clientId, secret: WEB.secret, ...urls, backchannelLogoutUri },
      { id: BATCH.clientId, secret: BATCH.secret, machine: true },
      { id: 'signed', jwks: { keys: [{ ...SIGNER.publicKey.export({ format: 'jwk' }), kid: 'one' }] }, machine: true },
      { id: 'cli', public: true, redirectUris: ['http://127.0.0.1/callback'] },
    ],
    audience: [AUDIENCE, 'https://other.test'],
    resourceScopes: ['read', 'write'],
    onFault: (error) => faults.push(error),
    ...options,
  })
  t.after(async () => {
    party.close()
    await issuer.close()
    assert.deepEqual(faults, [])
  })
  return { issuer, party, browser: createBrowser() }
}

/** The whole code flow of the client `web`; fails the test unless a code comes back. */
export async function signIn(stage: IssuerStage, user: TestUser, more: Record<string, string> = {}): Promise<TokenAnswer> {
  const { issuer, party, browser } = stage
  const { url, verifier } = authorizationUrl(issuer.issuer, WEB.clientId, party.redirectUri, more)
  const end = await browser.signIn(url, user.name)
  const answer = new URL(end.url).searchParams
  assert.equal(answer.get('error'), null, end.url)
  assert.equal(answer.get('state'), 'a-state')
  assert.equal(answer.get('iss'), issuer.issuer)
  return redeem(stage, answer.get('code') ?? '', verifier)
}

export function redeem({ issuer, browser, party }: IssuerStage, code: string, verifier: string): Promise<TokenAnswer> {
  const form = { grant_type: 'authorization_code', code, code_verifier: verifier, redirect_uri: party.redirectUri }
  return callTokenEndpoint(browser, issuer.issuer, form, WEB)
}

export function refresh({ issuer, browser }: IssuerStage, token: string | undefined): Promise<TokenAnswer> {
  return callTokenEndpoint(browser, issuer.issuer, { grant_type: 'refresh_token', refresh_token: token ?? '' }, WEB)
}

/** The keys that the issuer publishes now. */
export async function keysOf({ issuer, browser }: IssuerStage) {
  const keys: JSONWebKeySet = JSON.parse((await browser.get(`${issuer.listening}/jwks`)).body)
  return createLocalJWKSet(keys)
}
