/** Forward-auth behind a real nginx, a real Caddy and a real Traefik, each with its example's configuration. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Browser } from '../fakes/browser.ts'
import { findForm } from '../fakes/html-form.ts'
import { brought, eventually } from '../fakes/raw-http.ts'
import { bearerOf, cookieOf } from '../journeys/asks.ts'
import { type Arrived, CADDY, type IngressStage, NGINX, setIngressStage, TRAEFIK } from './forward-auth-stage.ts'
import { launchChromium } from './parts/chromium.ts'

const bound = { timeout: 120_000 }
/** Two seconds, at three times their value. */
const BOUND_MS = 6_000

const robot = ({ stage }: IngressStage) => ({ authorization: `Bearer ${stage.world.issuer.mintAccessToken({ client: 'robot' })}` })
const named = ({ rawHeaders }: Arrived, name: RegExp) => rawHeaders.filter((each, at) => at % 2 === 0 && name.test(each))
const lineOf = ({ rawHeaders }: Arrived, name: string) =>
  rawHeaders.find((_each, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === name)

const NOTHING: Arrived = { method: '', url: '', rawHeaders: [] }

for (const ingress of [NGINX, CADDY, TRAEFIK]) {
  const behind = (what: string, run: (ground: IngressStage, t: TestContext) => Promise<void>) =>
    void test(`behind ${ingress.name} ${what}`, bound, async (t) => run(await setIngressStage(t, ingress), t))

  behind('who is nobody, is a stranger or is not allowed reaches nothing', async (ground) => {
    const { stage, ask, at, arrived } = ground
    const nobody = await ask(at('api'), '/x')
    assert.equal(nobody.status, 401)
    assert.match(String(nobody.headers['www-authenticate']), /^Bearer realm="mandate"/)
    for (const method of ['GET', 'POST', 'DELETE']) {
      assert.equal((await ask(at('app'), '/x', { method, headers: { accept: 'application/json' } })).status, 401)
      assert.equal((await ask(at('api'), '/x', { method, headers: { authorization: 'Bearer a.b.c' } })).status, 401)
      assert.equal((await ask(at('api'), '/x', { method, headers: { authorization: bearerOf(stage, 'alice') } })).status, 403)
      assert.equal((await ask(at('app'), '/x', { method, headers: robot(ground) })).status, 403)
    }
    assert.equal((await ask(ground.origin, '/authorize', { headers: robot(ground) })).status, 404)
    for (const path of ['/.mandate/authorize', '/.mandate/other', '/ask-mandate/../.mandate/x'])
      assert.ok([400, 404].includes((await ask(at('api'), path, { headers: robot(ground) })).status), path)
    assert.deepEqual(arrived(), [])
  })

  behind('a path that can be read in two ways reaches nothing, whatever the caller says was asked', async (ground) => {
    const { stage, ask, at, arrived } = ground
    const said = { 'x-forwarded-uri': '/x', 'x-forwarded-method': 'GET', 'x-original-url': `${at('api')}/x`, 'x-original-method': 'GET' }
    const cleaned: string[] = []
    for (const path of [
      '//x',
      '/a//b',
      '/a/../b',
      '/./b',
      '/%2e%2e/b',
      '/a%2Fb',
      '/a;b',
      '/a\\b',
      '/a%5Cb',
      '/a%252Fb',
      '/a%00b',
      '/%2fb',
    ]) {
      const clean = ingress.cleaned[path]
      assert.equal((await ask(at('api'), path, { headers: { ...robot(ground), ...said } })).status, clean === undefined ? 400 : 200, path)
      if (clean === undefined) continue
      cleaned.push(clean)
      assert.equal(stage.audit('granted').at(-1)?.properties['path'], clean, 'what the service gets is what was asked about')
    }
    assert.deepEqual(
      arrived().map(({ url }) => url),
      cleaned,
    )
    for (const path of ['/x', '/a/b?c=%2F..%2F&d=//', '/%C3%A9/a%20b'])
      assert.equal((await ask(at('api'), path, { headers: { ...robot(ground), ...said } })).status, 200, path)
    assert.deepEqual(
      arrived()
        .slice(cleaned.length)
        .map(({ url }) => url),
      ['/x', '/a/b?c=%2F..%2F&d=//', '/%C3%A9/a%20b'],
    )
  })

  behind('what is no request for a path, or ends in two places, brings nothing to the service that nobody asked about', async (ground) => {
    const { stage, at, exchange, arrived } = ground
    const { host } = new URL(at('api'))
    const common = `Host: ${host}\r\nAuthorization: ${robot(ground).authorization}\r\n`
    const targets = ['http:secret', `https:${host}/secret`, 'secret', '*', '/x y', '?x', '/.mandate%2Fx', '/\u00ff', host]
    for (const line of [...targets.map((target) => `GET ${target}`), `CONNECT ${host}`, 'CONNECT /x', 'TRACE /x']) {
      const said = await exchange(at('api'), `${line} HTTP/1.1\r\n${common}Connection: close\r\n\r\n`)
      assert.match(said, /^HTTP\/1\.1 [45]\d\d |^$/, line)
    }
    assert.deepEqual(arrived(), [])
    // Caddy answers the second by itself, and asks about the fragment as the end of the path.
    for (const line of ['GET /x#y', 'OPTIONS *']) await exchange(at('api'), `${line} HTTP/1.1\r\n${common}Connection: close\r\n\r\n`)
    assert.deepEqual(arrived(), [])
    assert.deepEqual(stage.audit('granted'), [])

    const inner = `GET /smuggled HTTP/1.1\r\nHost: ${host}\r\nX-Mandate-Subject: admin\r\nConnection: close\r\n\r\n`
    const chunked = `0\r\n\r\n${inner}`
    const whole = `${inner.length.toString(16)}\r\n${inner}\r\n0\r\n\r\n`
    const bodies = [
      [`Content-Length: ${chunked.length}\r\nTransfer-Encoding: chunked`, chunked],
      ['Content-Length: 3\r\nTransfer-Encoding: chunked', whole],
      [`Content-Length: ${chunked.length}\r\nTransfer-Encoding: identity, chunked`, chunked],
      [`Content-Length: ${chunked.length}\r\nTransfer-Encoding : chunked`, chunked],
      [`Content-Length: ${chunked.length}\r\nTransfer-Encoding:\x0bchunked`, chunked],
      [`Content-Length: ${chunked.length}\r\nTransfer_Encoding: chunked`, chunked],
      [`Content-Length: ${chunked.length}\r\nX: y\r\n Transfer-Encoding: chunked`, chunked],
      ['Transfer-Encoding: chunked\r\nTransfer-Encoding: identity', chunked],
      ['Content-Length: 0\r\nContent-Length: 5', inner],
      ['Content-Length: +0', inner],
      ['Content-Length: 0\nTransfer-Encoding: chunked', whole],
      ['Transfer-Encoding: chunked', `0;\n${chunked}`],
      ['Expect: 100-continue\r\nContent-Length: 0', inner],
      ['', inner],
    ] as const
    await Promise.all(
      bodies.map(([lines, body]) => exchange(at('api'), `POST /x HTTP/1.1\r\n${common}${lines === '' ? '' : `${lines}\r\n`}\r\n${body}`)),
    )
    const written = arrived()
    assert.ok(written.length > 0, 'some are read in one way alone')
    for (const { method, url, rawHeaders } of written) assert.deepEqual([method, url], ['POST', '/x'], rawHeaders.join('\n'))
    for (const one of written) assert.equal(lineOf(one, 'x-mandate-subject'), 'robot')
    assert.equal(stage.audit('granted').length, arrived().length)
  })

  if (ingress !== NGINX)
    behind('nothing more is reached over HTTP/2', async (ground) => {
      const { at, askHttp2, arrived } = ground
      const refused = ({ status }: { status: number }) => status === 0 || status >= 400
      const app = new URL(at('app')).host
      assert.equal((await askHttp2(at('api'), { ':path': '/x' })).status, 401)
      assert.ok(refused(await askHttp2(at('api'), { ':method': 'CONNECT', ...robot(ground) })))
      for (const path of ['/a%2Fb', '/a;b', '/.mandate/x'])
        assert.ok(refused(await askHttp2(at('api'), { ':path': path, ...robot(ground) })), path)
      assert.equal((await askHttp2(at('app'), { ':path': '/x', ...robot(ground) })).status, 403)
      await askHttp2(at('app'), { ':path': '/x', host: new URL(at('api')).host, ...robot(ground) })
      assert.deepEqual(arrived(), [])
      const lies = { 'x-forwarded-host': app, 'x-mandate-subject': 'admin', x_mandate_subject: 'admin', te: 'trailers' }
      const { status, body } = await askHttp2(at('api'), { ':path': '/x', ...robot(ground), ...lies })
      assert.deepEqual([status, body], [200, 'hello robot'])
      const [one = NOTHING] = arrived()
      assert.deepEqual([lineOf(one, 'host'), lineOf(one, 'x-forwarded-host')], [new URL(at('api')).host, new URL(at('api')).host])
      assert.doesNotMatch(one.rawHeaders.join('\n'), /admin|bearer/i)
    })

  behind('no connection changes to HTTP/2, in which nobody would be asked', async (ground) => {
    const { at, webSocket, arrived, ask } = ground
    const settings = { 'http2-settings': 'AAMAAABkAAQCAAAAAAIAAAAA' }
    const asked = [
      { upgrade: 'h2c', connection: 'Upgrade, HTTP2-Settings', ...settings },
      { upgrade: 'H2C', connection: 'upgrade' },
      { upgrade: 'h2c, websocket', connection: 'Upgrade' },
      { upgrade: 'websocket, h2c', connection: 'Upgrade' },
      { upgrade: ['h2c', 'websocket'], connection: 'Upgrade' },
      { upgrade: 'h2c', connection: 'close, Upgrade, X-Mandate-Subject', ...settings },
    ]
    for (const lines of asked) {
      const { status } = await webSocket(at('api'), '/x', { ...robot(ground), ...lines })
      const changed = lineOf(arrived().at(-1) ?? NOTHING, 'upgrade')
      assert.ok([200, 400].includes(status) || changed === 'websocket', `${lines.upgrade}: ${status}, ${changed}`)
    }
    assert.equal((await ask(at('api'), '/x', { headers: { ...robot(ground), ...settings } })).status, 200)
    for (const one of arrived()) {
      assert.ok([undefined, 'websocket'].includes(lineOf(one, 'upgrade')))
      assert.deepEqual([named(one, /^http2-settings$/i), lineOf(one, 'x-mandate-subject')], [[], 'robot'])
    }
  })

  behind('a request line that names another host than Host does not reach it, nor does a bearer among subprotocols', async (ground) => {
    const { at, ask, webSocket, arrived, stage } = ground
    const hostOf = (name: string) => new URL(at(name)).host
    for (const host of [hostOf('api'), 'api.lab.localhost']) {
      const answer = await ask(at('api'), `${at('app')}/secret`, { headers: { ...robot(ground), host } })
      assert.ok([400, 403].includes(answer.status), `${host}: ${answer.status}`)
    }
    const token = robot(ground).authorization.slice('Bearer '.length)
    const hidden = `chat, base64url.bearer.authorization.k8s.io.${Buffer.from(token).toString('base64url')}`
    for (const shown of [{}, robot(ground)])
      assert.equal((await webSocket(at('api'), '/socket', { ...shown, 'sec-websocket-protocol': hidden })).status, 401)
    assert.equal(stage.audit('refused').at(-1)?.code, 'authorization_malformed')
    assert.deepEqual(arrived(), [])
    assert.equal((await ask(at('api'), `${at('api')}/x`, { headers: robot(ground) })).status, 200)
    assert.equal((await ask(at('api'), '/x', { headers: { ...robot(ground), host: 'API.lab.localhost' } })).status, 200)
  })

  behind('whatever headers a caller makes up, who asks is said once and by Mandate', async (ground) => {
    const { stage, ask, at, arrived } = ground
    const lies = ['X-Mandate-Subject', 'x-mandate-GROUPS', 'X-Mandate-Actor', 'X_Mandate_Subject', 'X-Mandate_Subject', 'X.Mandate.Subject']
    const believed = ['X-Forwarded-User', 'X-Auth-Request-User', 'X-Auth-Request-Email', 'Remote-User', 'X-Remote-User', 'X-WebAuth-User']
    const from = ['Forwarded', 'X-Real-IP', 'X-Client-IP', 'True-Client-IP', 'X-Forwarded-Prefix', 'X-Forwarded-Port', 'X-Forwarded-Scheme']
    const headers = {
      ...robot(ground),
      ...Object.fromEntries([...lies, ...believed, ...from, 'X-M2M-Client-ID'].map((name) => [name, 'admin'])),
      'X-HTTP-Method-Override': 'DELETE',
      'X-Forwarded-For': '203.0.113.9',
      'X-Forwarded-Host': at('app').slice('https://'.length),
      'X-Forwarded-Proto': 'http',
      'X-Forwarded-Method': 'DELETE',
      'X-Forwarded-Uri': '/lie',
      Connection: 'close, X-Mandate-Subject, X-Mandate-Kind, X-Mandate-Issuer',
    }
    const answer = await ask(at('api'), '/true', { method: 'POST', headers, body: 'kept' })
    assert.deepEqual([answer.status, answer.body], [200, 'hello robot'])
    const [request] = arrived()
    assert.ok(request !== undefined)
    assert.deepEqual([request.method, request.url], ['POST', '/true'])
    assert.deepEqual(named(request, /mandate.subject/i), ['X-Mandate-Subject'])
    assert.deepEqual([lineOf(request, 'x-mandate-kind'), lineOf(request, 'authorization')], ['machine', undefined])
    const own = named(request, /method|mandate.actor|mandate.groups|remote|user|real|forwarded-(?!for|proto|host)/i)
    assert.deepEqual(
      own.filter((name) => !ingress.writes.test(name)),
      [],
    )
    assert.deepEqual([lineOf(request, 'x-forwarded-proto'), lineOf(request, 'x-forwarded-host')], ['https', new URL(at('api')).host])
    assert.doesNotMatch(request.rawHeaders.join('\n'), /admin|203\.0\.113|bearer/i)
    const granted = stage.audit('granted').at(-1)
    assert.deepEqual([granted?.address, granted?.action, granted?.properties['path']], ['127.0.0.1', 'post', '/true'])
    assert.equal(stage.audit('effect').at(-1)?.effect, 'POST /true')
  })

  behind('a person signs in, reads, writes from their own pages, and is out within two seconds of signing out', async (ground) => {
    const { stage, origin, at, ask, arrived } = ground
    const browser = ground.browser()
    const landed = await browser.signIn(`${at('app')}/page?x=1`, 'alice')
    assert.deepEqual([landed.status, landed.url, landed.body], [200, `${at('app')}/page?x=1`, 'hello alice'], landed.trail.join('\n'))
    const again = await browser.get(`${at('app')}/again`)
    assert.deepEqual([again.status, again.headers['service-worker-allowed']], [200, undefined])
    assert.deepEqual(String(again.headers['vary']).split(/, */).sort(), ['Accept-Language', ...(ingress.cuts ? ['Service-Worker'] : [])])
    const cookies = (one = NOTHING) => (lineOf(one, 'cookie') ?? '').split(';').map((pair) => pair.trim())
    const isOurs = (pair: string) => pair.startsWith('__Host-mandate')
    const others = (one?: Arrived) => cookies(one).filter((pair) => pair !== '' && !isOurs(pair))
    assert.deepEqual(others(arrived().at(-1)), ['theme=dark'])
    assert.match(cookieOf(browser, { origin: at('app') }), /__Host-mandate=[\w-]{43}/)
    const mixed = `a=1; ${cookieOf(browser, { origin: at('app') })}; b=2`
    assert.equal((await ask(at('app'), '/mixed', { headers: { cookie: mixed } })).status, 200)
    assert.deepEqual(others(arrived().at(-1)).sort(), ['a=1', 'b=2', 'theme=dark'])
    assert.equal(
      arrived().some((one) => cookies(one).some(isOurs)),
      !ingress.cuts,
      'no cookie of ours',
    )

    const write = (headers: Readonly<Record<string, string>>) =>
      ask(at('app'), '/x', { method: 'POST', body: 'a', headers: { ...headers, cookie: cookieOf(browser, { origin: at('app') }) } })
    const before = arrived().length
    for (const from of ['https://evil.example', origin, at('api'), 'null']) assert.equal((await write({ origin: from })).status, 403, from)
    assert.equal((await write({})).status, 403)
    assert.equal(arrived().length, before)
    assert.equal((await write({ origin: at('app') })).status, 200)

    await signOut(browser, origin)
    const out = await eventually(
      () => browser.get(`${at('app')}/x`, { headers: { accept: 'application/json' } }),
      ({ status }) => status === 401,
      BOUND_MS,
    )
    assert.equal(out.headers.location, undefined)
    assert.match((await browser.get(`${at('app')}/x`)).headers.location ?? '', new RegExp(`^${origin}/\\.mandate/authorize\\?`))
    assert.equal(stage.audit('refused').at(-1)?.code, 'login_ended')
  })

  behind('events and a WebSocket pass, and a WebSocket with a cookie needs the Origin of its host', async (ground) => {
    const { at, open, webSocket, arrived } = ground
    const events = await open(at('api'), '/events', robot(ground))
    assert.equal(events.statusCode, 200)
    await brought(events, /data: one/)
    const { status, socket } = await webSocket(at('api'), '/socket', robot(ground))
    assert.equal(status, 101)
    socket?.write('over and back')
    assert.equal(await brought(socket ?? events, /back/), 'over and back')
    assert.equal(ground.stage.audit('effect').at(-1)?.effect, 'GET /socket')

    const unkeyed = `GET /unkeyed HTTP/1.1\r\nHost: ${new URL(at('api')).host}\r\nAuthorization: ${robot(ground).authorization}\r\n`
    for (const connection of ['Upgrade', 'close', 'close, Upgrade'])
      await ground.exchange(at('api'), `${unkeyed}Upgrade: websocket\r\nConnection: ${connection}\r\n\r\n`)
    const opened = arrived().filter((one) => one.url === '/unkeyed' && lineOf(one, 'upgrade') !== undefined)
    const recorded = ground.stage.audit('effect').filter(({ effect }) => effect === 'GET /unkeyed')
    assert.ok(opened.length <= recorded.length, 'nothing is opened that Mandate does not take for a write')

    const browser = ground.browser()
    await browser.signIn(`${at('app')}/`, 'alice')
    const cookie = cookieOf(browser, { origin: at('app') })
    const before = arrived().length
    for (const headers of [{}, { origin: 'https://evil.example' }, { origin: at('api') }] as ReadonlyArray<Record<string, string>>)
      assert.equal((await webSocket(at('app'), '/socket', { cookie, ...headers })).status, 403)
    assert.equal((await webSocket(at('app'), '/socket')).status, 401)
    assert.equal(arrived().length, before)
    const connection = 'Upgrade, X-Mandate-Subject, X-Mandate-Issuer'
    assert.equal((await webSocket(at('app'), '/socket', { cookie, origin: at('app'), connection })).status, 101)
    assert.equal(lineOf(arrived().at(-1) ?? NOTHING, 'x-mandate-subject'), 'alice')
  })

  behind('a page in Chromium is led to sign in, writes and opens a WebSocket, and a page of another host does not', async (ground, t) => {
    const { stage, at, arrived } = ground
    const chromium = await launchChromium()
    t.after(() => chromium.close())
    const page = await (await chromium.newContext({ ignoreHTTPSErrors: true })).newPage()
    await page.goto(`${at('app')}/page?x=1`)
    await page.getByRole('button', { name: /^alice/ }).click()
    await page.getByText('hello alice').waitFor()
    assert.equal(page.url(), `${at('app')}/page?x=1`)
    const write = (url: string) =>
      page.evaluate(
        `fetch('${url}', { method: 'POST', credentials: 'include', mode: 'no-cors' }).then(({ status }) => status, () => 'blocked')`,
      )
    const opens = (url: string) =>
      page.evaluate(`new Promise((done) => { const socket = new WebSocket('${url.replace('https:', 'wss:')}')
        socket.onopen = () => done('open'); socket.onerror = () => done('refused') })`)
    assert.equal(await write(`${at('app')}/written`), 200)
    assert.equal(await opens(`${at('app')}/socket`), 'open')
    assert.deepEqual(
      stage.audit('effect').map(({ effect }) => effect),
      ['POST /written', 'GET /socket'],
    )
    // Of the same site, so that the cookie comes along.
    await page.setExtraHTTPHeaders(robot(ground))
    await page.goto(`${at('api')}/`)
    await page.setExtraHTTPHeaders({})
    // Icons are asked for whenever the browser likes.
    const acted = () => arrived().filter(({ url }) => ['/written', '/socket'].includes(url)).length
    const before = acted()
    await write(`${at('app')}/written`)
    assert.equal(await opens(`${at('app')}/socket`), 'refused')
    assert.equal(acted(), before)
    assert.deepEqual(
      stage
        .audit('refused')
        .slice(-2)
        .map(({ code, resource }) => [code, resource]),
      [
        ['origin_refused', 'route/app'],
        ['origin_refused', 'route/app'],
      ],
    )
  })

  behind('nothing passes while Mandate cannot tell, or is not there', async (ground) => {
    const { stage, at, arrived, ask } = ground
    const browser = ground.browser()
    await browser.signIn(`${at('app')}/`, 'alice')
    await stage.world.storeDown()
    const unsure = await eventually(
      () => browser.get(`${at('app')}/x`),
      ({ status }) => status === 503,
      BOUND_MS,
    )
    assert.equal(unsure.headers['set-cookie'], undefined)
    const before = arrived().length
    await stage.replicas[0]?.stop()
    for (const host of ['app', 'api']) {
      const { status } = await ask(at(host), '/x', { headers: robot(ground) })
      assert.ok(status >= 500, `${host}: ${status}`)
    }
    assert.equal(arrived().length, before)
  })
}

test('nginx makes 500 of what it does not know, and nothing passes, when its configuration puts no status back', bound, async (t) => {
  const fill: typeof NGINX.fill = (example, ...more) => NGINX.fill(example.replace('error_page 500 = @refused;', ''), ...more)
  const ground = await setIngressStage(t, { ...NGINX, fill })
  assert.equal((await ground.ask(ground.at('api'), '/a//b', { headers: robot(ground) })).status, 500)
  await ground.stage.world.storeDown()
  const headers = { cookie: `__Host-mandate=${'A'.repeat(43)}` }
  await eventually(
    () => ground.ask(ground.at('app'), '/x', { headers }),
    ({ status }) => status === 500,
    BOUND_MS,
  )
  assert.equal(ground.stage.audit('refused').at(-1)?.code, 'store_unavailable')
  assert.deepEqual(ground.arrived(), [])
})

test('nginx lets no request line choose another server block than the host that is decided on', bound, async (t) => {
  const fill: typeof NGINX.fill = (example, ...more) => {
    const written = NGINX.fill(example, ...more)
    const from = written.lastIndexOf('  server {\n    listen')
    const block = written.slice(from, written.lastIndexOf('}'))
    const of = (host: string) =>
      block
        .replace(/server_name [^;]*;/, `server_name ${host}.lab.localhost;`)
        .replace('proxy_pass http://service;', `proxy_pass http://service/of-${host}$request_uri;`)
    return `${written.slice(0, from)}${of('app')}\n${of('api')}\n}`
  }
  const ground = await setIngressStage(t, { ...NGINX, fill })
  const { at, ask, arrived } = ground
  const through = (line: string, host: string) =>
    ask(at(line), `${at(line)}/x`, { headers: { ...robot(ground), host: new URL(at(host)).host } })
  for (const [line, host] of [
    ['app', 'api'],
    ['api', 'app'],
    ['mandate', 'api'],
  ] as const)
    assert.equal((await through(line, host)).status, 400, `${line} ${host}`)
  assert.deepEqual(arrived(), [])
  assert.equal((await through('api', 'api')).status, 200)
  assert.deepEqual(
    arrived().map(({ url }) => url),
    ['/of-api/x'],
  )
})

async function signOut(browser: Browser, origin: string): Promise<void> {
  const page = await browser.get(`${origin}/logout`)
  const { hidden } = findForm(page.body, page.url) ?? {}
  const answer = await browser.post(`${origin}/logout`, { ...hidden }, { origin })
  assert.equal(answer.status, 200, answer.body)
}
