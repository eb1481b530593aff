/**
 * What the tests of providers play on: a configuration, a log that is read, an issuer of a few lines whose every answer a
 * test may replace, and keys that sign.
 */
import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync, type KeyObject, randomUUID, sign } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { isIPv6 } from 'node:net'
import { text } from 'node:stream/consumers'
import type { TestContext } from 'node:test'
import type { Clock } from '../clock.ts'
import type { ProviderConfig } from '../config/provider.ts'
import { completeProvider, provider } from '../config/providers.ts'
import { Refusal } from '../errors.ts'
import { createLog, type Log } from '../log.ts'
import type { RefusalCode } from '../refusal-codes.ts'

/** A whole configuration of one provider. */
export function providerConfig(issuer: string, changes: Readonly<Record<string, unknown>> = {}): ProviderConfig {
  const parsed = provider.parse({
    kind: 'oidc',
    issuer,
    clientId: 'web',
    clientAuth: { method: 'none' },
    audience: 'https://mandate.test/api',
    ...changes,
  })
  return { ...completeProvider('test', parsed, []), audience: parsed.audience ?? 'web' }
}

export interface ReadableLog extends Log {
  readonly lines: readonly string[]
}

export function readableLog(): ReadableLog {
  const lines: string[] = []
  return { lines, ...createLog((line) => lines.push(line)) }
}

/** Fails unless the promise is rejected with a Refusal of that code. */
export async function assertRefused(promise: Promise<unknown>, code: RefusalCode, what = ''): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof Refusal, `${what}: ${String(error)}`)
    assert.equal(error.code, code, what)
    return true
  })
}

export interface SignKey {
  readonly kid: string
  readonly alg: 'RS256' | 'ES256' | 'EdDSA'
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
  readonly jwk: Readonly<Record<string, unknown>>
}

export function signKey(alg: SignKey['alg'] = 'ES256', kid: string = randomUUID()): SignKey {
  const { privateKey, publicKey } =
    alg === 'RS256'
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : alg === 'ES256'
        ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
        : generateKeyPairSync('ed25519')
  return { kid, alg, privateKey, publicKey, jwk: { ...publicKey.export({ format: 'jwk' }), kid, alg, use: 'sig' } }
}

/** A compact JWS over whatever header and claims a test wants; members that are undefined are left out. */
export function mint(key: SignKey, claims: object, header: object = {}): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const input = `${part({ alg: key.alg, kid: key.kid, ...header })}.${part(claims)}`
  const signature = sign(key.alg === 'EdDSA' ? null : 'sha256', Buffer.from(input), { key: key.privateKey, dsaEncoding: 'ieee-p1363' })
  return `${input}.${signature.toString('base64url')}`
}

/** Good claims of an access token now. */
export function accessClaims(issuer: string, clock: Clock, changes: object = {}): Record<string, unknown> {
  const now = Math.floor(clock.now() / 1000)
  return {
    iss: issuer,
    sub: 'user-ada',
    aud: 'https://mandate.test/api',
    iat: now,
    exp: now + 300,
    client_id: 'web',
    jti: randomUUID(),
    ...changes,
  }
}

export function leftHalf(token: string): string {
  return createHash('sha256').update(token).digest().subarray(0, 16).toString('base64url')
}

export interface Asked {
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly form: URLSearchParams
}

export interface SmallIssuer {
  readonly url: string
  /** Every request so far, in order. */
  readonly asked: readonly Asked[]
  count(path: string): number
  /** Replaces the answer of a path: an object is sent as JSON, a function writes what it wants. */
  answer(path: string, content: object | ((response: ServerResponse, asked: Asked) => void)): void
}

const METADATA = '/.well-known/openid-configuration'

/** Publishes metadata and `keys`; everything else is 404 until a test says otherwise. Ends with the test. */
export async function smallIssuer(t: TestContext, keys: readonly SignKey[] = []): Promise<SmallIssuer> {
  const answers = new Map<string, object | ((response: ServerResponse, asked: Asked) => void)>()
  const asked: Asked[] = []
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = (request.url ?? '/').split('?')[0] ?? '/'
    const now: Asked = { path, headers: request.headers, form: new URLSearchParams(await text(request)) }
    asked.push(now)
    const answer = answers.get(path)
    if (typeof answer === 'function') return answer(response, now)
    response.writeHead(answer === undefined ? 404 : 200, { 'content-type': 'application/json' }).end(JSON.stringify(answer ?? {}))
  }
  const server = createServer((request, response) => void serve(request, response).catch(() => response.destroy()))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null && !isIPv6(address.address))
  const url = `http://127.0.0.1:${address.port}`
  answers.set(METADATA, {
    issuer: url,
    authorization_endpoint: `${url}/auth`,
    token_endpoint: `${url}/token`,
    jwks_uri: `${url}/jwks`,
    id_token_signing_alg_values_supported: ['RS256', 'ES256', 'EdDSA'],
  })
  answers.set('/jwks', { keys: keys.map(({ jwk }) => jwk) })
  return {
    url,
    asked,
    count: (path) => asked.filter((one) => one.path === path).length,
    answer: (path, content) => void answers.set(path, content),
  }
}

/** The answers an issuer gives on a bad day, by name. */
export const BAD_DAYS: Readonly<Record<string, (response: ServerResponse) => void>> = {
  'status 500': (response) => response.writeHead(500).end('{"keys":[]}'),
  'status 429': (response) => response.writeHead(429, { 'retry-after': '1' }).end(),
  'an HTML page': (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>secret-content</h1>'),
  'half a body': (response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': 5_000 })
    response.write('{"issuer":"secret-content', () => response.destroy())
  },
  'a huge body': (response) => response.writeHead(200, { 'content-type': 'application/json' }).end(`{"filler":"${'x'.repeat(2_000_000)}"}`),
  'a redirect': (response) => response.writeHead(302, { location: 'http://127.0.0.1:1/secret-content' }).end(),
  'a reset': (response) => response.destroy(),
  'nothing, for ever': () => {},
  'an array': (response) => response.writeHead(200, { 'content-type': 'application/json' }).end('[1]'),
  'an empty object': (response) => response.writeHead(200, { 'content-type': 'application/json' }).end('{}'),
  'status 204': (response) => response.writeHead(204).end(),
  'status 999': (response) => response.writeHead(999).end('{}'),
  'a body in gzip': (response) =>
    response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' }).end(Buffer.from([0x1f, 0x8b, 8, 0])),
}
