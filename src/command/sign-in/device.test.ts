/** The device flow at an issuer that says what it is told to say. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createFakeClock } from '../../clock.fake.ts'
import { Complaint } from '../../complaint.ts'
import { IssuerCallFailed, type IssuerHttp } from '../../providers/issuer-http.ts'
import { signInByDevice } from './device.ts'
import type { CommandLineProvider } from './gateway-document.ts'
import { openIssuer } from './issuer.ts'

const ISSUER = 'https://issuer.example'
const METADATA = {
  issuer: ISSUER,
  authorization_endpoint: `${ISSUER}/auth`,
  token_endpoint: `${ISSUER}/token`,
  jwks_uri: `${ISSUER}/jwks`,
  device_authorization_endpoint: `${ISSUER}/device`,
}
const BEGUN = { device_code: 'device-1', user_code: 'AB-CD', verification_uri: `${ISSUER}/go`, expires_in: 60 }
const complains = (words: RegExp) => (error: unknown) => error instanceof Complaint && words.test(error.message)

interface Script {
  readonly metadata?: object
  readonly begun?: object
  /** What the token endpoint says, one by one; `down` is a broken connection. */
  readonly polls?: readonly string[]
}

/** Runs the flow by a script; resolves to the waits and to what it ended with. */
async function play({ metadata = METADATA, begun = BEGUN, polls = [] }: Script) {
  const clock = createFakeClock()
  const waits: number[] = []
  const said: string[] = []
  const asked: string[] = []
  const left = [...polls]
  const http: IssuerHttp = {
    async fetch(url, { body }) {
      const json = (status: number, value: unknown) => Response.json(value, { status })
      if (url.includes('well-known')) return json(200, metadata)
      asked.push(`${url} ${String(body)}`)
      if (url.endsWith('/device')) return json(200, begun)
      const next = left.shift() ?? 'authorization_pending'
      if (next === 'down') throw new IssuerCallFailed('broken_off', true)
      return json(400, { error: next })
    },
    close: async () => undefined,
  }
  const described: CommandLineProvider = {
    name: 'corp',
    title: 'Corp',
    issuer: ISSUER,
    clientId: 'cli',
    scopes: ['openid'],
    resource: 'api://mandate',
    token: 'access-token',
    audience: 'a',
  }
  const issuer = openIssuer(described, undefined, clock)
  const { parts } = issuer
  const discovery = { ...parts.discovery, metadata: async () => METADATA }
  const wait = async (ms: number) => {
    waits.push(ms / 1000)
    await clock.advance(ms)
  }
  const ended = signInByDevice({ ...parts, http, discovery }, { say: (line) => void said.push(line), progress: () => undefined, wait })
  const error = await ended.then(
    () => undefined,
    (fault: unknown) => fault,
  )
  await issuer.close()
  return { error, waits, said: said.join('\n'), asked }
}

test('says that the code expired, by the issuer’s word or by the clock', async () => {
  assert.ok(complains(/expired/)((await play({ polls: ['authorization_pending', 'expired_token'] })).error))
  const { error, waits } = await play({})
  assert.ok(complains(/expired/)(error))
  assert.equal(
    waits.reduce((sum, one) => sum + one, 0),
    60,
  )
})

test('says that the person refused, and any other refusal without what could write into a terminal', async () => {
  assert.ok(complains(/refused in the browser/)((await play({ polls: ['access_denied'] })).error))
  const { error } = await play({ polls: ['evil\u001b[2J'] })
  assert.ok(complains(/the issuer refused the sign-in: evil\?\[2J/)(error))
})

test('asks as often as the issuer says, and less often when it says slow_down or does not answer', async () => {
  const { waits } = await play({ begun: { ...BEGUN, interval: 2 }, polls: ['authorization_pending', 'slow_down', 'down', 'access_denied'] })
  assert.deepEqual(waits, [2, 2, 7, 12])
  assert.equal((await play({ polls: ['access_denied'] })).waits[0], 5)
})

test('refuses an issuer without the flow, or whose addresses are not https', async () => {
  const { device_authorization_endpoint: _gone, ...without } = METADATA
  assert.ok(complains(/no sign-in by device code/)((await play({ metadata: without })).error))
  for (const endpoint of ['http://issuer.example/device', 'http://127.0.0.1/device', 'file:///device'])
    assert.ok(complains(/not https/)((await play({ metadata: { ...METADATA, device_authorization_endpoint: endpoint } })).error), endpoint)
  for (const begun of [{ verification_uri: 'http://evil.example/' }, { verification_uri_complete: 'javascript:alert(1)' }]) {
    const { error, said } = await play({ begun: { ...BEGUN, ...begun } })
    assert.ok(complains(/not https/)(error))
    assert.equal(said, '')
  }
})

test('shows the code and the page, and names the resource in both requests', async () => {
  const { said, asked } = await play({ begun: { ...BEGUN, user_code: 'AB\u001b[31mCD' }, polls: ['access_denied'] })
  assert.match(said, /https:\/\/issuer\.example\/go\n {2}AB\?\[31mCD/)
  assert.equal(asked.length, 2)
  for (const one of asked) assert.match(one, /resource=api%3A%2F%2Fmandate/)
})
