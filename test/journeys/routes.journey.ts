/** Routes: a page behind Mandate on its own host, for those who are signed in and as those who they are. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Browser } from '../fakes/browser.ts'
import { OPEN_REDIRECTS } from '../fakes/hostile/redirects.ts'
import { findForm } from '../fakes/html-form.ts'
import { eventually, openRaw } from '../fakes/raw-http.ts'
import { askRaw, bearerOf, codeOf, cookieOf } from './asks.ts'
import { stageWithService, untilSession } from './route-stage.ts'
import type { Stage } from './stage.ts'
import { CLIENT, type StartWorld } from './world.ts'

/** Two seconds, at three times their value. */
const BOUND_MS = 6_000
const JSON_ONLY = { headers: { accept: 'application/json' } }
const HTML = 'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nhello'

const cookieAt = (browser: Browser, origin: string) => cookieOf(browser, { origin })

async function signOut(browser: Browser, stage: Stage): Promise<void> {
  const page = await browser.get(`${stage.origin}/logout`)
  const { hidden } = findForm(page.body, page.url) ?? {}
  const answer = await browser.post(`${stage.origin}/logout`, { ...hidden }, { origin: stage.origin })
  assert.equal(answer.status, 200, answer.body)
}

/** Runs the journey on a world. */
export function routes(name: string, start: StartWorld): void {
  suite(`routes, ${name}`, () => {
    test('nobody reaches a service: a tool is told, a browser is led to sign in, and nothing arrives', async (t) => {
      const { stage, service, at, host } = await stageWithService(t, start)
      for (const place of ['app.localhost', 'other.localhost', 'bots.localhost', 'few.localhost', 'localhost']) {
        const path = { 'bots.localhost': '/api/x', 'few.localhost': '/only/x', localhost: '/inside/x' }[place] ?? '/x'
        for (const [method, accept] of [
          ['GET', 'application/json'],
          ['GET', '*/*'],
          ['POST', 'text/html'],
          ['DELETE', 'text/html'],
        ] as const) {
          const told = await askRaw(stage, path, [`Host: ${host(place)}`, `Accept: ${accept}`, 'Content-Length: 0'], method)
          assert.deepEqual([told.status, codeOf(told)], [401, 'not_signed_in'], `${method} ${place}`)
          assert.match(told.head, /content-type: application\/problem\+json/)
        }
      }
      const led = await (await stage.browser()).get(`${at('app.localhost')}/x?y=1`)
      assert.equal(led.status, 303)
      const { origin, pathname, searchParams } = new URL(led.headers.location ?? '')
      assert.deepEqual(
        [origin, pathname, searchParams.get('host'), searchParams.get('return_to')],
        [stage.origin, '/.mandate/authorize', 'app.localhost', '/x?y=1'],
      )
      assert.match(led.headers['set-cookie']?.[0] ?? '', /^mandate-browser-\d+=[\w-]{43}; Max-Age=600; Path=\/; HttpOnly; SameSite=Lax$/)
      assert.match(led.headers['cache-control'] ?? '', /no-store/)
      const inside = await (await stage.browser()).get(`${stage.origin}/inside/x?y=1`)
      assert.equal(inside.headers.location, '/login?return_to=%2Finside%2Fx%3Fy%3D1')
      const script = await (await stage.browser()).get(`${at('app.localhost')}/x`, { headers: { 'sec-fetch-mode': 'cors' } })
      assert.equal(script.status, 401, 'a script that asks for HTML could not follow')
      // Where no person may come, nobody is led.
      assert.equal((await (await stage.browser()).get(`${at('bots.localhost')}/api/x`)).status, 401)
      assert.deepEqual(service.heads(), [])
    })

    test('who is signed in is on the page in one go, as themselves, on each host and on the sign-in host', async (t) => {
      const { stage, service, at } = await stageWithService(t, start)
      const alice = await stage.browser()
      const first = await alice.signIn(`${at('app.localhost')}/page?x=1`, 'alice')
      assert.deepEqual([first.status, first.url], [200, `${at('app.localhost')}/page?x=1`])
      assert.match(service.heads().at(-1) ?? '', /^GET \/page\?x=1 HTTP\/1\.1\r\n[\s\S]*\r\nX-Mandate-Subject: alice\r\n/)
      // No page in between once there is a login.
      const second = await alice.follow(`${at('other.localhost')}/`)
      assert.deepEqual([second.status, second.url, second.trail.length], [200, `${at('other.localhost')}/`, 4])
      assert.equal((await alice.get(`${stage.origin}/inside/x`)).status, 200)
      const values = ['app.localhost', 'other.localhost', 'localhost'].map(
        (place) => /mandate-\d+=([\w-]+)/.exec(cookieAt(alice, at(place)))?.[1],
      )
      assert.equal(new Set(values).size, 3)
      assert.deepEqual(
        stage.audit('host-session').map(({ resource, who }) => [resource, who?.subject]),
        [
          ['host/app.localhost', 'alice'],
          ['host/other.localhost', 'alice'],
        ],
      )
      const granted = stage.audit('granted')
      assert.deepEqual(
        granted.map(({ resource, rule, credential, properties }) => [resource, rule, credential, properties['path']]),
        [
          ['route/app', 'route/app', 'none', '/page'],
          ['route/other-localhost-1', 'route/other-localhost-1', 'none', '/'],
          ['route/localhost-4', 'route/localhost-4', 'none', '/inside/x'],
        ],
      )
      assert.equal(new Set(granted.map(({ who }) => who?.proof)).size, 1, 'all rests on the one login')
      assert.deepEqual(
        stage.audit('host-code').map(({ resource, who, login }) => [resource, who?.subject, login]),
        stage.audit('host-session').map(({ resource, who, login }) => [resource, who?.subject, login]),
      )
      assert.match(await stage.metrics(), /mandate_requests_total\{route="route\/app",method="GET",status="2xx"\} 1/)
    })

    test('whatever headers a caller makes up, who asks is said once, by us; their bearer and our cookie end here', async (t) => {
      const { stage, service, at, host } = await stageWithService(t, start)
      const alice = await stage.browser()
      await alice.signIn(`${at('app.localhost')}/`, 'alice')
      const cookie = cookieAt(alice, at('app.localhost'))
      const lies = [
        'X-Mandate-Subject',
        'x-mandate-GROUPS',
        'X_Mandate_Subject',
        'X-Mandate_Email',
        'X-Forwarded-For',
        'X_Forwarded_User',
        'Forwarded',
        'X-Real-IP',
        'Remote-User',
        'X-Remote-User',
        'X-Request-Id',
        'Proxy-Authorization',
      ]
      const made = [
        ...lies.map((header) => `${header}: admin`),
        'Connection: X-Mandate-Subject, X-Mandate-Groups, x-request-id, X-Hop',
        'X-Hop: admin',
        'X-Own: kept',
      ]
      for (const credential of [`Authorization: ${bearerOf(stage, 'alice')}`, `Cookie: theme=dark; ${cookie}; lang=en`]) {
        const answer = await askRaw(stage, '/x', [`Host: ${host('app.localhost')}`, credential, ...made])
        assert.equal(answer.status, 200, answer.all)
        const head = service.heads().at(-1) ?? ''
        assert.doesNotMatch(head, /admin|authorization|bearer|mandate-\d|mandate-browser/i)
        assert.equal(head.match(/\r\nx.mandate.subject:/gi)?.length, 1)
        assert.match(head, /\r\nX-Mandate-Subject: alice\r\n[\s\S]*\r\nX-Mandate-Groups: team-a$/m)
        assert.match(head, /\r\nX-Own: kept\r\n/)
        assert.match(
          head,
          new RegExp(
            `\r\nX-Forwarded-For: 127\\.0\\.0\\.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: ${host('app.localhost')}\r\nX-Request-Id: [0-9a-f-]{36}\r\n`,
          ),
        )
        assert.match(head, new RegExp(`\r\nhost: 127\\.0\\.0\\.1:${service.port}\r\n`, 'i'))
      }
      assert.match(service.heads().at(-1) ?? '', /\r\nCookie: theme=dark; lang=en\r\n/)
      const impersonating = await askRaw(stage, '/x', [
        `Host: ${host('app.localhost')}`,
        `Authorization: ${bearerOf(stage, 'alice')}`,
        'Impersonate_User: admin',
      ])
      assert.equal(codeOf(impersonating), 'impersonation_refused')
    })

    test('a code works once, in its browser, on its host, for a login that is alive', async (t) => {
      const { stage, at, host } = await stageWithService(t, start)
      const alice = await stage.browser()
      const code = (place = 'app.localhost') => untilSession(alice, stage, `${at(place)}/x`, 'alice')
      const refused = async (url: string, browser: Browser, why = 'session_code_unknown') => {
        const answer = await browser.get(url)
        assert.deepEqual([codeOf(answer), answer.headers['set-cookie']], [why, undefined], answer.body)
        assert.ok(!answer.body.includes(new URL(url).searchParams.get('code') || 'no code at all'))
      }
      await refused(await code(), await stage.browser())
      const other = await stage.browser()
      await other.get(`${at('app.localhost')}/x`)
      await refused(await code(), other)
      const moved = new URL(await code())
      moved.hostname = 'other.localhost'
      await alice.get(`${at('other.localhost')}/x`)
      await refused(moved.href, alice)
      moved.hostname = 'app.localhost'
      await refused(moved.href, alice)
      for (const search of ['', '?code=', `?code=${'x'.repeat(43)}`])
        await refused(`${at('app.localhost')}/.mandate/session${search}`, alice)
      const good = await code()
      for (const dest of ['iframe', 'image', 'empty', 'script', 'object'])
        assert.equal(codeOf(await alice.get(good, { headers: { 'sec-fetch-dest': dest } })), 'origin_refused')
      assert.equal(
        (await askRaw(stage, new URL(good).pathname + new URL(good).search, [`Host: ${host('app.localhost')}`], 'POST')).status,
        405,
      )
      const twice = await alice.get(`${good}&code=x`)
      assert.equal(codeOf(twice), 'path_ambiguous')
      const done = await alice.get(good, { headers: { 'sec-fetch-dest': 'document' } })
      assert.deepEqual([done.status, done.headers.location], [303, '/x'])
      assert.match(done.headers['set-cookie']?.[0] ?? '', /^mandate-\d+=[\w-]{43}; Max-Age=28800; Path=\/; HttpOnly; SameSite=Lax$/)
      await refused(good, alice)
      const late = await code('other.localhost')
      await signOut(alice, stage)
      await refused(late, alice, 'login_ended')
      for (const url of [good, late])
        assert.ok(!stage.logged().includes(new URL(url).searchParams.get('code') || 'no code at all'), 'a code is in a log')
    })

    test('no page of a host sees a code on its way: no service worker, no window, no binding beside ours', async (t) => {
      const { stage, service, at, host } = await stageWithService(t, start, (socket) => {
        const lines = ['Service-Worker-Allowed: /', 'NEL: {}', 'Vary: Accept', 'Content-Type: text/javascript', 'Content-Length: 0']
        socket.write(`HTTP/1.1 200 OK\r\n${lines.join('\r\n')}\r\n\r\n`)
      })
      const bearer = `Authorization: ${bearerOf(stage, 'alice')}`
      for (const line of ['Service-Worker: script', 'Sec-Fetch-Dest: serviceworker'])
        for (const path of ['/', '/sw.js', '/sw.js?x=/a/']) {
          const script = await askRaw(stage, path, [`Host: ${host('app.localhost')}`, bearer, line])
          assert.deepEqual([script.status, codeOf(script)], [403, 'service_worker_refused'], `${line} ${path}`)
        }
      assert.deepEqual(service.heads(), [])
      for (const [place, path] of [
        ['app.localhost', '/app/sw.js'],
        ['localhost', '/inside/sw.js'],
      ] as const) {
        const script = await askRaw(stage, path, [`Host: ${host(place)}`, bearer, 'Service-Worker: script'])
        assert.equal(script.status, 200)
        assert.doesNotMatch(script.head, /service-worker-allowed|nel:/i)
        assert.match(script.head, /\r\nvary: accept\r\n[\s\S]*\r\nvary: service-worker\r\n/i)
      }
      const alice = await stage.browser()
      const code = await untilSession(alice, stage, `${at('app.localhost')}/x`, 'alice')
      // A page of the host can set a second one under another path, and then the first is not known for ours.
      const twice = `${cookieAt(alice, at('app.localhost'))}; mandate-browser-${new URL(stage.origin).port}=${'A'.repeat(43)}`
      const refused = await alice.get(code, { headers: { cookie: twice } })
      assert.equal(codeOf(refused), 'session_code_unknown')
      assert.equal(refused.headers['cross-origin-opener-policy'], 'same-origin')
      assert.equal(codeOf(await alice.get(code)), 'session_code_unknown', 'it is used up')
    })

    test('a login is given so many codes a minute, on whichever replica, each on record, and none where it may use nothing', async (t) => {
      const { stage, at } = await stageWithService(t, start, undefined, { replicas: 2 })
      const alice = await stage.browser('alice')
      const ask = (host: string, replica = 0) => {
        const origin = `http://localhost:${new URL(stage.origins[replica] ?? '').port}`
        const query = new URLSearchParams({ host, return_to: '/', browser: 'A'.repeat(43) })
        return alice.get(`${origin}/.mandate/authorize?${query}`, JSON_ONLY)
      }
      const denied = await ask('few.localhost')
      assert.deepEqual([denied.status, codeOf(denied), denied.headers.location], [403, 'denied', undefined])
      for (let nth = 0; nth < 30; nth += 1) assert.equal((await ask(nth < 15 ? 'app.localhost' : 'other.localhost', nth % 2)).status, 303)
      for (const replica of [0, 1]) {
        const late = await ask('app.localhost', replica)
        assert.deepEqual([late.status, codeOf(late), late.headers['retry-after']], [429, 'too_many_requests', '60'])
      }
      const bob = await stage.browser()
      assert.equal((await bob.signIn(`${at('app.localhost')}/`, 'bob')).status, 200, 'another login is not held up')
      const recorded = stage.audit('host-code').filter(({ who }) => who?.subject === 'alice')
      const to = (place: string) => recorded.filter(({ resource }) => resource === `host/${place}`).length
      assert.deepEqual([recorded.length, to('app.localhost'), to('other.localhost')], [30, 15, 15])
    })

    test("a host's cookie is worth nothing on the sign-in host and on any other, nor the login cookie on a host", async (t) => {
      const { stage, service, at, host } = await stageWithService(t, start)
      const alice = await stage.browser()
      await alice.signIn(`${at('app.localhost')}/`, 'alice')
      const before = service.heads().length
      const [onApp, login] = [cookieAt(alice, at('app.localhost')), cookieAt(alice, stage.origin)]
      for (const [cookie, place, path] of [
        [onApp, 'localhost', '/whoami'],
        [onApp, 'localhost', '/clusters/prod/version'],
        [onApp, 'localhost', '/inside/x'],
        [onApp, '127.0.0.1', '/whoami'],
        [onApp, 'other.localhost', '/x'],
        [login, 'app.localhost', '/x'],
        [login, 'other.localhost', '/x'],
      ] as const) {
        const answer = await askRaw(stage, path, [`Host: ${host(place)}`, `Cookie: ${cookie}`])
        assert.deepEqual([answer.status, codeOf(answer)], [401, 'login_ended'], `${place}${path}`)
      }
      assert.equal(service.heads().length, before)
      const stale = await (await stage.browser()).get(`${at('other.localhost')}/x`, { headers: { cookie: onApp } })
      assert.match(stale.headers.location ?? '', /\/\.mandate\/authorize\?/, 'a browser with it is led to sign in')
    })

    test('the way to a code leads to no other site and to no host that people do not sign in to', async (t) => {
      const { stage, at } = await stageWithService(t, start)
      const alice = await stage.browser('alice')
      const digest = 'A'.repeat(43)
      const ask = (query: Record<string, string>, headers: Record<string, string> = {}) =>
        alice.get(
          `${stage.origin}/.mandate/authorize?${new URLSearchParams({ host: 'app.localhost', return_to: '/', browser: digest, ...query })}`,
          {
            headers: { accept: 'application/json', ...headers },
          },
        )
      for (const value of OPEN_REDIRECTS) {
        const answer = await ask({ return_to: value })
        assert.deepEqual([answer.status, answer.headers.location], [400, undefined], value)
        assert.equal(codeOf(answer), value.includes('\u0000') ? 'path_ambiguous' : 'return_to_refused', value)
      }
      for (const host of [
        '',
        'localhost',
        '127.0.0.1',
        'evil.example',
        'APP.localhost',
        'app.localhost.',
        'app.localhost:80',
        'x.app.localhost',
        'bots.localhost',
        'constructor',
        '__proto__',
      ])
        assert.deepEqual([(await ask({ host })).status, codeOf(await ask({ host }))], [400, 'return_to_refused'], host)
      for (const browser of ['', 'x', `${digest}A`, `${digest.slice(1)}!`])
        assert.equal(codeOf(await ask({ browser })), 'session_code_unknown')
      for (const dest of ['iframe', 'image', 'empty']) assert.equal(codeOf(await ask({}, { 'sec-fetch-dest': dest })), 'origin_refused')
      for (const twice of ['host', 'return_to', 'browser'])
        assert.equal(codeOf(await alice.get(`${stage.origin}/.mandate/authorize?${twice}=a&${twice}=b`, JSON_ONLY)), 'path_ambiguous')
      const fine = await ask({ return_to: '/login?x=1' }, { 'sec-fetch-dest': 'document' })
      assert.match(fine.headers.location ?? '', new RegExp(`^${at('app.localhost')}/\\.mandate/session\\?code=[\\w-]{43}$`))
      assert.deepEqual([fine.headers['x-frame-options'], fine.headers['set-cookie']], ['DENY', undefined])
      // A way back that is longer than any link is lost; the sign-in is not.
      const long = await alice.follow(`${at('app.localhost')}/${'a'.repeat(4_000)}`)
      assert.deepEqual([long.status, long.url], [200, `${at('app.localhost')}/`])
    })

    test('a host of routes serves its routes and nothing of Mandate', async (t) => {
      const { stage, service, host } = await stageWithService(t, start)
      const bearer = `Authorization: ${bearerOf(stage, 'bob')}`
      const few = [`Host: ${host('few.localhost')}`, bearer]
      for (const path of [
        '/',
        '/login',
        '/logout',
        '/whoami',
        '/callback/corp',
        '/clusters/prod/version',
        '/onlyx',
        '/Only',
        '/.mandate/authorize',
        '/.mandate/command-line',
        '/.mandate/session/x',
      ]) {
        const answer = await askRaw(stage, path, few)
        assert.deepEqual([answer.status, codeOf(answer)], [404, 'not_found'], path)
      }
      for (const path of ['/.mandate', '/.mandate/', '/.mandate/x', '/.mandate/authorize'])
        assert.equal(codeOf(await askRaw(stage, path, [`Host: ${host('app.localhost')}`, bearer])), 'not_found', path)
      for (const lines of [few, [`Host: ${host('app.localhost')}`, bearer]])
        for (const path of ['/clusters/prod/api/v1/namespaces/team-a/pods/web/exec', '/only/x'])
          for (const upgrade of ['websocket', 'SPDY/3.1'])
            assert.equal(
              codeOf(await askRaw(stage, path, [...lines, 'Connection: Upgrade', `Upgrade: ${upgrade}`])),
              'upgrade_unsupported',
              path,
            )
      for (const method of ['TRACE'])
        assert.equal((await askRaw(stage, '/x', [`Host: ${host('app.localhost')}`, bearer], method)).status, 405)
      for (const unknown of ['evil.example', 'x.app.localhost', 'app.localhost.evil.example'])
        assert.equal((await askRaw(stage, '/', [`Host: ${unknown}`])).status, 421)
      assert.deepEqual(service.heads(), [])
      assert.equal((await askRaw(stage, '/only/x', few)).status, 200)
      // What is the service's own on a host of its own, it gets.
      assert.equal((await askRaw(stage, '/login', [`Host: ${host('app.localhost')}`, bearer])).status, 200)
    })

    test('who is not allowed is refused, whatever they show', async (t) => {
      const { stage, service, host } = await stageWithService(t, start)
      const as = (user: string, place: string) => [`Host: ${host(place)}`, `Authorization: ${bearerOf(stage, user)}`]
      for (const [lines, path] of [
        [as('alice', 'few.localhost'), '/only/x'],
        [as('alice', 'bots.localhost'), '/api/x'],
      ] as const)
        assert.deepEqual((({ status, ...answer }) => [status, codeOf(answer)])(await askRaw(stage, path, lines)), [403, 'denied'])
      const page = await askRaw(stage, '/only/x', [...as('alice', 'few.localhost'), 'Accept: text/html'])
      assert.match(page.body, /No rule allows this caller here/)
      assert.doesNotMatch(page.body, /href=/, 'a bearer is not asked to sign in')
      const forged = await askRaw(stage, '/x', [`Host: ${host('app.localhost')}`, 'Authorization: Bearer a.b.c', 'Accept: text/html'])
      assert.equal(forged.status, 401, 'a bearer that does not hold is not led to sign in')
      assert.deepEqual(service.heads(), [])
    })

    test('a path that can be read in two ways reaches no service; any other arrives byte for byte', async (t) => {
      const { stage, service, host } = await stageWithService(t, start)
      const lines = [`Host: ${host('app.localhost')}`, `Authorization: ${bearerOf(stage, 'alice')}`]
      for (const path of [
        '//x',
        '/a//b',
        '/./x',
        '/a/../b',
        '/%2e%2e/x',
        '/a%2fb',
        '/a%5cb',
        '/a;b',
        '/a\\b',
        '/%61',
        '/a%',
        '/%00',
        '/a%0ab',
        '/.mandate%2fsession',
        '/a#b',
        'http://other.localhost/x',
      ])
        assert.equal((await askRaw(stage, path, lines)).status, 400, path)
      assert.deepEqual(service.heads(), [])
      for (const path of ['/', '/a/', '/%C3%A9/a%20b?q=%2F..%2F&r="<>', "/a!$&'()*+,=:@~", '/x?', '/x??a=//b/../c']) {
        assert.equal((await askRaw(stage, path, lines)).status, 200, path)
        assert.ok(service.heads().at(-1)?.startsWith(`GET ${path} HTTP/1.1\r\n`), path)
      }
    })

    test('a cookie writes from a page of its own host alone; a link from elsewhere may open a page', async (t) => {
      const { stage, service, at } = await stageWithService(t, start)
      const alice = await stage.browser()
      await alice.signIn(`${at('app.localhost')}/`, 'alice')
      const before = service.heads().length
      for (const headers of [
        {},
        { origin: 'null' },
        { origin: 'https://evil.example' },
        { origin: stage.origin },
        { origin: at('other.localhost') },
        { origin: at('app.localhost').replace(/\d+$/, '1') },
        { 'sec-fetch-site': 'same-site' },
        { 'sec-fetch-site': 'cross-site' },
      ] as ReadonlyArray<Record<string, string>>) {
        for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'PROPFIND']) {
          const refused = await alice.get(`${at('app.localhost')}/x`, { method, headers })
          assert.deepEqual([refused.status, codeOf(refused)], [403, 'origin_refused'], `${method} ${JSON.stringify(headers)}`)
        }
      }
      const onSignInHost = await alice.get(`${stage.origin}/inside/x`, { method: 'POST', headers: { origin: at('app.localhost') } })
      assert.equal(codeOf(onSignInHost), 'origin_refused')
      assert.equal(service.heads().length, before)
      const written = await alice.get(`${at('app.localhost')}/x`, {
        method: 'POST',
        headers: { origin: at('app.localhost'), 'content-length': '0' },
      })
      assert.equal(written.status, 200)
      assert.equal(stage.audit('effect').at(-1)?.effect, 'POST /x')
      const arrived = service.heads().length
      for (const site of ['same-site', 'cross-site'])
        for (const [mode, dest] of [
          ['no-cors', 'script'],
          ['no-cors', 'image'],
          ['cors', 'empty'],
          ['navigate', 'iframe'],
        ] as const)
          for (const url of [`${at('app.localhost')}/x`, `${stage.origin}/inside/x`]) {
            const headers = { 'sec-fetch-site': site, 'sec-fetch-mode': mode, 'sec-fetch-dest': dest }
            const embedded = await alice.get(url, { headers })
            assert.deepEqual([embedded.status, codeOf(embedded)], [403, 'origin_refused'], `${url} ${site} ${dest}`)
          }
      assert.equal(service.heads().length, arrived)
      const opens = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }
      assert.equal((await alice.get(`${at('app.localhost')}/x`, { headers: opens })).status, 200)
    })

    test('who asks for events takes the place of a request until there are any, and of a stream from then on', async (t) => {
      const events = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n'
      const { stage, service, host } = await stageWithService(
        t,
        start,
        (socket, head) => void (head.includes('/events') ? socket.write(events) : head.includes('/hang') ? undefined : socket.write(HTML)),
        {
          configure(config) {
            config['limits'] = { perPrincipal: { attempts: 3, streams: 5 } }
          },
        },
      )
      const lines = `Host: ${host('app.localhost')}\r\nAuthorization: ${bearerOf(stage, 'alice')}\r\nAccept: text/event-stream\r\n\r\n`
      const ask = async (path: string) => {
        const connection = await openRaw(Number(new URL(stage.origin).port))
        t.after(() => connection.socket.destroy())
        connection.send(`GET ${path} HTTP/1.1\r\n${lines}`)
        return connection
      }
      for (let nth = 0; nth < 5; nth += 1) await (await ask('/events')).until(/data: 1/)
      await (await ask('/events')).until(/too_many_requests[\s\S]*at most 5 streams|at most 5 streams[\s\S]*too_many_requests/)
      const before = service.heads().length
      const hanging = await Promise.all(Array.from({ length: 3 }, () => ask('/hang')))
      await eventually(
        async () => service.heads().length - before,
        (arrived) => arrived === 3,
        BOUND_MS,
      )
      await (await ask('/hang')).until(/at most 3 requests/)
      assert.equal(service.heads().length - before, 3)
      for (const { socket } of hanging) socket.destroy()
      await eventually(
        () => askRaw(stage, '/x', lines.trimEnd().split('\r\n')),
        ({ status }) => status === 200,
        BOUND_MS,
      )
    })

    test('what a route says of headers, service workers and a slash holds for it and for no other', async (t) => {
      const { stage, service, host } = await stageWithService(t, start, undefined, {
        configure(config) {
          const [first] = config['routes'] as Array<Record<string, unknown>>
          const own = (path: string, keys: object) => ({
            ...first,
            ...keys,
            name: `own${path.length}`,
            match: { host: 'own.localhost', path },
          })
          config['routes'] = [first, own('/**', { serviceWorkerOpen: true, withhold: ['X-Login', 'Login.As'] }), own('/one', {})]
        },
      })
      const ask = async (place: string, path: string, ...lines: string[]) => {
        const answer = await askRaw(stage, path, [`Host: ${host(place)}`, `Authorization: ${bearerOf(stage, 'alice')}`, ...lines])
        return answer.status === 200 ? [service.heads().at(-1) ?? '', stage.audit('granted').at(-1)?.resource] : [codeOf(answer)]
      }
      const lies = ['X-Login: admin', 'x-LOGIN: admin', 'Login-As: admin', 'X-Other: kept']
      const [own = ''] = await ask('own.localhost', '/x', ...lies)
      assert.doesNotMatch(own, /admin/)
      assert.match(own, /X-Other: kept/)
      assert.match((await ask('app.localhost', '/x', ...lies))[0] ?? '', /X-Login: admin[\s\S]*X-Other: kept/)
      assert.match((await ask('own.localhost', '/sw.js', 'Service-Worker: script'))[0] ?? '', /^GET \/sw\.js /)
      for (const [place, path] of [
        ['own.localhost', '/one'],
        ['app.localhost', '/sw.js'],
      ] as const)
        assert.deepEqual(await ask(place, path, 'Service-Worker: script'), ['service_worker_refused'])
      for (const [path, route] of [
        ['/one', 'route/own4'],
        ['/one/', 'route/own4'],
        ['/one/x', 'route/own3'],
      ] as const)
        assert.equal((await ask('own.localhost', path))[1], route, path)
    })

    test('a service sets its own cookies and no others, and leads back to its own origin as ours', async (t) => {
      const { at, stage, service } = await stageWithService(t, start, (socket, head) => {
        const location = head.includes('/away') ? 'https://elsewhere.example/' : `http://127.0.0.1:${service.port}/next?x=1`
        const cookies = [
          'mandate-8080=stolen',
          `mandate-${new URL(stage.origin).port}=stolen`,
          '__Host-mandate=stolen',
          'a=1; Domain=localhost',
          'own=1; Path=/',
        ]
        const lines = [
          ...cookies.map((cookie) => `Set-Cookie: ${cookie}`),
          `Location: ${location}`,
          'X-Mandate-Subject: admin',
          'Cache-Control: public, max-age=9',
        ]
        socket.write(`HTTP/1.1 302 Found\r\n${lines.join('\r\n')}\r\nContent-Length: 0\r\n\r\n`)
      })
      const alice = await stage.browser('alice')
      await alice.get(await untilSession(alice, stage, `${at('app.localhost')}/x`, 'alice'))
      const { headers, status } = await alice.get(`${at('app.localhost')}/x`)
      assert.equal(status, 302)
      assert.deepEqual(headers['set-cookie'], ['own=1; Path=/'])
      assert.deepEqual(
        [headers.location, headers['x-mandate-subject'], headers['cache-control']],
        [`${at('app.localhost')}/next?x=1`, undefined, 'max-age=9, private'],
      )
      assert.equal((await alice.get(`${at('app.localhost')}/away`)).headers.location, 'https://elsewhere.example/')
    })

    test('a logout at one replica ends the page and its event stream on every host at the other', async (t) => {
      const { stage, host, at } = await stageWithService(
        t,
        start,
        (socket, head) =>
          void socket.write(head.includes('/events') ? 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n' : HTML),
        { replicas: 2 },
      )
      const port = Number(new URL(stage.origins[1] ?? '').port)
      const alice = await stage.browser()
      await alice.signIn(`${at('app.localhost')}/`, 'alice')
      await alice.follow(`${at('other.localhost')}/`)
      const there = (place: string) =>
        askRaw({ origin: `http://localhost:${port}` }, '/x', [`Host: ${host(place)}`, `Cookie: ${cookieAt(alice, at(place))}`])
      for (const place of ['app.localhost', 'other.localhost']) assert.equal((await there(place)).status, 200)
      const stream = await openRaw(port)
      stream.send(`GET /events HTTP/1.1\r\nHost: ${host('app.localhost')}\r\nCookie: ${cookieAt(alice, at('app.localhost'))}\r\n\r\n`)
      await stream.until(/data: 1/)
      await signOut(alice, stage)
      await stream.until(/\r\n0\r\n\r\n$/, BOUND_MS)
      stream.socket.destroy()
      for (const place of ['app.localhost', 'other.localhost'])
        await eventually(
          () => there(place),
          (answer) => codeOf(answer) === 'login_ended',
          BOUND_MS,
        )
      assert.match((await alice.get(`${at('app.localhost')}/x`)).headers.location ?? '', /\/\.mandate\/authorize\?/)
      assert.equal(stage.audit('stream-closed').at(-1)?.cause, 'caller-ended')
    })

    test("the issuer's and an operator's word end a host's cookie as well", async (t) => {
      const { stage, at } = await stageWithService(t, start)
      const { issuer } = stage.world
      const words: ReadonlyArray<() => Promise<unknown>> = [
        async () => {
          const body = new URLSearchParams({ logout_token: issuer.mintLogoutToken('alice', CLIENT) })
          assert.equal((await fetch(`${stage.origin}/back-channel-logout/corp`, { method: 'POST', body })).status, 200)
        },
        async () =>
          stage.replicas[0]?.revocations.revoke({ kind: 'principal', issuer: issuer.issuer, subject: 'alice', notBefore: Date.now() }),
      ]
      for (const say of words) {
        const alice = await stage.browser()
        await alice.signIn(`${at('app.localhost')}/`, 'alice')
        const open = () => alice.get(`${at('app.localhost')}/x`, JSON_ONLY)
        assert.equal((await open()).status, 200)
        await say()
        await eventually(open, (answer) => codeOf(answer) === 'login_ended', BOUND_MS)
      }
    })

    test('an outage of the store is 503 for people, on the page and on the way to it, and the cookie is kept', async (t) => {
      const { stage, at } = await stageWithService(t, start)
      const alice = await stage.browser()
      await alice.signIn(`${at('app.localhost')}/`, 'alice')
      const way = await untilSession(alice, stage, `${at('other.localhost')}/x`, 'alice')
      await stage.world.storeDown()
      // Known here, but believed only in sight of the revocations.
      await eventually(
        () => alice.get(`${at('app.localhost')}/x`),
        ({ status }) => status === 503,
        BOUND_MS,
      )
      for (const url of [`${at('app.localhost')}/x`, way]) {
        const answer = await alice.get(url)
        assert.deepEqual([answer.status, codeOf(answer), answer.headers['set-cookie']], [503, 'store_unavailable', undefined], url)
      }
      await stage.world.storeUp()
      await eventually(
        () => alice.get(`${at('app.localhost')}/x`),
        ({ status }) => status === 200,
        BOUND_MS,
      )
    })
  })
}
