/** Two people in two browsers at once, in a real Chromium: pages, cookies, policies and hostile content. */
import assert from 'node:assert/strict'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import type { BrowserContext, Browser as Chromium, Page } from 'playwright-core'
import { setStage } from '../journeys/stage.ts'
import { type HttpsStage, setHttpsStage, worldWithNode } from './https-stage.ts'
import { launchChromium } from './parts/chromium.ts'
import { realParts } from './world.ts'

const bound = { timeout: 240_000 }
const PODS = (namespace: string) => `/clusters/prod/api/v1/namespaces/${namespace}/pods`

/** One person's browser: a context of its own, and everything that its pages complain about. */
interface Person {
  readonly context: BrowserContext
  readonly page: Page
  readonly complaints: string[]
}

async function openBrowser(chromium: Chromium): Promise<Person> {
  const context = await chromium.newContext({ ignoreHTTPSErrors: true })
  const complaints: string[] = []
  context.on('console', (message) => {
    // A status is an answer; what counts is what a page tried and may not do.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) complaints.push(message.text())
  })
  context.on('weberror', (error) => complaints.push(String(error.error())))
  return { context, page: await context.newPage(), complaints }
}

async function signIn(chromium: Chromium, origin: string, name: string): Promise<Person> {
  const person = await openBrowser(chromium)
  await person.page.goto(`${origin}/`)
  await person.page.getByRole('button', { name: new RegExp(`^${name}`) }).click()
  await person.page.getByRole('heading', { name: `You are ${name}` }).waitFor()
  return person
}

const shown = async (page: Page, url: string) => {
  const answer = await page.goto(url)
  return { status: answer?.status(), text: await page.locator('body').innerText(), headers: answer?.headers() ?? {} }
}

test('two people at once: sign in, use the cluster with their own rights, sign out', bound, async (t) => {
  const { stage, origin, chromium } = await setChromiumStage(t)
  const [alice, bob] = await Promise.all([signIn(chromium, origin, 'alice'), signIn(chromium, origin, 'bob')])
  const seen = await Promise.all([shown(alice.page, `${origin}${PODS('team-a')}`), shown(bob.page, `${origin}${PODS('team-b')}`)])
  assert.deepEqual(
    seen.map(({ status }) => status),
    [200, 200],
  )
  for (const { text } of seen) assert.match(text, /"name":\s?"web"/)
  const refused = await Promise.all([shown(alice.page, `${origin}${PODS('team-b')}`), shown(bob.page, `${origin}${PODS('team-a')}`)])
  assert.match(refused[0]?.text ?? '', /corp:alice/)
  assert.match(refused[1]?.text ?? '', /corp:bob/)

  const [cookie] = (await alice.context.cookies(origin)).filter(({ name }) => name === '__Host-mandate')
  assert.ok(cookie !== undefined)
  const { httpOnly, secure, sameSite, path, domain } = cookie
  assert.deepEqual(
    { httpOnly, secure, sameSite, path, domain },
    { httpOnly: true, secure: true, sameSite: 'Lax', path: '/', domain: 'localhost' },
  )
  await alice.page.goto(`${origin}/`)
  assert.equal(await alice.page.evaluate('document.cookie'), '')

  await alice.page.getByRole('link', { name: 'Sign out' }).click()
  // By itself over the issuer and back to us.
  const back = alice.page.waitForRequest((request) => request.method() === 'GET' && request.url().startsWith(`${origin}/logout`))
  await alice.page.getByRole('button', { name: 'Sign out', exact: true }).click()
  await back
  await alice.page.getByRole('heading', { name: 'You are signed out' }).waitFor()
  // The issuer has forgotten her too: it asks again.
  await alice.page.getByRole('link', { name: 'Sign in again' }).click()
  await alice.page.getByRole('button', { name: /^alice/ }).waitFor()
  assert.ok(alice.page.url().startsWith(stage.world.issuer.issuer), alice.page.url())
  assert.deepEqual(
    (await alice.context.cookies(origin)).map(({ name }) => name),
    ['__Host-mandate-browser'],
  )
  assert.equal((await shown(alice.page, `${origin}${PODS('team-a')}`)).status, 401)
  assert.equal((await shown(bob.page, `${origin}${PODS('team-b')}`)).status, 200)
  for (const { complaints } of [alice, bob]) assert.deepEqual(complaints, [])
})

test('what tenants wrote is shown and does not run', bound, async (t) => {
  const { stage, origin, chromium, kwok } = await setChromiumStage(t)
  const { context, page } = await signIn(chromium, origin, 'alice')
  const hostile =
    '<!doctype html><title>owned</title><script>document.title="owned";fetch("/whoami").then(()=>{window.owned=1})</script><h1>owned</h1>'
  const token = stage.world.issuer.mintAccessToken('alice')
  const created = await fetch(`${stage.origin}/clusters/named/api/v1/namespaces/team-a/configmaps`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'hostile' }, data: { 'index.html': hostile } }),
  })
  assert.equal(created.status, 201, await created.text())
  await kwok().writeLog(hostile)
  const asked: string[] = []
  context.on('request', (request) => asked.push(request.url()))
  for (const path of ['/configmaps/hostile', '/pods/web/log']) {
    const url = `${origin}/clusters/prod/api/v1/namespaces/team-a${path}`
    const { status, text, headers } = await shown(page, url)
    assert.equal(status, 200, text)
    assert.match(text, /(<|\\u003c)h1(>|\\u003e)owned/, 'shown as text')
    assert.equal(await page.locator('h1, script').count(), 0)
    assert.equal(await page.title(), '')
    assert.match(headers['content-security-policy'] ?? '', /^sandbox/)
    assert.equal(headers['x-content-type-options'], 'nosniff')
  }
  assert.deepEqual(
    asked.filter((url) => url.endsWith('/whoami')),
    [],
  )
  const proxied = await shown(page, `${origin}/clusters/prod/api/v1/namespaces/team-a/pods/web/proxy/`)
  assert.match(proxied.text, /proxy/)
  assert.ok(proxied.status === 403 || proxied.status === 400, String(proxied.status))
})

test('a form on another page cannot write with her cookie', bound, async (t) => {
  const { stage, origin, chromium, leaf } = await setChromiumStage(t)
  const { page } = await signIn(chromium, origin, 'alice')
  const target = `${origin}/clusters/prod/api/v1/namespaces/team-a/configmaps`
  // A form can send text/plain whose text is JSON.
  const body = `<form method="post" enctype="text/plain" action="${target}"><input name='{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"forged"},"data":{"a":"' value='"}}'><button>go</button></form>`
  const server = createServer({ cert: leaf.certificatePem, key: leaf.privateKeyPem }, (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end(body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const answers: Record<string, string> = {
    // The same site by the browser's rules, which know no ports: the cookie comes along.
    localhost: 'origin_refused',
    // Another site: SameSite keeps the cookie back.
    '127.0.0.1': 'not_signed_in',
  }
  for (const [host, code] of Object.entries(answers)) {
    await page.goto(`https://${host}:${port}/`)
    await Promise.all([page.waitForURL(target), page.getByRole('button').click()])
    assert.match(await page.locator('body').innerText(), new RegExp(code), host)
  }
  assert.equal((await stage.world.cluster.acted()).filter(({ verb }) => verb === 'create').length, 0)
})

test('on plain http of loopback the cookie carries the port instead of the prefix', bound, async (t) => {
  const chromium = await launchChromium()
  t.after(() => chromium.close())
  const [one, other] = [await setStage(t, realParts), await setStage(t, realParts)]
  const { context } = await signIn(chromium, one.origin, 'alice')
  const names = (await context.cookies(one.origin)).map(({ name, httpOnly, sameSite }) => [name, httpOnly, sameSite])
  const { port } = new URL(one.origin)
  assert.deepEqual(names.filter(([name]) => String(name).startsWith('mandate-')).sort(), [
    [`mandate-${port}`, true, 'Lax'],
    [`mandate-browser-${port}`, true, 'Lax'],
  ])
  // Cookies know no ports, so the other Mandate of this machine is sent this one's, and takes none of it.
  const page = await context.newPage()
  assert.equal((await shown(page, `${other.origin}/whoami`)).status, 401)
})

async function setChromiumStage(
  t: TestContext,
): Promise<HttpsStage & { chromium: Chromium; kwok: ReturnType<typeof worldWithNode>['kwok'] }> {
  const { start, kwok } = worldWithNode()
  const chromium = await launchChromium()
  t.after(() => chromium.close())
  return { ...(await setHttpsStage(t, start)), chromium, kwok }
}
