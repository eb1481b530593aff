/** A page behind a route in a real Chromium: its cookies, its writes and its events, from sign-in to sign-out. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import type { Page } from 'playwright-core'
import { type ConfigDraft, type Stage, setStage } from '../journeys/stage.ts'
import { standIns } from '../journeys/world.ts'
import { setHttpsStage } from './https-stage.ts'
import { launchChromium } from './parts/chromium.ts'

const bound = { timeout: 120_000 }

/** Shows who asks as text, takes writes and sends events. */
async function startService(t: TestContext): Promise<string> {
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    const who = String(request.headers['x-mandate-subject'])
    if (request.url === '/events')
      return void response.writeHead(200, { 'content-type': 'text/event-stream' }).write(`data: for ${who}\n\n`)
    if (request.url?.endsWith('sw.js') === true) {
      const script = { 'content-type': 'text/javascript', 'cache-control': 'max-age=3600', 'service-worker-allowed': '/' }
      return void response.writeHead(200, script).end('self.addEventListener("fetch", () => undefined)')
    }
    if (request.method === 'POST') return void response.end(`written by ${who}`)
    const cookies = `theme=dark; Path=/`
    response.writeHead(200, { 'content-type': 'text/html', 'set-cookie': cookies })
    response.end(
      `<!doctype html><link rel="icon" href="data:,"><title>App</title><h1>Hello ${who}</h1><p>${request.headers.cookie ?? ''}</p>`,
    )
  }
  const server = createServer(answer)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

interface Ground {
  readonly stage: Stage
  /** Origin of the sign-in host. */
  readonly origin: string
}

const routesTo = (service: string) => (config: ConfigDraft) => {
  config['routes'] = ['app', 'other'].map((host) => ({
    match: { host: `${host}.lab.localhost`, path: '/**' },
    allow: {},
    upstream: service,
  }))
}

const over: Readonly<Record<'http' | 'https', (t: TestContext, service: string) => Promise<Ground>>> = {
  async http(t, service) {
    const stage = await setStage(t, standIns, { configure: routesTo(service) })
    return { stage, origin: stage.origin }
  },
  https: (t, service) => setHttpsStage(t, standIns, routesTo(service)),
}

for (const protocol of ['http', 'https'] as const) {
  test(`over ${protocol} a page is opened as who is signed in, writes, listens, and ends with the login`, bound, async (t) => {
    const service = await startService(t)
    const { origin, stage } = await over[protocol](t, service)
    const { port } = new URL(origin)
    const [app, other] = [`${protocol}://app.lab.localhost:${port}`, `${protocol}://other.lab.localhost:${port}`]
    const chromium = await launchChromium()
    t.after(() => chromium.close())
    const context = await chromium.newContext({ ignoreHTTPSErrors: true })
    const page = await context.newPage()

    await page.goto(`${app}/some/page?x=1`)
    await page.getByRole('button', { name: /^alice/ }).click()
    await page.getByRole('heading', { name: 'Hello alice' }).waitFor()
    assert.equal(page.url(), `${app}/some/page?x=1`)
    assert.equal(await page.evaluate('document.cookie'), 'theme=dark', 'no script sees a cookie of ours')
    await page.reload()
    assert.equal(await page.locator('p').innerText(), 'theme=dark', 'nor does the service')

    const [login, browser] =
      protocol === 'https' ? ['__Host-mandate', '__Host-mandate-browser'] : [`mandate-${port}`, `mandate-browser-${port}`]
    const cookies = (await context.cookies(app)).filter(({ name }) => name !== 'theme')
    assert.deepEqual(
      cookies.map(({ name, domain, path, httpOnly, secure, sameSite }) => [name, domain, path, httpOnly, secure, sameSite]).sort(),
      [login, browser].map((name) => [name, 'app.lab.localhost', '/', true, protocol === 'https', 'Lax']),
    )

    assert.equal(await fetchIn(page, '/x', 'POST'), '200 written by alice')
    const event = `new Promise((done) => { const events = new EventSource('/events'); window.events = events; events.onmessage = ({ data }) => done(data) })`
    assert.equal(await page.evaluate(event), 'for alice')

    // Another host of the same site, so that cookies come along: no question is asked again, and a page there is a stranger here.
    await page.goto(`${other}/`)
    await page.getByRole('heading', { name: 'Hello alice' }).waitFor()
    const write = `fetch('${app}/x', { method: 'POST', credentials: 'include', mode: 'no-cors' }).then(({ type }) => type, () => 'blocked')`
    assert.equal(await page.evaluate(write), 'blocked')
    const refused = stage.audit('refused').at(-1)
    assert.deepEqual([refused?.code, refused?.resource], ['origin_refused', 'route/app-lab-localhost-0'])
    const granted = stage.audit('granted').length
    const read = `fetch('${app}/x', { credentials: 'include', mode: 'no-cors' }).then(({ type }) => type, () => 'blocked')`
    assert.equal(await page.evaluate(read), 'blocked', 'nor does it read')
    assert.deepEqual([stage.audit('refused').at(-1)?.code, stage.audit('granted').length], ['origin_refused', granted])

    const left = await context.newPage()
    await left.goto(`${app}/`)
    await page.goto(`${origin}/logout`)
    await page.getByRole('button', { name: 'Sign out', exact: true }).click()
    await page.getByRole('heading', { name: 'You are signed out' }).waitFor()
    assert.match(String(await fetchIn(left, '/x', 'POST')), /^401 [\s\S]*login_ended/, 'the page that was left open has ended too')
    await page.goto(`${app}/`)
    await page.getByRole('button', { name: /^alice/ }).waitFor()
    assert.ok(page.url().startsWith(stage.world.issuer.issuer), page.url())
  })
}

test(
  'no script of a host becomes a service worker over the whole of it, from the network, from the cache or by a header',
  bound,
  async (t) => {
    const { stage, origin } = await over.http(t, await startService(t))
    const app = `http://app.lab.localhost:${new URL(origin).port}`
    const chromium = await launchChromium()
    t.after(() => chromium.close())
    const page = await chromium.newPage()
    await page.goto(`${app}/`)
    await page.getByRole('button', { name: /^alice/ }).click()
    await page.getByRole('heading', { name: 'Hello alice' }).waitFor()

    const register = (script: string, options: object) =>
      page.evaluate(
        `navigator.serviceWorker.register('${script}', ${JSON.stringify(options)}).then(({ scope }) => scope, ({ name }) => name)`,
      )
    assert.equal(await register('/sw.js', {}), 'TypeError')
    assert.equal(stage.audit('refused').at(-1)?.code, 'service_worker_refused')
    const refusals = () => stage.audit('refused').reduce((all, { code, count }) => all + (code === 'service_worker_refused' ? count : 0), 0)
    const before = refusals()
    assert.match(String(await fetchIn(page, '/kept-sw.js', 'GET')), /^200 /)
    assert.equal(await register('/kept-sw.js', { updateViaCache: 'all' }), 'TypeError', 'what the cache holds is asked for anew')
    assert.ok(refusals() > before)
    assert.equal(await register('/dir/sw.js', { scope: '/' }), 'SecurityError')
    assert.equal(await register('/dir/sw.js', {}), `${app}/dir/`, 'below a directory it may')
  },
)

for (const [how, bomb] of [
  ['with a binding of its own', ''],
  [
    'and has the host refuse what is too large',
    `for (let nth = 0; nth < 12; nth += 1) document.cookie = 'b' + nth + '=' + 'x'.repeat(3900) + '; path=/.mandate/'`,
  ],
] as const) {
  test(`a page that leads to a code ${how} sees nothing of it`, bound, async (t) => {
    const { origin } = await over.http(t, await startService(t))
    const app = `http://app.lab.localhost:${new URL(origin).port}`
    const chromium = await launchChromium()
    t.after(() => chromium.close())
    const context = await chromium.newContext()
    const page = await context.newPage()
    await page.goto(`${app}/`)
    await page.getByRole('button', { name: /^alice/ }).click()
    await page.getByRole('heading', { name: 'Hello alice' }).waitFor()
    const query = new URLSearchParams({ host: 'app.lab.localhost', return_to: '/', browser: 'A'.repeat(43) })
    await page.evaluate(`${bomb};`)
    const [opened] = await Promise.all([
      context.waitForEvent('page'),
      page.evaluate(`{ window.opened = window.open(${JSON.stringify(`${origin}/.mandate/authorize?${query}`)}); undefined }`),
    ])
    await opened.waitForURL(`${app}/.mandate/session?*`)
    assert.match(await opened.locator('body').innerText(), bomb === '' ? /session_code_unknown/ : /headers_too_many/)
    const seen = await page.evaluate(
      `(() => { try { return [opened.closed, String(opened.location.href)] } catch ({ name }) { return [opened.closed, name] } })()`,
    )
    assert.ok(Array.isArray(seen))
    assert.equal(seen[0], true, 'the two windows have nothing to do with each other')
    assert.doesNotMatch(String(seen[1]), /code/)
  })
}

function fetchIn(page: Page, path: string, method: string): Promise<unknown> {
  return page.evaluate(`fetch('${path}', { method: '${method}' }).then(async (answer) => answer.status + ' ' + (await answer.text()))`)
}
