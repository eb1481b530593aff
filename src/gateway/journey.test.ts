import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { memorySink } from '../audit/audit-sink.fake.ts'
import { createFakeClock } from '../clock.fake.ts'
import { bearerCredential } from '../credential.ts'
import { Refusal } from '../errors.ts'
import type { Act, Acted } from '../grant.ts'
import { createLog } from '../log.ts'
import { createMetrics } from '../metrics.ts'
import { loginCaller } from '../principal.fake.ts'
import { Secret } from '../secret.ts'
import { createInFlight } from './in-flight.ts'
import { createJourney } from './journey.ts'

/** How an attempt that was granted is counted: its result, and the class of its status. */
async function countedAs(act: Act): Promise<readonly (string | undefined)[]> {
  const metrics = createMetrics()
  const caller = loginCaller()
  const journey = createJourney({
    metrics,
    inFlight: createInFlight({ attempts: 1, streams: 1 }),
    steps: {
      authenticator: { authenticate: async () => ({ result: 'authenticated', caller }) },
      authorizer: { authorize: async () => ({ effect: 'allow', rule: 'route/app' }) },
      audit: memorySink(),
      clock: createFakeClock(),
      log: createLog(() => undefined),
    },
  })
  await journey({
    attempt: {
      id: 'attempt-1',
      address: '192.0.2.1',
      presented: {
        method: 'GET',
        writes: false,
        cookie: undefined,
        authorization: undefined,
        self: '',
        origin: undefined,
        fetchSite: undefined,
      },
      action: { name: 'get', writes: false },
      resource: { type: 'route', id: 'app', properties: {} },
      target: { id: 'route/app', audience: 'app', scopes: [] },
      source: { assume: async () => ({ result: 'granted', credential: bearerCredential(new Secret('t'), Number.MAX_SAFE_INTEGER) }) },
      sourceName: 'none',
    },
    act,
    stream: false,
  })
  const { body } = await metrics.expose()
  return [/^mandate_attempts_total\{.*result="(\w+)"/m.exec(body)?.[1], /^mandate_requests_total\{.*status="(\w+)"/m.exec(body)?.[1]]
}

const acted = (changes: Partial<Acted>): Act => {
  const all: Acted = { result: 'completed', status: 200, bytes: 4, upstreamAuditId: undefined, cause: 'complete', ...changes }
  return async () => all
}

suite('an attempt is counted', () => {
  for (const cause of ['upstream-broke', 'upstream-paused']) {
    test(`as broken when its answer had begun and ended by ${cause}, whatever its status`, async () => {
      assert.deepEqual(await countedAs(acted({ result: 'failed', cause, code: 'upstream_broke' })), ['upstream_broke', '5xx'])
    })
  }

  test('by its refusal when no answer was begun', async () => {
    assert.deepEqual(await countedAs(() => Promise.reject(new Refusal('upstream_timeout'))), ['upstream_timeout', '5xx'])
  })

  for (const cause of ['caller-gone', 'caller-ended', 'max-age']) {
    test(`as it was answered when ${cause} cut it: the target is not to blame`, async () => {
      assert.deepEqual(await countedAs(acted({ result: 'failed', cause, code: 'upstream_broke' })), ['ok', '2xx'])
    })
  }

  test('as it was answered when it was brought to its end, or was a stream', async () => {
    assert.deepEqual(await countedAs(acted({ status: 404 })), ['ok', '4xx'])
    assert.deepEqual(await countedAs(acted({ result: 'stream-closed', cause: 'upstream-broke' })), ['ok', '2xx'])
  })
})
