/** Limits of routes at several replicas, and what is told of everything a machine asks: in answers, audit log and metrics. */
import assert from 'node:assert/strict'
import { suite, type TestContext, test } from 'node:test'
import { eventually, readAnswer } from '../fakes/raw-http.ts'
import { askRaw, bearerOf, codeOf } from './asks.ts'
import { stageWithService } from './route-stage.ts'
import type { StartWorld } from './world.ts'

const READ = 'https://api.lab.example/read'
const CALLERS = ['person', 'machine']

/** Two replicas: five an hour for each caller at `few.localhost`, ten an hour for all at `all.localhost`, one scope at `scoped.localhost`. */
async function limitedStage(t: TestContext, start: StartWorld) {
  const { stage, service, host, at } = await stageWithService(t, start, undefined, {
    replicas: 2,
    configure(config) {
      const [{ upstream } = {}] = config['routes'] as { upstream?: string }[]
      const route = (name: string, allow: object, limit?: object) => ({
        name,
        match: { host: `${name}.localhost`, path: '/**' },
        allow,
        upstream,
        ...(limit === undefined ? {} : { limit }),
      })
      config['routes'] = [
        route('few', { callers: CALLERS }, { perPrincipal: '5/hour' }),
        route('all', { callers: CALLERS }, { total: '10/hour' }),
        route('scoped', { callers: ['machine'], scopes: [READ] }, { perPrincipal: '5/hour' }),
        route('people', { callers: ['person'] }),
      ]
    },
  })
  const robot = (claims: Readonly<Record<string, unknown>> = {}) =>
    `Bearer ${stage.world.issuer.mintAccessToken({ client: 'robot' }, { claims: { scope: `${READ} other`, ...claims } })}`
  const ask = (name: string, authorization: string, replica = 0) =>
    askRaw({ origin: stage.origins[replica] ?? '' }, '/db/x', [`Host: ${host(`${name}.localhost`)}`, `Authorization: ${authorization}`])
  return { stage, service, at, robot, ask }
}

/** Runs the journey on a world. */
export function limits(name: string, start: StartWorld): void {
  suite(`limits, ${name}`, () => {
    test('a caller is refused beyond the limit at every replica, told for how long, and nobody else with them', async (t) => {
      const { stage, service, robot, ask } = await limitedStage(t, start)
      const answers: Awaited<ReturnType<typeof ask>>[] = []
      // Each time with another token: it is the caller who is counted.
      const askOnce = async () => {
        const answer = await ask('few', robot(), answers.length % 2)
        answers.push(answer)
        return Number(/\r\nretry-after: (\d+)\r\n/i.exec(answer.head)?.[1] ?? 0)
      }
      for (let nth = 0; nth < 16; nth += 1) await askOnce()
      // What one replica holds and does not use comes free within a second; until then that is what is told.
      const seconds = await eventually(askOnce, (told) => told > 1)
      assert.ok(seconds > 3_500 && seconds <= 3_600, String(seconds))
      const through = answers.filter(({ status }) => status === 200).length
      assert.ok(through >= 5 && through <= 7, `${through}`)
      assert.equal(service.heads().length, through)
      const last = answers.at(-1) ?? readAnswer('')
      assert.deepEqual([last.status, codeOf(last)], [429, 'too_many_requests'])
      assert.match(last.body, /"detail":"at most 5 an hour of one caller"/)
      assert.equal((await ask('few', bearerOf(stage, 'bob'))).status, 200)

      const expositions = (await stage.metrics(0)) + (await stage.metrics(1))
      const sum = (pattern: RegExp) => [...expositions.matchAll(pattern)].reduce((total, [, value]) => total + Number(value), 0)
      assert.equal(sum(/mandate_limited_total\{route="route\/few"\} (\d+)/g), answers.length - through)
      assert.equal(
        sum(/mandate_attempts_total\{provider="corp",kind="machine",result="too_many_requests"\} (\d+)/g),
        answers.length - through,
      )
      assert.equal(sum(/mandate_attempts_total\{provider="corp",kind="machine",result="ok"\} (\d+)/g), through)
      assert.equal(sum(/mandate_attempts_total\{provider="corp",kind="person",result="ok"\} (\d+)/g), 1)
    })

    test('all callers together are refused beyond the limit of all', async (t) => {
      const { stage, service, robot, ask } = await limitedStage(t, start)
      const who = [robot(), bearerOf(stage, 'alice'), bearerOf(stage, 'bob')]
      const statuses: number[] = []
      for (let nth = 0; nth < 15; nth += 1) statuses.push((await ask('all', who[nth % 3] ?? '')).status)
      assert.deepEqual(statuses, [...Array<number>(10).fill(200), ...Array<number>(5).fill(429)])
      assert.equal(service.heads().length, 10)
    })

    test('what the rules refuse counts for nothing, and neither does the way of a browser to a host', async (t) => {
      const { stage, at, robot, ask } = await limitedStage(t, start)
      for (let nth = 0; nth < 12; nth += 1) assert.equal((await ask('scoped', robot({ scope: 'other' }))).status, 403)
      const through: number[] = []
      for (let nth = 0; nth < 6; nth += 1) through.push((await ask('scoped', robot())).status)
      assert.deepEqual(through, [200, 200, 200, 200, 200, 429])

      const alice = await stage.browser()
      const pages = [(await alice.signIn(`${at('few.localhost')}/page`, 'alice')).status]
      for (let nth = 0; nth < 5; nth += 1) pages.push((await alice.get(`${at('few.localhost')}/page`)).status)
      assert.deepEqual(pages, [200, 200, 200, 200, 200, 429])
    })

    test('every call of a machine is on record: its client, its scopes, the route, what was decided and why', async (t) => {
      const { stage, robot, ask } = await limitedStage(t, start)
      const who = { kind: 'machine', provider: 'corp', issuer: stage.world.issuer.issuer, subject: 'robot', client: 'robot' }
      const told = () => stage.audit('refused').at(-1)

      assert.equal((await ask('scoped', robot())).status, 200)
      const granted = stage.audit('granted').at(-1)
      assert.deepEqual([granted?.resource, granted?.rule, granted?.action], ['route/scoped', 'route/scoped', 'get'])
      const { proof, ...known } = granted?.who ?? { proof: '' }
      assert.match(proof, /^bearer:[\w-]{16}$/)
      assert.deepEqual(known, { ...who, scopes: [READ, 'other'] })
      const completed = stage.audit('completed').find(({ attempt }) => attempt === granted?.attempt)
      assert.ok(completed === undefined || completed.who?.client === 'robot')

      const refusals: readonly (readonly [string, string, string, RegExp, readonly string[]])[] = [
        ['people', robot(), 'denied', /only people may come here/, [READ, 'other']],
        ['scoped', robot({ scope: 'other' }), 'insufficient_scope', /lacks https:\/\/api\.lab\.example\/read/, ['other']],
      ]
      for (const [route, token, code, detail, scopes] of refusals) {
        assert.equal(codeOf(await ask(route, token)), code)
        const event = told()
        assert.deepEqual([event?.resource, event?.code, event?.who?.client, event?.who?.scopes], [`route/${route}`, code, 'robot', scopes])
        assert.match(event?.detail ?? '', detail)
        assert.deepEqual(event?.properties, { path: '/db/x' })
      }
      for (let nth = 0; nth < 6; nth += 1) await ask('few', robot())
      const limited = told()
      assert.deepEqual([limited?.resource, limited?.code, limited?.who?.client], ['route/few', 'too_many_requests', 'robot'])
      assert.equal(limited?.detail, 'at most 5 an hour of one caller')
    })

    test('of a token that does not verify nobody is named: what it says of itself is not believed', async (t) => {
      const { stage, robot, ask } = await limitedStage(t, start)
      const past = Math.floor(Date.now() / 1000) - 3_600
      const refused = await ask('scoped', robot({ iat: past - 60, exp: past }))
      assert.deepEqual([refused.status, codeOf(refused)], [401, 'token_expired'])
      const event = stage.audit('refused').at(-1)
      assert.deepEqual(
        [event?.resource, event?.code, event?.action, event?.properties, event?.address, event?.count],
        ['route/scoped', 'token_expired', 'get', { path: '/db/x' }, '127.0.0.1', 1],
      )
      assert.equal(event?.who, undefined)
      assert.ok(!stage.logged().includes('robot'))
      assert.match(await stage.metrics(), /mandate_attempts_total\{provider="none",kind="none",result="token_expired"\} 1/)
    })
  })
}
