/** Exchanged tokens: a service that trusts the issuer gets a token for itself, with the rights of who asked and no others'. */
import assert from 'node:assert/strict'
import { suite, type TestContext, test } from 'node:test'
import { decodeJwt } from 'jose'
import { type Issuer, startIssuer } from '../../src/dev/issuer/issuer.ts'
import type { TestUser } from '../../src/dev/issuer/options.ts'
import { startFaultyIssuer } from '../fakes/faulty-issuer.ts'
import { findForm } from '../fakes/html-form.ts'
import { eventually } from '../fakes/raw-http.ts'
import { askRaw, bearerOf, codeOf, cookieOf } from './asks.ts'
import { as, REPORTS, stageWithExchange, startTokenService } from './exchange-stage.ts'
import { type Stage, setStage } from './stage.ts'
import { DORA } from './two-issuers.ts'
import { AUDIENCE, clientsOf, type StartWorld } from './world.ts'

const PODS = '/api/v1/namespaces/team-a/pods'
const PEOPLE: readonly TestUser[] = Array.from({ length: 8 }, (_, at) => ({
  name: `person-${at}`,
  sub: `subject-${at}`,
  email: `person-${at}@corp.example`,
  emailVerified: true,
  groups: [],
}))

const hostOf = ({ origin }: Stage, host: string) => `Host: ${host}.localhost:${new URL(origin).port}`
/** One request by a tool to the route at a host, or to a cluster. */
const askRoute = (stage: Stage, host: string, authorization: string, path = '/x') =>
  askRaw(stage, path, [hostOf(stage, host), `Authorization: ${authorization}`])
const askCluster = (stage: Stage, cluster: string, line: string) => askRaw(stage, `/clusters/${cluster}${PODS}`, [line])
const robotOf = ({ world }: Stage) => `Bearer ${world.issuer.mintAccessToken({ client: 'robot' })}`

/** Runs the journey on a world. */
export function exchangedTokens(name: string, start: StartWorld): void {
  suite(`exchanged tokens, ${name}`, () => {
    test('an issuer that refuses is a refusal with its code and a record, and nothing arrives', async (t) => {
      const { stage, service } = await stageWithExchange(t, start)
      const bearer = bearerOf(stage, 'alice')
      const alice = cookieOf(await stage.browser('alice'), stage)
      const refusals = [
        await askRoute(stage, 'nowhere', bearer),
        await askRoute(stage, 'wide', bearer),
        await askCluster(stage, 'nowhere', `Authorization: ${bearer}`),
        await askCluster(stage, 'nowhere', `Cookie: ${alice}`),
      ]
      for (const answer of refusals) assert.deepEqual([answer.status, codeOf(answer)], [403, 'credential_not_offered'])
      assert.deepEqual(
        stage.audit('refused').map(({ resource, code, detail, who }) => [resource, code, detail, who?.subject]),
        [
          ['route/nowhere', 'invalid_target'],
          ['route/wide', 'invalid_scope'],
          ['cluster/nowhere', 'invalid_target'],
          ['cluster/nowhere', 'invalid_target'],
        ].map(([resource, word]) => [resource, 'credential_not_offered', `the issuer does not exchange the token: ${word}`, 'alice']),
      )
      assert.deepEqual(service.visits(), [])
      assert.match(await stage.metrics(), /mandate_credential_acquisitions_total\{[^}]*source="token-exchange",result="refused"[^}]*\} 4\n/)
    })

    test('a token that was neither issued to Mandate nor for it by a name that the issuer knows is refused', async (t) => {
      const clients = (origin: string) => clientsOf(origin).map((client) => ('secret' in client ? { ...client, exchanges: [] } : client))
      const { stage, service } = await stageWithExchange(t, start, { issuer: (origin) => ({ clients: clients(origin) }) })
      const answer = await askRoute(stage, 'reports', robotOf(stage))
      assert.deepEqual([answer.status, codeOf(answer)], [403, 'credential_not_offered'])
      assert.match(answer.body, /invalid_request/)
      assert.equal((await askRoute(stage, 'reports', bearerOf(stage, 'alice'))).status, 200)
      assert.equal(service.visits().length, 1)
    })

    test("an issuer that does not know Mandate's client is the operator's trouble: 503, one line in the log, nothing arrives", async (t) => {
      const { stage, service } = await stageWithExchange(t, start, { issuer: { clients: [] } })
      for (let i = 0; i < 3; i += 1) {
        const answer = await askRoute(stage, 'reports', robotOf(stage))
        assert.deepEqual([answer.status, codeOf(answer)], [503, 'credential_unavailable'])
        assert.match(answer.head, /retry-after: \d+/)
      }
      assert.equal(stage.logged().split('an issuer does not exchange tokens for Mandate').length, 2)
      assert.deepEqual(service.visits(), [])
    })

    test('a machine by bearer and a person by login reach the service, each as themselves; it never sees what they sent', async (t) => {
      const { stage, service, reports } = await stageWithExchange(t, start)
      const [robot, alice] = [robotOf(stage), bearerOf(stage, 'alice')]
      const browser = await stage.browser()
      assert.equal((await browser.signIn(`${reports}/page`, 'bob')).status, 200)
      // By the access token of the login, and by its ID token.
      for (const cluster of ['reports', 'by-id'])
        assert.equal((await browser.get(`${stage.origin}/clusters/${cluster}${PODS}`)).status, 200)
      for (const bearer of [robot, alice]) {
        assert.equal((await askRoute(stage, 'reports', bearer)).status, 200)
        assert.equal((await askCluster(stage, 'reports', `Authorization: ${bearer}`)).status, 200)
      }
      const seen = service.visits().map(({ claims, path }) => [path, claims?.sub, claims?.aud])
      assert.deepEqual(seen, [
        ['/page', 'bob', REPORTS],
        [PODS, 'bob', REPORTS],
        [PODS, 'bob', REPORTS],
        ['/x', 'robot', REPORTS],
        [PODS, 'robot', REPORTS],
        ['/x', 'alice', REPORTS],
        [PODS, 'alice', REPORTS],
      ])
      const sent = [robot, alice].map((bearer) => bearer.slice('Bearer '.length))
      for (const { headers } of service.visits())
        for (const token of sent) assert.ok(!headers.includes(token) && !headers.includes(token.split('.')[1] ?? ''))
      for (const token of [...sent, ...service.visits().map(({ authorization = '' }) => authorization.slice('Bearer '.length))])
        assert.ok(!stage.logged().includes(token.split('.')[2] ?? token))
      assert.deepEqual(new Set(stage.audit('granted').map(({ credential }) => credential)), new Set(['token-exchange']))
    })

    test('what the service was sent opens nothing at Mandate', async (t) => {
      const { stage, service } = await stageWithExchange(t, start)
      assert.equal((await askRoute(stage, 'reports', bearerOf(stage, 'alice'))).status, 200)
      const back = service.visits().at(-1)?.authorization ?? assert.fail('it was sent none')
      for (const answer of [await askRoute(stage, 'reports', back), await askCluster(stage, 'named', `Authorization: ${back}`)])
        assert.deepEqual([answer.status, codeOf(answer)], [401, 'token_audience_wrong'])
    })

    test('promise 2: callers with different tokens never share one, whoever asks at the same time', async (t) => {
      const { stage, service } = await stageWithExchange(t, start, { issuer: { users: PEOPLE } })
      const bearers = PEOPLE.flatMap(({ name: user, sub }) => [0, 1].map((at) => ({ sub, at, bearer: bearerOf(stage, user) })))
      const logins = await Promise.all(
        PEOPLE.map(async ({ name: user, sub }) => ({ sub, cookie: cookieOf(await stage.browser(user), stage) })),
      )
      await Promise.all(
        [0, 1, 2].flatMap((round) => [
          ...bearers.map(async ({ sub, at, bearer }) => {
            assert.equal((await askRoute(stage, 'reports', bearer, `/${sub}/bearer-${at}/${round}`)).status, 200)
          }),
          ...logins.map(async ({ sub, cookie }) => {
            const query = new URLSearchParams({ labelSelector: `by=${sub}` })
            assert.equal((await askRaw(stage, `/clusters/reports${PODS}?${query}`, [`Cookie: ${cookie}`])).status, 200)
          }),
        ]),
      )
      const tokens = new Map<string, Set<string | undefined>>()
      for (const { path, claims, authorization } of service.visits()) {
        const proof = /^\/(subject-\d+)\/(bearer-\d)/.exec(path) ?? /by%3D(subject-\d+)()/.exec(path)
        assert.equal(claims?.sub, proof?.[1])
        const key = `${proof?.[1]} ${proof?.[2] || 'login'}`
        tokens.set(key, (tokens.get(key) ?? new Set()).add(authorization))
      }
      assert.equal(tokens.size, PEOPLE.length * 3)
      // One exchange for each proof and target, and no two have one token.
      for (const [key, all] of tokens) assert.equal(all.size, 1, key)
      assert.equal(new Set([...tokens.values()].flatMap((all) => [...all])).size, PEOPLE.length * 3)
    })

    test('a service that says 401 is sent a new token, once', async (t) => {
      const { stage, service } = await stageWithExchange(t, start)
      const bearer = bearerOf(stage, 'alice')
      for (const ask of [() => askRoute(stage, 'reports', bearer), () => askCluster(stage, 'reports', `Authorization: ${bearer}`)]) {
        assert.equal((await ask()).status, 200)
        const before = service.visits().length
        service.takeNone(1)
        assert.equal((await ask()).status, 200)
        const [refused, repeated, ...more] = service.visits().slice(before)
        assert.deepEqual(more, [])
        assert.notEqual(jtiOf(repeated?.authorization), jtiOf(refused?.authorization))
        // What it says of the new one is the answer: nothing is renewed again at once.
        service.takeNone(1)
        assert.equal((await ask()).status, 401)
        assert.equal(service.visits().length, before + 3)
        assert.equal(jtiOf(service.visits().at(-1)?.authorization), jtiOf(repeated?.authorization))
      }
    })

    test('a caller in a loop before a service that always says 401 is no flood at the issuer, and refreshes no login', async (t) => {
      const { stage, service } = await stageWithExchange(t, start, {
        configure(config) {
          const allow = { callers: ['person'], providers: ['corp'] }
          config.clusters['forwarded'] = { ...config.clusters['reports'], allow, as: { kind: 'forward-token' } }
        },
      })
      const cookie = cookieOf(await stage.browser('alice'), stage)
      const robot = robotOf(stage)
      service.takeNone(Number.POSITIVE_INFINITY)
      const asks = [
        () => askRoute(stage, 'reports', robot),
        () => askCluster(stage, 'reports', `Cookie: ${cookie}`),
        () => askCluster(stage, 'forwarded', `Cookie: ${cookie}`),
      ]
      for (let round = 0; round < 30; round += 1) for (const ask of asks) assert.equal((await ask()).status, 401)
      assert.equal(service.visits().length, 31 * asks.length)
      const metrics = await stage.metrics()
      const obtained = ['token-exchange', 'forward-token'].map((source) => {
        const line = new RegExp(`^mandate_credential_acquisitions_total\\{[^}]*source="${source}",result="granted"[^}]*\\} (\\d+)$`, 'm')
        return line.exec(metrics)?.[1]
      })
      assert.deepEqual(obtained, ['4', '2'])
      assert.doesNotMatch(metrics, /^mandate_refreshes_total\{[^}]*\} [1-9]/m)
    })

    test('a login that was ended, and a bearer that was revoked, reach nothing by what was exchanged before', async (t) => {
      const { stage, service, reports } = await stageWithExchange(t, start)
      const browser = await stage.browser()
      assert.equal((await browser.signIn(`${reports}/page`, 'alice')).status, 200)
      const cookie = cookieOf(browser, { origin: reports })
      const page = await browser.get(`${stage.origin}/logout`)
      const { hidden } = findForm(page.body, page.url) ?? {}
      assert.equal((await browser.post(`${stage.origin}/logout`, { ...hidden }, { origin: stage.origin })).status, 200)
      const ended = await askRaw(stage, '/page', [hostOf(stage, 'reports'), `Cookie: ${cookie}`, 'Accept: application/json'])
      assert.deepEqual([ended.status, codeOf(ended)], [401, 'login_ended'])
      const robot = robotOf(stage)
      assert.equal((await askRoute(stage, 'reports', robot)).status, 200)
      const { issuer } = stage.world.issuer
      await stage.replicas[0]?.revocations.revoke({ kind: 'principal', issuer, subject: 'robot', notBefore: Date.now() })
      const revoked = await askRoute(stage, 'reports', robot)
      assert.deepEqual([revoked.status, codeOf(revoked)], [401, 'token_revoked'])
      assert.equal(service.visits().length, 2)
    })

    test('an issuer that is down is 503 with the cookie untouched and no other way in; what was exchanged serves on', async (t) => {
      const { stage, lab, faulty, service, cookie, ask } = await stageFaultyExchange(t, start)
      assert.equal((await ask('first')).status, 200)
      await faulty.refuse()
      for (let i = 0; i < 3; i += 1) {
        const answer = await ask('second')
        assert.deepEqual([answer.status, answer.headers.get('set-cookie'), answer.headers.get('retry-after')], [503, null, '5'])
        assert.equal(codeOf({ body: await answer.text() }), 'issuer_unavailable')
      }
      assert.equal((await ask('first')).status, 200)
      assert.equal((await fetch(`${stage.origin}/whoami`, { headers: { cookie } })).status, 200)
      await faulty.accept()
      const before = service.visits().length
      faulty.inject('token', { kind: 'redirect', location: `${stage.origin}/whoami`, status: 307 })
      assert.equal((await ask('second')).status, 503)
      faulty.inject('token', { kind: 'rewrite', rewrite: (answer) => ({ ...answer, access_token: lab.mintAccessToken('dora') }) })
      const wrong = await ask('second')
      assert.deepEqual([wrong.status, codeOf({ body: await wrong.text() })], [403, 'credential_audience_wrong'])
      // What it says to one holds for all that would be exchanged there, until then.
      faulty.inject('token', { kind: 'status', status: 429, retryAfter: '3' })
      const many = await ask('third')
      assert.deepEqual([many.status, many.headers.get('retry-after')], [429, '3'])
      faulty.heal()
      await eventually(
        () => ask('second'),
        ({ status }) => status === 429,
      )
      assert.equal(service.visits().length, before)
      await eventually(
        () => ask('second'),
        ({ status }) => status === 200,
      )
    })
  })
}

const jtiOf = (authorization = '') => decodeJwt(authorization.slice('Bearer '.length)).jti

/** Two clusters that exchange at the issuer `lab`, with bad days to order, before one service. */
async function stageFaultyExchange(t: TestContext, start: StartWorld) {
  const [faulty, service] = await Promise.all([startFaultyIssuer(), startTokenService(t)])
  let lab: Issuer | undefined
  t.after(() => Promise.all([faulty.close(), lab?.close()]))
  const stage = await setStage(t, start, {
    async configure(config) {
      const redirectUris = [`${config['publicUrl']}/callback/lab`]
      lab = await startIssuer({
        users: [DORA],
        audience: [AUDIENCE, REPORTS],
        clients: [{ id: 'mandate-lab', secret: 'client-secret-of-the-test', redirectUris, exchanges: [] }],
        issuerUrl: faulty.url,
      })
      config.providers['lab'] = { ...config.providers['corp'], issuer: faulty.url, clientId: 'mandate-lab', ca: undefined, kubernetes: {} }
      const allow = { callers: ['person'], providers: ['lab'] }
      for (const name of ['first', 'second', 'third']) config.clusters[name] = { server: service.origin, allow, as: as(REPORTS) }
      Object.assign(config.clusters['prod'] ?? {}, { allow: { callers: ['person'], providers: ['corp'] } })
    },
  })
  if (lab === undefined) throw new Error('the stage was not configured')
  faulty.setTarget(lab.listening)
  service.trust(lab)
  const dora = await stage.browser()
  await dora.signIn(`${stage.origin}/login?provider=lab&return_to=/whoami`, DORA.name)
  const cookie = cookieOf(dora, stage)
  const ask = (cluster: string) => fetch(`${stage.origin}/clusters/${cluster}${PODS}`, { headers: { cookie } })
  return { stage, lab, faulty, service, cookie, ask }
}
