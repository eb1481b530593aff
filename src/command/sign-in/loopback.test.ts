import assert from 'node:assert/strict'
import { request } from 'node:http'
import { type TestContext, test } from 'node:test'
import { listenForRedirect } from './loopback.ts'

const STATE = 'the-state-of-this-sign-in'

async function listening(t: TestContext) {
  const listener = await listenForRedirect(STATE)
  t.after(() => listener.close())
  let arrivals = 0
  void listener.arrived.then(async ({ answer }) => {
    arrivals += 1
    await answer(true)
  })
  return { uri: listener.redirectUri, arrivals: () => arrivals }
}

function ask(url: string, { method = 'GET', host }: { readonly method?: string; readonly host?: string } = {}) {
  return new Promise<{ status: number; body: string; policy: string }>((resolve, reject) => {
    const asked = request(url, { method, agent: false, ...(host === undefined ? {} : { headers: { host } }) }, (answer) => {
      let body = ''
      answer.setEncoding('utf8').on('data', (text: string) => (body += text))
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body, policy: String(answer.headers['content-security-policy']) }))
    })
    asked.on('error', reject).end()
  })
}

test('refuses another path, method, name and state, and goes on waiting', async (t) => {
  const { uri, arrivals } = await listening(t)
  const { origin, port } = new URL(uri)
  const good = `${uri}?code=c&state=${STATE}`
  const status = async (...args: Parameters<typeof ask>) => (await ask(...args)).status
  assert.equal(await status(`${origin}/?code=c&state=${STATE}`), 404)
  assert.equal(await status(`${origin}/callback/?code=c&state=${STATE}`), 404)
  assert.equal(await status(`${origin}//callback?code=c&state=${STATE}`), 404)
  assert.equal(await status(`${origin}/favicon.ico`), 404)
  assert.equal(await status(good, { method: 'POST' }), 405)
  for (const host of ['localhost', `localhost:${port}`, 'evil.example', '127.0.0.1', `127.0.0.1:1${port}`])
    assert.equal(await status(good, { host }), 421)
  for (const query of [
    '',
    '?code=c',
    '?state=',
    '?state=other',
    `?state=${STATE}x`,
    `?state=${STATE}&state=${STATE}`,
    `?state=${STATE}&state=other`,
  ])
    assert.equal(await status(`${uri}${query}`), 400)
  assert.equal(arrivals(), 0)
  assert.equal(await status(good), 200)
  assert.equal(arrivals(), 1)
})

test('refuses a second answer', async (t) => {
  const { uri, arrivals } = await listening(t)
  assert.equal((await ask(`${uri}?code=c&state=${STATE}`)).status, 200)
  assert.equal((await ask(`${uri}?code=d&state=${STATE}`)).status, 410)
  assert.equal(arrivals(), 1)
})

test('listens on the address of loopback and says fixed words without a script', async (t) => {
  const { uri } = await listening(t)
  assert.match(uri, /^http:\/\/127\.0\.0\.1:\d+\/callback$/)
  const { body, policy } = await ask(`${uri}?code=<script>&state=${STATE}`)
  assert.match(body, /You are signed in/)
  assert.doesNotMatch(body, /<script/)
  assert.match(policy, /default-src 'none'; frame-ancestors 'none'/)
})
