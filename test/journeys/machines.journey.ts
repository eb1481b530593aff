/**
 * Machines: agents and CI come with a client-credentials token to the same services as people, each endpoint says which
 * scopes it needs, and whoever is refused is refused with a code that is counted and recorded.
 */
import assert from 'node:assert/strict'
import { suite, type TestContext, test } from 'node:test'
import type { RefusalCode } from '../../src/refusal-codes.ts'
import { type CognitoStandIn, type CognitoUser, startCognito } from '../fakes/cognito.ts'
import { eventually, type RawUpstream } from '../fakes/raw-http.ts'
import { callTokenEndpoint } from '../fakes/relying-party.ts'
import { askRaw, codeOf } from './asks.ts'
import { stageWithService } from './route-stage.ts'
import type { Stage } from './stage.ts'
import { CLIENT, clientsOf, AUDIENCE as OF_MANDATE, type StartWorld } from './world.ts'

const READ = 'https://api.lab.example/read'
const WRITE = 'https://api.lab.example/write'
const AUDIENCE = 'https://api.lab.example'
const ADA: CognitoUser = { username: 'ada', sub: 'e4f8a4b8-0041-70a1-1111-2c3d4e5f6a7b', email: 'ada@corp.example', groups: ['admins'] }
const MACHINE = { secret: 's', grant: 'client_credentials', scopes: [READ, WRITE] } as const
const OF_PEOPLE = { secret: 's', grant: 'code', scopes: ['openid', 'email'] } as const

interface MachineStage {
  readonly stage: Stage
  readonly service: RawUpstream
  readonly pool: CognitoStandIn
  /** One request to `api.localhost`; header lines, or the token of an Authorization header. */
  ask(shown: string | readonly string[], path?: string, method?: string): ReturnType<typeof askRaw>
  /** The same, which must be refused so: with its code, counted, recorded once and nothing at the service. */
  refused(shown: string | readonly string[], code: RefusalCode, how?: { path?: string; method?: string; detail?: RegExp }): Promise<Refused>
}

interface Refused {
  readonly status: number
  readonly head: string
  readonly resource: string
  readonly client: string | undefined
  readonly scopes: readonly string[] | undefined
}

async function stageMachines(t: TestContext, start: StartWorld): Promise<MachineStage> {
  const pool = await startCognito({
    clients: [
      { id: 'agent', ...MACHINE },
      { id: 'stranger', ...MACHINE },
      { id: 'web', ...OF_PEOPLE },
      { id: 'game', ...OF_PEOPLE },
    ],
  })
  t.after(() => pool.close())
  const { stage, service, host } = await stageWithService(t, start, undefined, {
    configure(config) {
      const upstream = (config['routes'] as Array<{ upstream: string }>)[0]?.upstream
      config.providers['cognito'] = {
        kind: 'cognito',
        userPoolId: pool.userPoolId,
        issuer: pool.issuer,
        machineClients: ['agent'],
        personClients: ['web'],
        audience: AUDIENCE,
      }
      const route = (path: string, methods: readonly string[], allow: object, more: object = {}) => ({
        match: { host: 'api.localhost', path, methods },
        allow,
        upstream,
        identity: { m2m: true },
        ...more,
      })
      const machines = { callers: ['machine'], provider: 'cognito' }
      config['routes'] = [
        { ...route('/db/**', ['GET'], { ...machines, scopes: [READ] }), name: 'read' },
        { ...route('/db/**', ['POST', 'DELETE'], { ...machines, scopes: [READ, WRITE] }), name: 'write' },
        {
          ...route(
            '/both/**',
            ['GET'],
            [
              { ...machines, scopes: [READ] },
              { callers: ['person'], groups: ['admins'] },
            ],
          ),
          name: 'both',
        },
        { ...route('/m2m/**', ['GET'], { ...machines, scopes: [READ] }, { bearerHeader: 'X-M2M-Token' }), name: 'm2m' },
        { ...route('/corp/**', ['GET'], { callers: ['machine'], provider: 'corp' }), name: 'corp' },
      ]
    },
  })
  const ask: MachineStage['ask'] = (shown, path = '/db/locations', method = 'GET') => {
    const lines = typeof shown === 'string' ? [`Authorization: Bearer ${shown}`] : shown
    return askRaw(stage, path, [`Host: ${host('api.localhost')}`, 'Content-Length: 0', ...lines], method)
  }
  const counted = async (code: string) =>
    [...(await stage.metrics()).matchAll(new RegExp(`^mandate_refusals_total\\{reason="${code}",route="[^"]+"\\} (\\d+)$`, 'gm'))]
      .map(([, count]) => Number(count))
      .reduce((sum, count) => sum + count, 0)
  const refused: MachineStage['refused'] = async (shown, code, { path = '/db/locations', method = 'GET', detail } = {}) => {
    const [before, arrived, recorded] = [await counted(code), service.heads().length, stage.audit('refused').length]
    const answer = await ask(shown, path, method)
    assert.equal(codeOf(answer), code, `${answer.status} ${answer.body}`)
    assert.equal(await counted(code), before + 1, 'counted')
    assert.equal(service.heads().length, arrived, 'nothing arrived')
    // More than ten a second are summed when the second is over.
    const [record, ...more] = await eventually(
      () => stage.audit('refused').slice(recorded),
      (records) => records.length > 0,
    )
    assert.ok(record?.count === 1 && more.length === 0, 'recorded once')
    assert.equal(record.code, code)
    if (detail !== undefined) assert.match(record.detail ?? '', detail)
    return { status: answer.status, head: answer.head, resource: record.resource, client: record.who?.client, scopes: record.who?.scopes }
  }
  return { stage, service, pool, ask, refused }
}

/** Runs the journey on a world. */
export function machines(name: string, start: StartWorld): void {
  suite(`machines, ${name}`, () => {
    test("a person's token is refused where a machine is asked for, and an ID token everywhere", async (t) => {
      const { pool, refused, stage } = await stageMachines(t, start)
      const person = await refused(pool.userAccessToken(ADA, 'web'), 'denied', { detail: /only machines may come here/ })
      assert.deepEqual([person.status, person.resource, person.client], [403, 'route/read', 'web'])
      assert.doesNotMatch(person.head, /www-authenticate/)
      // A user of another client of the pool is nobody here, whatever is asked for.
      const other = await refused(pool.userAccessToken(ADA, 'game'), 'denied', { path: '/both/x', detail: /personClients/ })
      assert.deepEqual([other.status, other.resource, other.client], [403, 'route/both', 'game'])
      for (const client of ['web', 'agent'])
        assert.equal((await refused(pool.userIdToken(ADA, client), 'token_type_wrong', { path: '/both/x' })).status, 401)
      assert.match(
        await stage.metrics(),
        /mandate_token_validation_seconds_count\{issuer="cognito",result="token_type_wrong",cached="false"\} 2/,
      )
      const { client, scopes } = await refused(pool.machineToken('stranger', [READ]), 'denied', { detail: /machineClients/ })
      assert.deepEqual([client, scopes], ['stranger', [READ]])
      // What is not proven is said of nobody.
      assert.equal((await refused(`${pool.machineToken('stranger')}x`, 'token_malformed')).client, undefined)
      await refused(pool.machineToken('agent', undefined, { claims: { username: 'agent' } }), 'denied', { detail: /personClients/ })
      await refused(pool.machineToken('agent', undefined, { claims: { sub: 'another' } }), 'denied', { detail: /sub is not the client/ })
    })

    test('a missing scope is 403 and the answer names those that are needed', async (t) => {
      const { pool, refused } = await stageMachines(t, start)
      for (const [token, method, scopes] of [
        [pool.machineToken('agent', [WRITE]), 'GET', READ],
        [pool.machineToken('agent', [READ]), 'POST', `${READ} ${WRITE}`],
        [pool.machineToken('agent', [WRITE]), 'DELETE', `${READ} ${WRITE}`],
        [pool.machineToken('agent', []), 'GET', READ],
        [pool.machineToken('agent', [`${READ}s`, READ.toUpperCase(), 'read']), 'GET', READ],
        [pool.machineToken('agent', [], { claims: { scope: [READ], scp: READ } }), 'DELETE', `${READ} ${WRITE}`],
      ] as const) {
        const { status, head, client, resource } = await refused(token, 'insufficient_scope', { method })
        assert.deepEqual([status, client, resource], [403, 'agent', method === 'GET' ? 'route/read' : 'route/write'])
        assert.ok(
          head.includes(`www-authenticate: bearer realm="mandate", error="insufficient_scope", scope="${scopes}"`.toLowerCase()),
          head,
        )
      }
      const { scopes } = await refused(pool.machineToken('agent', [WRITE]), 'insufficient_scope')
      assert.deepEqual(scopes, [WRITE])
    })

    test('a token for somebody else, of another time, or signed by nobody is refused with its own code', async (t) => {
      const { pool, refused } = await stageMachines(t, start)
      const now = Math.floor(Date.now() / 1000)
      const robot = (claims: object, header: object = {}) => pool.machineToken('agent', undefined, { claims, header })
      const { kid } = pool.accessKey()
      for (const [code, token] of [
        ['token_audience_wrong', robot({ aud: 'https://other.example' })],
        ['token_audience_wrong', robot({ aud: ['agent'] })],
        ['token_expired', robot({ iat: now - 3600, exp: now - 31 })],
        ['token_not_yet_valid', robot({ iat: now + 120 })],
        ['token_not_yet_valid', robot({ nbf: now + 120 })],
        ['token_issuer_unknown', robot({ iss: 'https://cognito-idp.us-east-1.amazonaws.com/us-east-1_Ex4mpl3' })],
        ['token_algorithm_refused', robot({}, { alg: 'none' })],
        ['token_algorithm_refused', robot({}, { alg: 'HS256' })],
        ['token_algorithm_refused', robot({}, { alg: 'ES256' })],
        ['token_signature_invalid', robot({}).replace(/[\w-]{8}$/, 'AAAAAAAA')],
        ['token_signature_invalid', `${robot({ sub: 'x' }).split('.').slice(0, 2).join('.')}.${robot({}).split('.')[2]}`],
        ['token_key_unknown', robot({}, { kid: `${kid}x` })],
        ['token_type_wrong', robot({}, { typ: 'at+jwt' })],
        ['token_type_wrong', robot({ token_use: 'id' })],
        ['token_claims_invalid', robot({ exp: undefined })],
        ['token_claims_invalid', robot({ sub: undefined })],
        ['token_malformed', robot({}).replace('.', '')],
      ] as const) {
        const { status, head, resource } = await refused(token, code)
        assert.deepEqual([status, resource], [401, 'route/read'], code)
        assert.match(head, /www-authenticate: bearer realm="mandate", error="invalid_token"/)
      }
    })

    test('a flood of keys that nobody has asks the issuer once, and real machines go on', async (t) => {
      const { pool, ask, refused } = await stageMachines(t, start)
      const token = pool.machineToken('agent')
      assert.equal((await ask(token)).status, 200)
      const fetched = pool.asked('/jwks.json')
      for (let nth = 0; nth < 5; nth += 1)
        await refused(pool.machineToken('agent', undefined, { header: { kid: `k${nth}` } }), 'token_key_unknown')
      const flood = Array.from({ length: 200 }, (_, nth) => ask(pool.machineToken('agent', undefined, { header: { kid: `flood-${nth}` } })))
      for (const answer of await Promise.all(flood)) assert.equal(codeOf(answer), 'token_key_unknown')
      assert.equal(pool.asked('/jwks.json') - fetched, 1)
      assert.equal((await ask(pool.machineToken('agent'))).status, 200)
    })

    test('new keys of the issuer are found without a restart', async (t) => {
      const { pool, ask } = await stageMachines(t, start)
      const old = pool.machineToken('agent')
      assert.equal((await ask(old)).status, 200)
      pool.rotate()
      assert.equal((await ask(pool.machineToken('agent'))).status, 200)
    })

    test('tokens that are too large, shown twice, or of another scheme are refused before anybody looks into them', async (t) => {
      const { pool, refused, stage } = await stageMachines(t, start)
      const token = pool.machineToken('agent')
      const large = (bytes: number) => pool.machineToken('agent', undefined, { claims: { filler: 'x'.repeat(bytes) } })
      // Node's own bound on headers comes first: no more than 32 kB of them are ever read.
      assert.equal((await refused(large(75_000), 'headers_too_many')).status, 431)
      assert.equal((await refused(large(20_000), 'token_too_large')).status, 401)
      assert.equal((await refused([`Authorization: Bearer ${token}`, `Authorization: Bearer ${token}`], 'header_ambiguous')).status, 400)
      assert.equal(
        (await refused([`Authorization: Bearer ${token}`, `authorization_: x`, `AUTHORIZATION: Bearer x`], 'header_ambiguous')).status,
        400,
      )
      for (const value of [
        `Basic ${token}`,
        `Bearer  ${token}`,
        `Bearer ${token} ${token}`,
        `Bearer ${token},${token}`,
        token,
        'Bearer',
        '',
      ])
        await refused([`Authorization: ${value}`], 'authorization_malformed')
      assert.equal((await refused([], 'not_signed_in')).status, 401)
      assert.ok(!stage.logged().includes(token))
    })

    test('what says which machine asks is said by us alone, however a caller spells it', async (t) => {
      const { pool, service, ask } = await stageMachines(t, start)
      const lies = [
        'X-M2M-Client-ID: admin',
        'x-m2m-client-id: admin',
        'X_M2M_Client_ID: admin',
        'X-M2M-Scope: everything',
        'X-M2M_Scope: everything',
      ]
      const more = ['X-Mandate-Client: admin', 'X-Mandate-Scopes: everything', 'X-Mandate-Subject: admin', 'X-Mandate-Kind: person']
      const answer = await ask([...lies, ...more, `Authorization: Bearer ${pool.machineToken('agent', [READ])}`, 'X-Other: kept'])
      assert.equal(answer.status, 200, answer.body)
      const lines = (service.heads()[0] ?? '').split('\r\n').slice(1)
      const said = lines.filter((line) => /m2m|mandate/i.test(line)).sort()
      assert.deepEqual(
        said.filter((line) => /client|scope|subject|kind|m2m/i.test(line)).map((line) => line.toLowerCase()),
        [
          'x-m2m-client-id: agent',
          `x-m2m-scope: ${READ}`,
          'x-mandate-client: agent',
          'x-mandate-kind: machine',
          `x-mandate-scopes: ${READ}`,
          'x-mandate-subject: agent',
        ],
      )
      assert.ok(lines.includes('X-Other: kept'))
      assert.ok(!lines.some((line) => /admin|everything|authorization/i.test(line)), lines.join('\n'))
    })

    test('another header for the token is taken where the route says so, and never beside Authorization', async (t) => {
      const { pool, service, ask, refused } = await stageMachines(t, start)
      const token = pool.machineToken('agent')
      const bearer = `Authorization: Bearer ${token}`
      assert.equal((await refused([`X-M2M-Token: ${token}`, bearer], 'two_credentials', { path: '/m2m/x' })).status, 400)
      assert.equal((await refused(['X-M2M-Token: x', bearer], 'two_credentials', { path: '/m2m/x' })).status, 400)
      await refused([`X-M2M-Token: ${token}`, `X-M2M-Token: ${token}`], 'authorization_malformed', { path: '/m2m/x' })
      await refused([`X_M2M_Token: ${token}`], 'not_signed_in', { path: '/m2m/x' })
      // Where the route does not say so, it is a header like any other.
      await refused([`X-M2M-Token: ${token}`], 'not_signed_in')
      await refused([`X-M2M-Token: ${pool.userAccessToken(ADA, 'web')}`], 'denied', { path: '/m2m/x' })
      for (const line of [`X-M2M-Token: ${token}`, `x-m2m-token: Bearer ${token}`, bearer])
        assert.equal((await ask([line], '/m2m/x')).status, 200, line.slice(0, 30))
      assert.ok(!service.heads().some((head) => /token: |authorization/i.test(head)), service.heads().join('\n'))
    })

    test('people and machines share a route, each by its own rule; a machine of another issuer is not one of this', async (t) => {
      const { stage, pool, ask, refused } = await stageMachines(t, start)
      assert.equal((await ask(pool.userAccessToken(ADA, 'web'), '/both/x')).status, 200)
      assert.equal((await ask(pool.machineToken('agent'), '/both/x')).status, 200)
      await refused(pool.userAccessToken({ ...ADA, groups: [] }, 'web'), 'denied', { path: '/both/x' })
      await refused(pool.machineToken('agent', [WRITE]), 'insufficient_scope', { path: '/both/x' })
      const corp = stage.world.issuer.mintAccessToken({ client: 'robot' })
      await refused(corp, 'denied', { detail: /provider corp/ })
      await refused(pool.machineToken('agent'), 'denied', { path: '/corp/x', detail: /provider cognito/ })
      assert.equal((await ask(corp, '/corp/x')).status, 200)
    })

    test('a machine is no person after a token exchange by another client of its issuer', async (t) => {
      const broker = { id: 'broker', secret: 'broker-secret-of-the-test', exchanges: [OF_MANDATE] }
      const { stage, service, host } = await stageWithService(t, start, undefined, {
        issuer: (origin) => ({ clients: [...clientsOf(origin), broker] }),
        configure(config) {
          Object.assign(config.providers['corp'] ?? {}, { personClients: [CLIENT] })
        },
      })
      const { issuer } = stage.world
      const browser = await stage.browser()
      const exchanged = async (token: string): Promise<string> => {
        const subject = { subject_token: token, subject_token_type: 'urn:ietf:params:oauth:token-type:access_token' }
        const form = { grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange', audience: OF_MANDATE, ...subject }
        const { access_token: given } = await callTokenEndpoint(browser, issuer.issuer, form, {
          clientId: broker.id,
          secret: broker.secret,
        })
        return given ?? assert.fail('the issuer exchanged nothing')
      }
      // The route takes people and machines.
      const askApp = (token: string) => askRaw(stage, '/x', [`Host: ${host('app.localhost')}`, `Authorization: Bearer ${token}`])
      const robot = issuer.mintAccessToken({ client: 'robot' })
      for (const [token, detail] of [
        [await exchanged(robot), /another client may have exchanged it/],
        // Of this one nothing tells that it is a machine: the list of clients of people does.
        [await exchanged(issuer.mintAccessToken({ client: 'stranger' })), /personClients/],
        [await exchanged(issuer.mintAccessToken('alice')), /personClients/],
      ] as const) {
        const answer = await askApp(token)
        assert.deepEqual([answer.status, codeOf(answer)], [403, 'denied'])
        const { who, detail: told } = stage.audit('refused').at(-1) ?? {}
        assert.deepEqual([who?.kind, who?.client], ['unknown', 'broker'])
        assert.match(told ?? '', detail)
      }
      assert.deepEqual(service.heads(), [])
      assert.equal((await askApp(robot)).status, 200)
      assert.equal((await askApp(issuer.mintAccessToken('alice'))).status, 200)
      assert.deepEqual(
        stage.audit('granted').map(({ who }) => who?.kind),
        ['machine', 'person'],
      )
    })

    test('what a machine did stands in the audit log with its client, its scopes, the route and the decision', async (t) => {
      const { stage, pool, ask } = await stageMachines(t, start)
      assert.equal((await ask(pool.machineToken('agent', [READ]), '/db/locations?near=1')).status, 200)
      const [granted, ...more] = stage.audit('granted')
      assert.deepEqual(more, [])
      assert.deepEqual(
        [granted?.who?.kind, granted?.who?.provider, granted?.who?.client, granted?.who?.scopes, granted?.resource, granted?.rule],
        ['machine', 'cognito', 'agent', [READ], 'route/read', 'route/read'],
      )
      assert.match(await stage.metrics(), /mandate_attempts_total\{provider="cognito",kind="machine",result="ok"\} 1/)
    })
  })
}
