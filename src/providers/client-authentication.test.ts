import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { jwtVerify } from 'jose'
import { createFakeClock } from '../clock.fake.ts'
import type { ClientAuth } from '../config/provider.ts'
import { createClientAuthentication } from './client-authentication.ts'

const ISSUER = 'https://issuer.example'

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'mandate-client-'))
  t.after(() => rm(path, { recursive: true }))
  return path
}

/** One use, and what it put into the request. */
async function use(
  clientAuth: ClientAuth,
  clientId = 'web',
  clock = createFakeClock(),
): Promise<{ again(): Promise<{ body: URLSearchParams; headers: Headers }> }> {
  const authenticate = createClientAuthentication({ clientId, clientAuth, issuer: ISSUER }, clock)
  return {
    async again() {
      const [body, headers] = [new URLSearchParams(), new Headers()]
      await authenticate({ issuer: ISSUER }, { client_id: clientId }, body, headers)
      return { body, headers }
    },
  }
}

test('a secret, key or token file that is missing or empty is an error before anything is sent, and names no content', async (t) => {
  const path = join(await folder(t), 'nothing')
  await writeFile(`${path}-bad`, 'secret content')
  for (const clientAuth of [
    { method: 'secret', secret: { file: path } },
    { method: 'private-key-jwt', key: { file: path }, algorithm: 'RS256' },
    { method: 'private-key-jwt', key: { file: `${path}-bad` }, algorithm: 'RS256' },
    { method: 'federated-token-file', path },
    { method: 'federated-token-file', path: `${path}-bad` },
  ] as const) {
    const { again } = await use(clientAuth)
    await assert.rejects(
      async () => again(),
      (error) => error instanceof Error && !error.message.includes('secret content'),
    )
  }
})

test('a key that does not fit its algorithm is an error', async (t) => {
  const path = join(await folder(t), 'key.pem')
  await writeFile(path, generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }))
  const { again } = await use({ method: 'private-key-jwt', key: { file: path }, algorithm: 'RS256' })
  await assert.rejects(again(), { name: 'ClientAuthenticationFaulty' })
})

test('id and secret are form-urlencoded before they are joined (RFC 6749 2.3.1), and a rotated secret is used at once', async (t) => {
  const path = join(await folder(t), 'secret')
  await writeFile(path, 'a b:c/+%é\n')
  const { again } = await use({ method: 'secret', secret: { file: path } }, 'we:b')
  const sent = async () =>
    Buffer.from((await again()).headers.get('authorization')?.replace('Basic ', '') ?? '', 'base64').toString('latin1')
  const decoded = (text: string) => text.split(':').map((part) => new URLSearchParams(`x=${part}`).get('x'))
  assert.deepEqual(decoded(await sent()), ['we:b', 'a b:c/+%é'])
  await writeFile(path, 'another secret')
  assert.deepEqual(decoded(await sent()), ['we:b', 'another secret'])
})

test('an assertion is signed for the issuer, lives 60 s and is never used twice; a rotated key signs the next one', async (t) => {
  const path = join(await folder(t), 'key.pem')
  const clock = createFakeClock()
  const [first, second] = [generateKeyPairSync('ec', { namedCurve: 'P-256' }), generateKeyPairSync('ec', { namedCurve: 'P-256' })]
  await writeFile(path, first.privateKey.export({ format: 'pem', type: 'pkcs8' }))
  const { again } = await use({ method: 'private-key-jwt', key: { file: path }, keyId: 'one', algorithm: 'ES256' }, 'web', clock)
  const assertion = async (key: typeof first) => {
    const { body } = await again()
    assert.equal(body.get('client_assertion_type'), 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer')
    assert.equal(body.get('client_id'), 'web')
    return jwtVerify(body.get('client_assertion') ?? '', key.publicKey, {
      audience: ISSUER,
      issuer: 'web',
      subject: 'web',
      currentDate: new Date(clock.now()),
    })
  }
  const { payload, protectedHeader } = await assertion(first)
  assert.equal(protectedHeader.kid, 'one')
  assert.equal((payload.exp ?? 0) - (payload.iat ?? 0), 60)
  assert.notEqual((await assertion(first)).payload.jti, payload.jti)
  await writeFile(path, `${second.privateKey.export({ format: 'pem', type: 'pkcs8' })}\n`)
  await assertion(second)
})

test('a federated token file is read again at each use', async (t) => {
  const path = join(await folder(t), 'token')
  await writeFile(path, 'aaa.bbb.ccc\n')
  const { again } = await use({ method: 'federated-token-file', path })
  assert.equal((await again()).body.get('client_assertion'), 'aaa.bbb.ccc')
  await writeFile(path, 'ddd.eee.fff\n')
  assert.equal((await again()).body.get('client_assertion'), 'ddd.eee.fff')
})

test('a public client sends its id and nothing else', async () => {
  const { body, headers } = await (await use({ method: 'none' })).again()
  assert.equal(body.toString(), 'client_id=web')
  assert.deepEqual([...headers], [])
})
