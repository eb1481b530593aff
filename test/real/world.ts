/**
 * The World of the journeys on real parts: kube-apiserver with etcd and structured authentication, a service account's
 * own token for impersonation, Redis, and an issuer over https. Only one thing stands in: the issuer, because it must
 * be told to misbehave; a real Keycloak has a suite of its own.
 */
import { randomBytes } from 'node:crypto'
import { after } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { systemClock } from '../../src/clock.ts'
import { type Issuer, startIssuer } from '../../src/dev/issuer/issuer.ts'
import { createLog } from '../../src/log.ts'
import { randomKey } from '../../src/store/key.ts'
import { connectRedis, type RedisStore } from '../../src/store/redis.ts'
import { createKeyRing } from '../../src/store/sealed.ts'
import { type Acted, ALICE, AUDIENCE, BOB, type Cluster, clientsOf, type World, type WorldOptions } from '../journeys/world.ts'
import { type Ground, type Parts, takeGround } from './ground.ts'
import type { AuditEntry } from './parts/audit-log.ts'

const free: Ground[] = []
const taken: Ground[] = []
after(() => Promise.all(taken.map((ground) => ground.stop())))

/** A world that shows what it is made of. */
export interface RealWorld extends World {
  readonly parts: Parts
}

/** A world of real parts. Worlds that are alive at once share nothing; the parts of a closed one serve the next. */
export async function realParts({ origin, issuer: more }: WorldOptions): Promise<RealWorld> {
  const ground = free.pop() ?? (await takeGround())
  if (!taken.includes(ground)) taken.push(ground)
  const { place } = ground
  const issuer = await startIssuer({
    users: [ALICE, BOB],
    clients: clientsOf(origin),
    audience: AUDIENCE,
    ...more,
    issuerUrl: place.url,
    tls: place.tls,
  })
  place.leadTo(Number(new URL(issuer.listening).port))
  const parts = await ground.parts()
  const cluster = await clusterOf(parts, issuer)
  const ring = createKeyRing([{ id: 'test', key: randomKey() }])
  const prefix = `world-${randomBytes(6).toString('hex')}:`
  const stores: RedisStore[] = []
  return {
    parts,
    issuer,
    issuerCa: place.caPem,
    cluster,
    async state() {
      const store = await connectRedis({ url: parts.redis.url, prefix, clock: systemClock, log: createLog(() => undefined) })
      stores.push(store)
      return { store, ring }
    },
    storeDown: () => parts.redis.stop(),
    storeUp: () => parts.redis.start(),
    async close() {
      await Promise.all(stores.map((store) => store.close()))
      await issuer.close()
      place.leadTo(undefined)
      await Promise.all([parts.redis.start(), parts.kubernetes.startApiServer()])
      if (wrote(await cluster.acted())) await parts.restore()
      free.push(ground)
    },
  }
}

async function clusterOf({ kubernetes, brokerToken }: Parts, issuer: Issuer): Promise<Cluster> {
  const inForce = () => untilTrusted(kubernetes.ask, issuer)
  await inForce()
  const before = (await kubernetes.auditLog()).length
  return {
    url: kubernetes.url,
    ca: kubernetes.caPem,
    brokerToken,
    acted: async () => actedOf((await kubernetes.auditLog()).slice(before)),
    down: () => kubernetes.stopApiServer(),
    async up() {
      await kubernetes.startApiServer()
      await inForce()
    },
  }
}

const PROOF = '/version?proof=of-trust'

/** The API server looks its issuer up on its own time; until then it takes none of its tokens. */
async function untilTrusted(ask: Parts['kubernetes']['ask'], issuer: Issuer): Promise<void> {
  for (const deadline = Date.now() + 30_000; ; await sleep(50)) {
    const { status } = await ask(PROOF, { token: issuer.mintAccessToken({ client: 'robot' }) })
    if (status === 200) return
    if (Date.now() > deadline) throw new Error(`the API server does not take the issuer's tokens after 30 s: ${status}`)
  }
}

/** What Mandate and its callers did; the test's own questions as administrator and the proof of trust are left out. */
function actedOf(entries: readonly AuditEntry[]): Acted[] {
  const byId = new Map<string, AuditEntry>()
  // A stream is there at its start and at its end: the place of the first, the contents of the last.
  for (const entry of entries) byId.set(entry.auditID, entry)
  const relevant = [...byId.values()].filter(({ user, requestURI }) => user.username !== 'admin' && requestURI !== PROOF)
  return relevant.map(({ user, impersonatedUser, verb, requestURI, auditID, responseStatus }) => ({
    user: user.username,
    impersonated: impersonatedUser,
    verb,
    uri: requestURI,
    auditId: auditID,
    code: responseStatus?.code,
  }))
}

const READS = ['get', 'list', 'watch']

function wrote(acted: readonly Acted[]): boolean {
  return acted.some(({ verb, code = 0 }) => !READS.includes(verb) && code < 300)
}
