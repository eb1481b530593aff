/** Promise 1 where a process dies: a gateway is killed in the middle of a refresh, and the other one goes on. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../../src/dev/free-port.ts'
import { type Issuer, startIssuer } from '../../src/dev/issuer/issuer.ts'
import { randomKey } from '../../src/store/key.ts'
import { createBrowser } from '../fakes/browser.ts'
import { type FaultyIssuer, startFaultyIssuer } from '../fakes/faulty-issuer.ts'
import { startRawUpstream } from '../fakes/raw-http.ts'
import { codeOf, cookieOf } from '../journeys/asks.ts'
import { ALICE, AUDIENCE } from '../journeys/world.ts'
import { eventually } from './eventually.ts'
import { type Redis, startRedis } from './parts/redis.ts'

const MAIN = join(import.meta.dirname, '../../src/main.ts')
/** Of tokens, in seconds; and how long a waiter waits for a presenter. */
const LIFE = 8
const LEASE_MS = 15_000

let redis: Redis
before(async () => {
  redis = await startRedis()
})
after(() => redis.stop())

interface TwoGateways {
  readonly issuer: Issuer
  readonly faulty: FaultyIssuer
  ask(at: 0 | 1): Promise<{ readonly status: number; readonly body: string; readonly setCookie: string | null }>
  /** Asks until the refresh token has left a gateway; every answer is good until then. */
  untilPresented(at: 0 | 1): Promise<void>
  kill(at: 0 | 1): Promise<void>
}

/** Two processes before one Redis, one issuer that rotates and kills reused families, and somebody signed in. */
async function startTwo(t: TestContext): Promise<TwoGateways> {
  const folder = await mkdtemp(join(tmpdir(), 'mandate-killed-'))
  const ports = [await freePort(0), await freePort(0)] as const
  const origin = `http://localhost:${ports[0]}`
  const [faulty, target] = await Promise.all([startFaultyIssuer(), startRawUpstream()])
  const issuer = await startIssuer({
    users: [ALICE],
    clients: [{ id: 'mandate', public: true, redirectUris: [`${origin}/callback/corp`] }],
    audience: AUDIENCE,
    issuerUrl: faulty.url,
    lifetimes: { accessToken: LIFE, idToken: LIFE },
  })
  faulty.setTarget(issuer.listening)
  await writeFile(join(folder, 'key'), randomKey().expose(), { mode: 0o600 })
  await writeFile(join(folder, 'url'), redis.url, { mode: 0o600 })
  const gateways: ChildProcess[] = []
  t.after(async () => {
    for (const gateway of gateways) await end(gateway, 'SIGKILL')
    await Promise.all([faulty.close(), target.close(), issuer.close()])
    await rm(folder, { recursive: true, force: true })
  })
  for (const port of ports) {
    const config = {
      publicUrl: origin,
      listen: { http: { port }, operations: { port: 0 } },
      store: { redis: { url: { file: join(folder, 'url') }, keys: [{ id: 'test', key: { file: join(folder, 'key') } }] } },
      providers: { corp: { kind: 'oidc', issuer: issuer.issuer, clientId: 'mandate', clientAuth: { method: 'none' }, audience: AUDIENCE } },
      clusters: { prod: { server: target.origin, allow: { callers: ['person'] }, as: { kind: 'forward-token' } } },
      audit: { file: join(folder, `audit-${port}`) },
    }
    const path = join(folder, `${port}.json`)
    await writeFile(path, JSON.stringify(config))
    gateways.push(spawn(process.execPath, [MAIN, 'gateway', '--config', path], { stdio: 'ignore' }))
  }
  const at = (index: 0 | 1) => `http://localhost:${ports[index]}`
  for (const index of [0, 1] as const)
    await eventually('the gateway serves', async () => (await fetch(`${at(index)}/whoami`)).status === 401)
  const browser = createBrowser()
  await browser.signIn(`${origin}/login?return_to=/whoami`, 'alice')
  const cookie = cookieOf(browser, { origin })

  const ask = async (index: 0 | 1) => {
    const answer = await fetch(`${at(index)}/clusters/prod/api/v1/pods`, { headers: { cookie } })
    return { status: answer.status, body: await answer.text(), setCookie: answer.headers.get('set-cookie') }
  }
  return {
    issuer,
    faulty,
    ask,
    async untilPresented(index) {
      for (const before = faulty.requests().token; faulty.requests().token === before; await sleep(50)) {
        const { status, body } = await ask(index)
        assert.equal(status, 200, body)
      }
    },
    async kill(index) {
      const gateway = gateways[index]
      if (gateway !== undefined) await end(gateway, 'SIGKILL')
    },
  }
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill(signal)
  await gone
}

suite('promise 1: a gateway is killed', () => {
  test('while the issuer thinks: presented once, the present token serves to its end, then 401', async (t) => {
    const { faulty, ask, untilPresented, kill } = await startTwo(t)
    // It was sent and no answer ever comes: whether the issuer acted on it nobody can know.
    faulty.inject('token', { kind: 'hang', times: 1 })
    await untilPresented(0)
    await kill(0)
    let answer = await ask(1)
    assert.equal(answer.status, 200, answer.body)
    const began = performance.now()
    while (answer.status === 200) answer = await ask(1)
    assert.ok(performance.now() - began < 3 * (LEASE_MS + LIFE * 1_000))
    for (let times = 0; times < 5; times++) {
      assert.deepEqual([answer.status, codeOf(answer), answer.setCookie], [401, 'refresh_outcome_unknown', null])
      answer = await ask(1)
    }
    assert.equal(faulty.requests().token, 2, 'the code, and one refresh')
  })

  test('as one who waits: one redeem, and nobody is logged out', async (t) => {
    const { issuer, faulty, ask, untilPresented, kill } = await startTwo(t)
    faulty.inject('token', { kind: 'slow', ms: 6_000, times: 1 })
    await untilPresented(1)
    // By then the present token has ended, so whoever asks waits for the presenter.
    await sleep(LIFE * 300)
    const waiting = ask(0).then(
      ({ status }) => `answered ${status}`,
      () => 'cut off',
    )
    await sleep(300)
    await kill(0)
    assert.equal(await waiting, 'cut off')
    for (const until = performance.now() + LIFE * 1_000; performance.now() < until; await sleep(100)) {
      const { status, body } = await ask(1)
      assert.equal(status, 200, body)
    }
    assert.ok(issuer.redemptions().length >= 1)
    assert.deepEqual(
      issuer.redemptions().filter(({ reused }) => reused),
      [],
    )
  })
})
