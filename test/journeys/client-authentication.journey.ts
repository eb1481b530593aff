/** How Mandate proves itself to a live issuer: by a secret, by an assertion of its own, by one that the platform keeps in a file. */
import assert from 'node:assert/strict'
import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, type TestContext, test } from 'node:test'
import { SignJWT } from 'jose'
import { setStage } from './stage.ts'
import { CLIENT, clientsOf, type StartWorld } from './world.ts'

const KEYS = generateKeyPairSync('rsa', { modulusLength: 2048 })
const OTHERS = generateKeyPairSync('rsa', { modulusLength: 2048 })
const JWKS = { keys: [{ ...KEYS.publicKey.export({ format: 'jwk' }), kid: 'k1', alg: 'RS256', use: 'sig' }] }

async function stageWithKey(t: TestContext, start: StartWorld, clientAuth: Record<string, unknown>) {
  return setStage(t, start, {
    // The world's own clients are made for its origin, which is known only now: only how this one proves itself differs.
    issuer: (origin) => ({
      clients: clientsOf(origin).map((client) => {
        if (client.id !== CLIENT || !('secret' in client)) return client
        const { secret: _, ...rest } = client
        return { ...rest, jwks: JWKS }
      }),
    }),
    configure: (config) => {
      config.providers['corp'] = { ...config.providers['corp'], clientAuth }
    },
  })
}

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'mandate-client-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** Runs the journey on a world. */
export function clientAuthentication(name: string, start: StartWorld): void {
  suite(`client authentication, ${name}`, () => {
    test('an assertion signed with another key signs nobody in', async (t) => {
      const key = join(await folderOf(t), 'key.pem')
      await writeFile(key, OTHERS.privateKey.export({ type: 'pkcs8', format: 'pem' }))
      const stage = await stageWithKey(t, start, { method: 'private-key-jwt', key: { file: key }, keyId: 'k1' })
      const alice = await stage.browser('alice')
      assert.equal((await alice.get(`${stage.origin}/whoami`)).status, 401)
      assert.equal(stage.audit('login').length, 0)
    })

    test('private_key_jwt signs in', async (t) => {
      const key = join(await folderOf(t), 'key.pem')
      await writeFile(key, KEYS.privateKey.export({ type: 'pkcs8', format: 'pem' }))
      const stage = await stageWithKey(t, start, { method: 'private-key-jwt', key: { file: key }, keyId: 'k1' })
      const alice = await stage.browser('alice')
      assert.equal((await alice.get(`${stage.origin}/whoami`)).status, 200)
    })

    test("a federated token file signs in, and is read again at each use: yesterday's assertion is not sent", async (t) => {
      const path = join(await folderOf(t), 'federated-token')
      const stage = await stageWithKey(t, start, { method: 'federated-token-file', path })
      const assertion = () =>
        new SignJWT()
          .setProtectedHeader({ alg: 'RS256', kid: 'k1' })
          .setIssuer(CLIENT)
          .setSubject(CLIENT)
          .setAudience(stage.world.issuer.issuer)
          .setJti(randomUUID())
          .setIssuedAt()
          .setExpirationTime('2m')
          .sign(KEYS.privateKey)
      for (const user of ['alice', 'bob']) {
        // The issuer takes each assertion once, so the second sign-in proves that the file was read again.
        await writeFile(path, await assertion())
        const browser = await stage.browser(user)
        assert.equal((await browser.get(`${stage.origin}/whoami`)).status, 200, user)
      }
      const late = await stage.browser('alice')
      assert.equal((await late.get(`${stage.origin}/whoami`)).status, 401)
    })
  })
}
