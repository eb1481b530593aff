/** Forward-auth: a proxy asks before it forwards, and is told who asks or to keep the request. */
import assert from 'node:assert/strict'
import { suite, type TestContext, test } from 'node:test'
import type { Browser } from '../fakes/browser.ts'
import { eventually, type RawAnswer } from '../fakes/raw-http.ts'
import { askRaw, bearerOf, codeOf, cookieOf } from './asks.ts'
import { untilSession } from './route-stage.ts'
import { type Stage, type StageOptions, setStage } from './stage.ts'
import type { StartWorld } from './world.ts'

/** Two seconds, at three times their value. */
const BOUND_MS = 6_000

/** What a proxy asks about; what is left out is the good one. */
interface Asked {
  readonly method?: string
  readonly proto?: string
  readonly host?: string
  readonly uri?: string
  /** More header lines: those of the caller. */
  readonly lines?: readonly string[]
  readonly at?: string
}

interface Ground {
  readonly stage: Stage
  /** Origin of a host at the first replica. */
  at(host: string): string
  host(host: string): string
  /** Asks as the proxy does. */
  ask(asked?: Asked, replica?: number): Promise<RawAnswer>
  /** Asks to the letter. */
  say(lines: readonly string[], path?: string, method?: string, body?: string): Promise<RawAnswer>
}

async function ground(t: TestContext, start: StartWorld, listen: object = {}, options: StageOptions = {}): Promise<Ground> {
  const callers = ['person', 'machine']
  const route = (host: string, path: string, allow: object = { callers }) => ({ match: { host, path }, allow, forwardAuth: true })
  const stage = await setStage(t, start, {
    ...options,
    async configure(config, world) {
      config.listen['forwardAuth'] = { port: 0, trusted: ['127.0.0.0/8'], ...listen }
      config['routes'] = [
        { ...route('app.localhost', '/**'), name: 'app' },
        { ...route('app.localhost', '/read/**'), match: { host: 'app.localhost', path: '/read/**', methods: ['GET'] }, name: 'read' },
        route('bots.localhost', '/api/**', { callers: ['machine'] }),
        route('few.localhost', '/only/**', { callers, groups: ['team-b'] }),
        { match: { host: 'served.localhost', path: '/**' }, allow: { callers }, upstream: 'http://127.0.0.1:1' },
      ]
      await options.configure?.(config, world)
    },
  })
  const { port } = new URL(stage.origin)
  const host = (name: string) => `${name}:${port}`
  const door = (replica: number) => ({ origin: `http://localhost:${stage.replicas[replica]?.ports.forwardAuth}` })
  return {
    stage,
    host,
    at: (name) => `http://${name}:${port}`,
    ask: (
      { method = 'GET', proto = 'http', host: of = host('app.localhost'), uri = '/x', lines = [], at = '/authorize' } = {},
      replica = 0,
    ) =>
      askRaw(door(replica), at, [
        `X-Forwarded-Method: ${method}`,
        `X-Forwarded-Proto: ${proto}`,
        `X-Forwarded-Host: ${of}`,
        `X-Forwarded-Uri: ${uri}`,
        ...lines,
      ]),
    say: (lines, path = '/authorize', method = 'GET', body = '') => askRaw(door(0), path, lines, method, body),
  }
}

const told = (answer: RawAnswer) => [answer.status, codeOf(answer)]
const OPENS_PAGE = ['Accept: text/html', 'Sec-Fetch-Mode: navigate', 'Sec-Fetch-Dest: document']
const headerOf = (answer: RawAnswer, name: string) => new RegExp(`\r\n${name}: ([^\r]*)`, 'i').exec(answer.all)?.[1]

/** Runs the journey on a world. */
export function forwardAuth(name: string, start: StartWorld): void {
  suite(`forward-auth, ${name}`, () => {
    test('whoever is not listed is refused before anything is read, loopback too', async (t) => {
      const { stage, ask, say } = await ground(t, start, { trusted: ['10.0.0.0/8', 'fd00::/8'] })
      const lines = [`Authorization: ${bearerOf(stage, 'alice')}`]
      for (const answer of [await ask({ lines }), await say(['X-Forwarded-Uri: /x#'], '/nothing', 'POST')])
        assert.deepEqual(told(answer), [403, 'peer_refused'])
      assert.deepEqual(stage.audit('granted'), [])
      await eventually(
        () => stage.audit('refused').filter(({ code, address }) => code === 'peer_refused' && address === '127.0.0.1').length,
        (count) => count >= 1,
      )
    })

    test('on a public port a caller who asks gets nothing, whatever headers they send', async (t) => {
      const { stage, host } = await ground(t, start)
      const said = [
        'X-Forwarded-Method: GET',
        'X-Forwarded-Proto: http',
        `X-Forwarded-Host: ${host('app.localhost')}`,
        'X-Forwarded-Uri: /x',
      ]
      for (const place of ['app.localhost', 'few.localhost', 'localhost'])
        for (const path of ['/authorize', '/authorize?sign-in=redirect', '/only/authorize', '/x']) {
          const answer = await askRaw(stage, path, [`Host: ${host(place)}`, `Authorization: ${bearerOf(stage, 'alice')}`, ...said])
          assert.deepEqual(told(answer), [404, 'not_found'], `${place}${path}`)
          assert.doesNotMatch(answer.head, /x-mandate/)
        }
      assert.deepEqual(stage.audit('granted'), [])
    })

    test('a question that can be read in two ways is refused', async (t) => {
      const { stage, ask, say, host } = await ground(t, start)
      const lines = [`Authorization: ${bearerOf(stage, 'alice')}`]
      const all = [
        'X-Forwarded-Method: GET',
        'X-Forwarded-Proto: http',
        `X-Forwarded-Host: ${host('app.localhost')}`,
        'X-Forwarded-Uri: /x',
        ...lines,
      ]
      for (const forgotten of all.slice(0, 4))
        assert.deepEqual(told(await say(all.filter((line) => line !== forgotten))), [400, 'question_unclear'], forgotten)
      for (const more of [...all.slice(0, 4), ...all.slice(0, 4).map((line) => line.replaceAll(/-(?=.*:)/g, '_'))])
        assert.deepEqual(told(await say([...all, more])), [400, 'question_unclear'], more)
      for (const uri of ['/a#b', '//x', '/a//b', '/a%2Fb', '/a/../b', '/%2e%2e/b', '/a;b', '/a\\b', '/a%5Cb', 'http://evil.example/x'])
        assert.deepEqual(told(await ask({ uri, lines })), [400, 'path_ambiguous'], uri)
      // Both credentials, a cookie twice: as on every other port.
      assert.deepEqual(told(await ask({ lines: [...lines, `Cookie: mandate-${new URL(stage.origin).port}=x`] })), [400, 'two_credentials'])
      assert.deepEqual(told(await ask({ lines: [...lines, 'Impersonate-User: admin'] })), [400, 'impersonation_refused'])
      assert.deepEqual(stage.audit('granted'), [])
    })

    test('a request is refused that could leave HTTP unseen, hand its bearer on, or have headers read as ours', async (t) => {
      const { stage, ask, host } = await ground(
        t,
        start,
        {},
        {
          configure(config) {
            const [first] = config['routes'] as Array<Record<string, unknown>>
            const custom = { ...first, name: 'custom', identity: { headers: { 'X-Custom-User': 'subject' }, m2m: true } }
            config['routes'] = [first, { ...custom, match: { host: 'custom.localhost', path: '/**' } }]
          },
        },
      )
      const bearer = bearerOf(stage, 'alice')
      const lines = [`Authorization: ${bearer}`]
      for (const upgrade of ['h2c', 'H2C', 'spdy/3.1', 'other', 'websocket, h2c'])
        assert.deepEqual(
          told(await ask({ lines: [...lines, 'Connection: Upgrade', `Upgrade: ${upgrade}`] })),
          [400, 'question_unclear'],
          upgrade,
        )
      for (const more of ['HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA', 'Connection: close, X-Mandate-Subject', 'Connection: Cookie'])
        assert.deepEqual(told(await ask({ lines: [...lines, more] })), [400, 'question_unclear'], more)
      const hidden = `base64url.bearer.authorization.k8s.io.${Buffer.from(bearer.slice('Bearer '.length)).toString('base64url')}`
      for (const shown of [[], lines])
        for (const upgrade of [[], ['Connection: Upgrade', 'Upgrade: websocket']]) {
          const answer = await ask({ lines: [...shown, ...upgrade, `Sec-WebSocket-Protocol: chat, ${hidden}`] })
          assert.deepEqual(told(answer), [401, 'authorization_malformed'])
        }
      assert.deepEqual(
        stage.audit('refused').filter(({ who }) => who !== undefined),
        [],
      )
      for (const alias of [
        'X_Mandate_Subject',
        'X.Mandate.Subject',
        'X-Mandate_Actor',
        'X~Mandate~Kind',
        'Remote_User',
        'X.Forwarded.User',
      ])
        assert.deepEqual(told(await ask({ lines: [...lines, `${alias}: admin`] })), [400, 'question_unclear'], alias)
      for (const alias of ['X_Custom_User', 'X.Custom.User', 'X_M2M_Client_ID'])
        assert.deepEqual(
          told(await ask({ host: host('custom.localhost'), lines: [...lines, `${alias}: a`] })),
          [400, 'question_unclear'],
          alias,
        )
      assert.equal(stage.audit('refused').at(-1)?.who?.subject, 'alice', 'by name')
      assert.deepEqual(stage.audit('granted'), [])
      assert.equal((await ask({ lines: [...lines, 'X_Custom_User: a', 'X_Own: a', 'Connection: keep-alive'] })).status, 200)
      const custom = await ask({ host: host('custom.localhost'), lines: [...lines, 'X-Custom-User: admin'] })
      assert.deepEqual([custom.status, headerOf(custom, 'X-Custom-User')], [200, 'alice'])
    })

    test('the family of headers that is not configured counts for nothing', async (t) => {
      const { stage, say, host } = await ground(t, start, { headers: 'x-original' })
      const bearer = `Authorization: ${bearerOf(stage, 'alice')}`
      const url = (path: string) => `X-Original-URL: ${stage.origin.replace('localhost', 'app.localhost')}${path}`
      const other = [
        'X-Forwarded-Method: GET',
        'X-Forwarded-Proto: http',
        `X-Forwarded-Host: ${host('app.localhost')}`,
        'X-Forwarded-Uri: /x',
      ]
      assert.deepEqual(told(await say([bearer, ...other])), [400, 'question_unclear'])
      assert.deepEqual(told(await say([bearer, ...other, 'X-Original-Method: POST', url('/read/x')])), [405, 'method_unsupported'])
      assert.equal((await say([bearer, 'X-Forwarded-Uri: /read/y#', 'X-Original-Method: GET', url('/read/x')])).status, 200)
      assert.equal(stage.audit('granted').at(-1)?.properties['path'], '/read/x')
    })

    test('another host, another protocol, another path and another method of asking are refused', async (t) => {
      const { stage, ask, say, host } = await ground(t, start)
      const lines = [`Authorization: ${bearerOf(stage, 'alice')}`]
      for (const other of ['evil.example', 'localhost', `app.localhost, ${host('app.localhost')}`, '', 'app.localhost@evil.example'])
        assert.deepEqual(told(await ask({ host: other, lines })), [421, 'host_unknown'], other)
      for (const proto of ['https', 'HTTP', 'ws', '', 'http, https'])
        assert.deepEqual(told(await ask({ proto, lines })), [421, 'host_unknown'], proto)
      const [first] = stage.audit('refused')
      assert.equal(first?.properties['host'], 'evil.example', 'an operator sees which host was asked about')
      assert.equal(stage.audit('refused').at(-1)?.detail, 'have the proxy say the protocol of publicUrl in X-Forwarded-Proto')
      for (const at of [
        '/',
        '/authorize/',
        '/Authorize',
        '/authorize?',
        '/authorize?rd=/x',
        '/authorize?sign-in=redirect&x',
        '/x',
        '/whoami',
        '/.mandate/session',
      ])
        assert.deepEqual(told(await ask({ at, lines })), [404, 'not_found'], at)
      const all = [
        'X-Forwarded-Method: GET',
        'X-Forwarded-Proto: http',
        `X-Forwarded-Host: ${host('app.localhost')}`,
        'X-Forwarded-Uri: /x',
        ...lines,
      ]
      for (const method of ['HEAD', 'POST', 'OPTIONS']) {
        const answer = await say([...all, 'Content-Length: 0'], '/authorize', method)
        assert.deepEqual([answer.status, headerOf(answer, 'allow')], [405, 'GET'], method)
      }
      assert.deepEqual(told(await say([...all, 'Content-Length: 2'], '/authorize', 'GET', 'hi')), [400, 'question_unclear'])
      assert.deepEqual(told(await say([...all, 'Transfer-Encoding: chunked'], '/authorize', 'GET', '0\r\n\r\n')), [400, 'question_unclear'])
      assert.equal((await say([...all, 'Content-Length: 0'])).status, 200)
      assert.equal(stage.audit('granted').length, 1)
    })

    test('what Mandate serves or forwards itself is not for a proxy to forward', async (t) => {
      const { stage, ask, host } = await ground(t, start)
      const lines = [`Authorization: ${bearerOf(stage, 'alice')}`]
      for (const uri of ['/.mandate', '/.mandate/', '/.mandate/session?code=x'])
        assert.deepEqual(told(await ask({ uri, lines })), [404, 'not_found'], uri)
      assert.deepEqual(told(await ask({ host: host('served.localhost'), lines })), [404, 'not_found'])
      assert.deepEqual(told(await ask({ host: host('few.localhost'), uri: '/other', lines })), [404, 'not_found'])
      assert.deepEqual(stage.audit('granted'), [])
    })

    test('the method that is asked about decides, as it was sent, and no other header changes it', async (t) => {
      const { stage, ask } = await ground(t, start)
      const lines = [`Authorization: ${bearerOf(stage, 'alice')}`]
      const overrides = ['X-HTTP-Method-Override: GET', 'X-Method-Override: GET', 'X-HTTP-Method: GET']
      for (const method of ['POST', 'DELETE', 'get', 'Get']) {
        const answer = await ask({ method, uri: '/read/x', lines: [...lines, ...overrides] })
        assert.deepEqual([...told(answer), headerOf(answer, 'allow')], [405, 'method_unsupported', 'GET, HEAD'], method)
      }
      for (const method of ['TRACE', 'CONNECT']) assert.deepEqual(told(await ask({ method, lines })), [405, 'method_unsupported'], method)
      for (const method of ['GET', 'HEAD']) assert.equal((await ask({ method, uri: '/read/x', lines })).status, 200)
      assert.equal((await ask({ method: 'DELETE', lines })).status, 200)
      assert.deepEqual(
        stage.audit('effect').map(({ effect }) => effect),
        ['DELETE /x'],
      )
    })

    test('who is nobody is told so, and a browser that opens a page is also told where to sign in', async (t) => {
      const { stage, ask, host } = await ground(t, start)
      for (const [of, uri] of [
        ['app.localhost', '/x'],
        ['bots.localhost', '/api/x'],
        ['few.localhost', '/only/x'],
      ] as const)
        for (const at of ['/authorize', '/authorize?sign-in=redirect']) {
          const tools = [
            await ask({ host: host(of), uri, at }),
            await ask({ host: host(of), uri, at, method: 'POST', lines: OPENS_PAGE }),
            await ask({ host: host(of), uri, at, lines: ['Accept: text/html', 'Sec-Fetch-Mode: cors'] }),
            await ask({ host: host(of), uri, at, lines: [...OPENS_PAGE, 'Authorization: Bearer a.b.c'] }),
          ]
          for (const answer of tools) {
            assert.equal(answer.status, 401, `${of} ${at}`)
            assert.match(headerOf(answer, 'www-authenticate') ?? '', /^Bearer realm="mandate"/)
            assert.deepEqual([headerOf(answer, 'location'), headerOf(answer, 'set-cookie')], [undefined, undefined])
          }
          const page = await ask({ host: host(of), uri: `${uri}?y=1`, at, lines: OPENS_PAGE })
          if (of === 'bots.localhost') {
            assert.deepEqual([page.status, headerOf(page, 'location')], [401, undefined], 'no person may come there')
            continue
          }
          assert.equal(page.status, at === '/authorize' ? 401 : 303)
          const { origin, pathname, searchParams } = new URL(headerOf(page, 'location') ?? '')
          assert.deepEqual(
            [origin, pathname, searchParams.get('host'), searchParams.get('return_to')],
            [stage.origin, '/.mandate/authorize', of, `${uri}?y=1`],
          )
          assert.match(headerOf(page, 'set-cookie') ?? '', /^mandate-browser-\d+=[\w-]{43}; Max-Age=600; Path=\/; HttpOnly; SameSite=Lax$/)
          assert.match(headerOf(page, 'cache-control') ?? '', /no-store/)
        }
      assert.deepEqual(stage.audit('granted'), [])
    })

    test('who is not allowed is refused by name', async (t) => {
      const { stage, ask, host } = await ground(t, start)
      const lines = [`Authorization: ${bearerOf(stage, 'alice')}`]
      for (const [of, uri] of [
        ['few.localhost', '/only/x'],
        ['bots.localhost', '/api/x'],
      ] as const)
        assert.deepEqual(told(await ask({ host: host(of), uri, lines })), [403, 'denied'])
      assert.deepEqual(
        stage.audit('refused').map(({ resource, code, who, action }) => [resource, code, who?.subject, action]),
        [
          ['route/few-localhost-3', 'denied', 'alice', 'get'],
          ['route/bots-localhost-2', 'denied', 'alice', 'get'],
        ],
      )
      const bob = [`Authorization: ${bearerOf(stage, 'bob')}`]
      assert.equal((await ask({ host: host('few.localhost'), uri: '/only/x', lines: bob })).status, 200)
    })

    test('who is allowed is named by us alone, and what the issuer did not say is absent', async (t) => {
      const { stage, ask, host } = await ground(t, start)
      const lies = ['X-Mandate-Subject: admin', 'X-Mandate-Actor: admin', 'X-Mandate-Scopes: admin']
      const person = await ask({ lines: [`Authorization: ${bearerOf(stage, 'alice')}`, ...lies] })
      assert.deepEqual([person.status, person.body], [200, ''])
      assert.doesNotMatch(person.all, /admin|authorization|bearer/i)
      assert.deepEqual(
        ['Subject', 'Kind', 'Provider', 'Groups', 'Actor'].map((fact) => headerOf(person, `X-Mandate-${fact}`)),
        ['alice', 'person', 'corp', 'team-a', undefined],
      )
      const machine = await ask({
        host: host('bots.localhost'),
        uri: '/api/x',
        lines: [`Authorization: Bearer ${stage.world.issuer.mintAccessToken({ client: 'robot' })}`, ...lies],
      })
      assert.deepEqual([machine.status, headerOf(machine, 'X-Mandate-Kind')], [200, 'machine'])
      assert.match(headerOf(machine, 'X-Request-Id') ?? '', /^[0-9a-f-]{36}$/)
      const [first] = stage.audit('granted')
      assert.deepEqual(
        [first?.resource, first?.rule, first?.credential, first?.properties['path'], first?.who?.subject],
        ['route/app', 'route/app', 'none', '/x', 'alice'],
      )
      assert.match(await stage.metrics(), /mandate_requests_total\{route="route\/app",method="GET",status="2xx"\} 1/)
    })

    test('limits and the header for a bearer are those of the route', async (t) => {
      const { stage, ask, host } = await ground(
        t,
        start,
        {},
        {
          configure(config) {
            const [first] = config['routes'] as Array<Record<string, unknown>>
            const few = { ...first, name: 'few', limit: { perPrincipal: '2/hour' }, bearerHeader: 'X-M2M-Token' }
            config['routes'] = [first, { ...few, match: { host: 'limited.localhost', path: '/**' } }]
          },
        },
      )
      const bearer = bearerOf(stage, 'alice')
      const token = `X-M2M-Token: ${bearer.slice('Bearer '.length)}`
      const limited = (...lines: string[]) => ask({ host: host('limited.localhost'), lines })
      assert.deepEqual(told(await limited(token, `Authorization: ${bearer}`)), [400, 'two_credentials'])
      assert.deepEqual(told(await ask({ lines: [token] })), [401, 'not_signed_in'], 'on another route it is no bearer')
      for (const lines of [[token], [`Authorization: ${bearer}`]]) assert.equal((await limited(...lines)).status, 200)
      const beyond = await limited(token)
      assert.deepEqual(told(beyond), [429, 'too_many_requests'])
      assert.match(headerOf(beyond, 'retry-after') ?? '', /^\d+$/)
    })

    test("the caller's address is what the listed proxies say, from the right", async (t) => {
      const { stage, ask } = await ground(t, start)
      await ask({ lines: [`Authorization: ${bearerOf(stage, 'alice')}`, 'X-Forwarded-For: 203.0.113.9, 198.51.100.7, 127.0.0.5'] })
      assert.equal(stage.audit('granted').at(-1)?.address, '198.51.100.7')
    })

    test('a person signs in, and their cookie works for that host alone, reads from pages and writes from its own', async (t) => {
      const { stage, ask, at, host } = await ground(t, start)
      const alice = await stage.browser()
      const landed = await alice.get(await untilHandedOver(alice, stage, await ask({ lines: OPENS_PAGE }), at('app.localhost'), 'alice'))
      assert.deepEqual([landed.status, landed.headers.location], [303, '/x'])
      const cookie = `Cookie: ${cookieOf(alice, { origin: at('app.localhost') })}`
      const own = `Origin: ${at('app.localhost')}`
      assert.equal((await ask({ lines: [cookie] })).status, 200)
      assert.deepEqual(told(await ask({ host: host('few.localhost'), uri: '/only/x', lines: [cookie] })), [401, 'login_ended'])
      const writes: ReadonlyArray<Asked> = [
        { method: 'POST' },
        { lines: ['Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='] },
        { lines: ['Sec-Fetch-Mode: websocket'] },
        { lines: ['Connection: Upgrade', 'Upgrade: websocket'] },
      ]
      for (const { method = 'GET', lines = [] } of writes) {
        for (const origin of [
          [],
          ['Origin: null'],
          ['Origin: https://evil.example'],
          [`Origin: ${stage.origin}`],
          ['Sec-Fetch-Site: same-site'],
        ])
          assert.deepEqual(told(await ask({ method, lines: [cookie, ...lines, ...origin] })), [403, 'origin_refused'], `${lines} ${origin}`)
        assert.equal((await ask({ method, lines: [cookie, ...lines, own] })).status, 200, `${lines}`)
      }
      assert.equal(stage.audit('effect').length, writes.length)
      for (const [mode, dest] of [
        ['no-cors', 'image'],
        ['cors', 'empty'],
        ['navigate', 'iframe'],
      ] as const)
        assert.deepEqual(
          told(await ask({ lines: [cookie, 'Sec-Fetch-Site: cross-site', `Sec-Fetch-Mode: ${mode}`, `Sec-Fetch-Dest: ${dest}`] })),
          [403, 'origin_refused'],
          dest,
        )
      assert.equal((await ask({ lines: [cookie, 'Sec-Fetch-Site: cross-site', ...OPENS_PAGE] })).status, 200)
      assert.deepEqual(told(await ask({ uri: '/sw.js', lines: [cookie, 'Service-Worker: script'] })), [403, 'service_worker_refused'])
    })

    test('a sign-out at one replica holds at the other, and an outage of the store is 503 with the cookie kept', async (t) => {
      const { stage, ask, at } = await ground(t, start, {}, { replicas: 2 })
      const signedIn = async (user: string) => {
        const browser = await stage.browser()
        await browser.get(await untilHandedOver(browser, stage, await ask({ lines: OPENS_PAGE }), at('app.localhost'), user))
        return browser
      }
      const [alice, bob] = [await signedIn('alice'), await signedIn('bob')]
      const there = (browser: typeof alice) => ask({ lines: [`Cookie: ${cookieOf(browser, { origin: at('app.localhost') })}`] }, 1)
      for (const browser of [alice, bob]) assert.equal((await there(browser)).status, 200)
      await stage.replicas[0]?.revocations.revoke({
        kind: 'principal',
        issuer: stage.world.issuer.issuer,
        subject: 'alice',
        notBefore: Date.now(),
      })
      await eventually(
        () => there(alice),
        (answer) => codeOf(answer) === 'login_ended',
        BOUND_MS,
      )
      await stage.world.storeDown()
      const away = await eventually(
        () => there(bob),
        ({ status }) => status === 503,
        BOUND_MS,
      )
      assert.deepEqual([codeOf(away), headerOf(away, 'set-cookie')], ['store_unavailable', undefined])
      await stage.world.storeUp()
      await eventually(
        () => there(bob),
        ({ status }) => status === 200,
        BOUND_MS,
      )
    })
  })
}

/** Follows what a proxy passed to the browser as far as the code for the host, with the cookie that came with it. */
function untilHandedOver(browser: Browser, stage: Stage, page: RawAnswer, at: string, user: string): Promise<string> {
  browser.jar.store(new URL(at), [headerOf(page, 'set-cookie') ?? ''])
  return untilSession(browser, stage, headerOf(page, 'location') ?? '', user)
}
