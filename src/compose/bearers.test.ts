/** Bearers in a gateway as it is composed: what goes on by one hears of its end, and keys are looked at by themselves. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Clock, systemClock } from '../clock.ts'
import { composeGateway } from '../compose.ts'
import { configOf } from '../config/config.fake.ts'
import { accessClaims, mint, readableLog, type SignKey, signKey, smallIssuer } from '../providers/stage.fake.ts'

const MINUTE = 60_000

/** Time that a test can move on. Timers of a minute and more fire when they are told to; the store is read in the real one. */
function leapingClock() {
  let leapt = 0
  const slow = new Set<() => void>()
  const clock: Clock = {
    now: () => Date.now() + leapt,
    after(ms, task) {
      if (ms < MINUTE) return systemClock.after(ms, task)
      slow.add(task)
      return { cancel: () => void slow.delete(task) }
    },
  }
  const fire = () => {
    const due = [...slow]
    slow.clear()
    for (const task of due) task()
  }
  const leap = (ms: number) => {
    leapt += ms
  }
  return { clock, fire, leap }
}

async function stage(t: TestContext, keys: readonly SignKey[]) {
  const issuer = await smallIssuer(t, keys)
  const service = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n')
  }).listen(0, '127.0.0.1')
  await once(service, 'listening')
  const { clock, fire, leap } = leapingClock()
  const config = configOf((draft) => {
    draft.publicUrl = 'http://localhost:1'
    draft.providers = {
      corp: { kind: 'oidc', issuer: issuer.url, clientId: 'web', clientAuth: { method: 'none' }, audience: 'https://mandate.test/api' },
    }
    draft['routes'] = [
      {
        name: 'events',
        match: { host: 'app.localhost', path: '/**' },
        allow: { callers: ['person'] },
        upstream: `http://127.0.0.1:${(service.address() as AddressInfo).port}`,
      },
    ]
  })
  const auditTarget = { write: async () => undefined, close: async () => undefined }
  const gateway = await composeGateway(config, { log: readableLog(), clock, auditTarget })
  t.after(async () => {
    await gateway.stop()
    service.closeAllConnections()
    service.close()
  })
  const ask = async (token: string): Promise<IncomingMessage> => {
    const headers = { host: 'app.localhost:1', authorization: `Bearer ${token}` }
    const asked = request({ host: '127.0.0.1', port: gateway.ports.http, headers, agent: false }).end()
    const [answer] = await once(asked, 'response')
    return answer
  }
  /** A leap looks like blindness until the store was read again. */
  const seeing = async (token: string): Promise<IncomingMessage> => {
    for (const deadline = Date.now() + 20_000; ; await sleep(20)) {
      const answer = await ask(token)
      if (answer.statusCode !== 503) return answer
      answer.resume()
      assert.ok(Date.now() < deadline, 'it stays blind')
    }
  }
  const token = (key: SignKey, life: number) =>
    mint(key, accessClaims(issuer.url, clock, { exp: Math.floor((clock.now() + life) / 1000) }), { typ: 'at+jwt' })
  return { issuer, seeing, token, fire, leap }
}

test('refuses the stream of a withdrawn key its rest, long after its token was forgotten', { timeout: 60_000 }, async (t) => {
  const [stolen, good] = [signKey('ES256', 'stolen'), signKey('ES256', 'good')]
  const { issuer, seeing, token, fire, leap } = await stage(t, [stolen, good])
  const forged = token(stolen, MINUTE)
  const longer = token(stolen, 60 * MINUTE)
  const stream = await seeing(forged)
  assert.equal(stream.statusCode, 200)
  const whole = text(stream)
  leap(10 * MINUTE)
  assert.equal((await seeing(forged)).statusCode, 401)
  // What is over is swept when the next token is new; the stream goes on.
  const other = await seeing(token(good, 60 * MINUTE))
  assert.equal(other.statusCode, 200)
  assert.equal((await seeing(longer)).statusCode, 200)
  assert.equal(stream.readableEnded || stream.destroyed, false)

  issuer.answer('/jwks', { keys: [good.jwk] })
  leap(6 * MINUTE)
  await seeing(token(good, MINUTE))
  let over = false
  void whole.then(() => {
    over = true
  })
  // One look after the other, until the key was missing in two.
  for (; !over; await sleep(20)) fire()
  assert.equal(await whole, 'data: 1\n\n')
  const refused = await seeing(longer)
  assert.equal(refused.statusCode, 401)
  assert.match(await text(refused), /token_key_unknown/)
  assert.equal(other.readableEnded || other.destroyed, false)
})
