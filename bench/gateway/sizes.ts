/** What a login takes in Redis: its record, and its tokens against their raw size. */

import { createClient } from 'redis'
import { systemClock } from '../../src/clock.ts'
import { createLog } from '../../src/log.ts'
import { newRecord } from '../../src/logins/login.ts'
import { createLoginRecords } from '../../src/logins/records.ts'
import { Secret } from '../../src/secret.ts'
import { randomKey } from '../../src/store/key.ts'
import { connectRedis } from '../../src/store/redis.ts'
import { createKeyRing, sealedStore } from '../../src/store/sealed.ts'
import { startRedis } from '../../test/real/parts/redis.ts'

export interface SizesResult {
  /** Bytes of the record with key and overhead, by MEMORY USAGE. */
  readonly recordBytes: number
  /** The sealed tokens against the tokens as they came. */
  readonly tokensRatio: number
}

const SUBJECT = 'f:0d7c1d3e-5b2a-4a1f-9d5e-3f0f6a1b2c3d:alice'

/** A login as Keycloak and Entra make them: subject and groups as UUIDs, tokens of 1.2 to 1.6 kB. */
export async function measureSizes(): Promise<SizesResult> {
  const redis = await startRedis()
  const store = await connectRedis({ url: redis.url, clock: systemClock, log: createLog(() => undefined, 'silent') })
  const client = createClient({ url: redis.url })
  await client.connect()
  try {
    const records = createLoginRecords({
      store,
      sealed: sealedStore(store, createKeyRing([{ id: 'k1', key: randomKey() }])),
      idleMs: 1_800_000,
      now: Date.now,
      log: createLog(() => undefined, 'silent'),
    })
    const now = Date.now()
    const groups = ['platform', 'team-a', 'on-call', 'developers', 'readers']
    const tokens = {
      accessToken: new Secret('a'.repeat(1_600)),
      accessExpiresAt: now + 300_000,
      idToken: new Secret('i'.repeat(1_200)),
      idExpiresAt: now + 300_000,
      refreshToken: new Secret('r'.repeat(800)),
      obtainedAt: now,
    }
    const principal = {
      kind: 'person',
      provider: 'corp',
      issuer: 'https://login.corp.example/realms/corp',
      subject: SUBJECT,
      groups,
      name: 'Alice Liddell',
      email: 'alice.liddell@corp.example',
      kubernetesUser: SUBJECT,
    } as const
    const shown = { sub: SUBJECT, name: 'Alice Liddell', preferred_username: 'alice', email: 'alice.liddell@corp.example', groups }
    const loginId = new Secret('bench').digest()
    await records.create(
      loginId,
      newRecord({ principal, shown, sid: '7b3c2f7e-6d0e-4a55-8f0a-1c2d3e4f5a6b', tokens }, now, 8 * 3_600_000),
      tokens,
    )
    const recordKey = `mandate:e:login:${loginId}`
    const tokensKey = `mandate:e:tokens:${loginId}`
    const raw = tokens.accessToken.length + tokens.idToken.length + tokens.refreshToken.length
    return { recordBytes: (await client.memoryUsage(recordKey)) ?? Number.NaN, tokensRatio: (await client.strLen(tokensKey)) / raw }
  } finally {
    client.destroy()
    await store.close()
    await redis.stop()
  }
}
