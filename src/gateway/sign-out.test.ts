import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { memorySink } from '../audit/audit-sink.fake.ts'
import { createFakeClock } from '../clock.fake.ts'
import { Refusal } from '../errors.ts'
import type { Login } from '../logins/logins.ts'
import { loginCaller } from '../principal.fake.ts'
import { Secret } from '../secret.ts'
import { createCookies } from './cookies.ts'
import { createSignOut, formToken, type SignOutParts } from './sign-out.ts'
import type { Visit } from './visit.ts'

const ORIGIN = 'https://mandate.example'
const COOKIE = new Secret('cookie-of-alice')

function formPosted(fields: Readonly<Record<string, string>>): Visit {
  const request = new PassThrough()
  Object.assign(request, { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' } })
  request.end(new URLSearchParams(fields).toString())
  const values = new Map([
    ['cookie', `__Host-mandate=${COOKIE.expose()}`],
    ['origin', ORIGIN],
  ])
  const visit: Pick<Visit, 'requestId' | 'address'> = { requestId: 'request-1', address: '192.0.2.1' }
  const response = { setHeader: () => undefined } as unknown as ServerResponse
  return { ...visit, request: request as unknown as IncomingMessage, response, head: { values }, target: {} } as unknown as Visit
}

test('a back-channel logout of a provider that is none, or a name that every object has, is refused', async () => {
  const parts = { origin: ORIGIN, providers: {} } as unknown as SignOutParts
  for (const name of ['nobody', 'constructor', '__proto__', 'toString']) {
    await assert.rejects(
      createSignOut(parts).backChannel(formPosted({ logout_token: 'x' }), name),
      (error) => error instanceof Refusal && error.code === 'provider_unknown',
      name,
    )
  }
})

test('a logout whose record cannot be written has ended the login, here and at its issuer', async () => {
  const ended: string[] = []
  const revoked: string[] = []
  const audit = memorySink()
  audit.failing = 'all'
  const { principal } = loginCaller()
  const login: Login = {
    loginId: COOKIE.digest(),
    principal,
    shown: {},
    sid: undefined,
    signedInAt: 0,
    endsAt: Number.MAX_SAFE_INTEGER,
    ended: new AbortController().signal,
  }
  const parts = {
    origin: ORIGIN,
    providers: { corp: { signOut: { revoke: async (token: Secret) => void revoked.push(token.expose()) } } },
    cookies: createCookies(ORIGIN, 3_600_000),
    logins: { find: async () => login, end: async (id: string) => void ended.push(id) },
    records: { tokens: async () => ({ version: 1, value: { refreshToken: new Secret('refresh-1') } }) },
    audit,
    clock: createFakeClock(),
  } as unknown as SignOutParts
  await assert.rejects(
    createSignOut(parts).logout(formPosted({ token: formToken(COOKIE) })),
    (error) => error instanceof Refusal && error.code === 'audit_unavailable',
  )
  assert.deepEqual([ended, revoked], [[COOKIE.digest()], ['refresh-1']])
})
