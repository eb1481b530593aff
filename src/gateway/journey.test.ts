import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { memorySink } from '../audit/audit-sink.fake.ts'
import type { Authentication } from '../authenticate/authenticator.ts'
import { createFakeClock } from '../clock.fake.ts'
import { bearerCredential } from '../credential.ts'
import { Refusal } from '../errors.ts'
import type { Act, Acted } from '../grant.ts'
import { createLog } from '../log.ts'
import { createMetrics } from '../metrics.ts'
import { loginCaller } from '../principal.fake.ts'
import { Secret } from '../secret.ts'
import { createInFlight } from './in-flight.ts'
import { createJourney, type Prepared } from './journey.ts'

interface Staged {
  /** Who asks. */
  readonly known?: Authentication
  readonly streams?: number
  readonly prepared?: Partial<Pick<Prepared, 'stream' | 'mayGoOn'>>
}

/** A journey that is allowed to whoever is known, one attempt at a time. */
function stage({ known = { result: 'authenticated', caller: loginCaller() }, streams = 1, prepared }: Staged = {}) {
  const [metrics, audit] = [createMetrics(), memorySink()]
  const journey = createJourney({
    metrics,
    inFlight: createInFlight({ attempts: 1, streams }),
    steps: {
      authenticator: { authenticate: async () => known },
      authorizer: { authorize: async () => ({ effect: 'allow', rule: 'route/app' }) },
      audit,
      clock: createFakeClock(),
      log: createLog(() => undefined),
    },
  })
  const run = (act: Act) =>
    journey({
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
      ...prepared,
    })
  /** The labels of a series, or undefined when nothing was counted. */
  const labels = async (series: string) => new RegExp(`^${series}\\{([^}]*)\\} `, 'm').exec((await metrics.expose()).body)?.[1]
  return { run, labels, audit }
}

/** How an attempt that was granted is counted: its result, and the class of its status. */
async function countedAs(act: Act): Promise<readonly (string | undefined)[]> {
  const { run, labels } = stage()
  await run(act)
  return [
    /result="(\w+)"/.exec((await labels('mandate_attempts_total')) ?? '')?.[1],
    /status="(\w+)"/.exec((await labels('mandate_requests_total')) ?? '')?.[1],
  ]
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
    const closed = acted({ result: 'stream-closed', cause: 'upstream-broke', code: 'upstream_broke' })
    assert.deepEqual(await countedAs(closed), ['ok', '2xx'])
  })

  test('for whoever asked, for nobody in particular when a token holds and speaks of nobody here, and for none', async () => {
    const refusal = new Refusal('denied')
    const stranger = { provider: 'build', issuer: 'https://build.example', subject: 'eve', scopes: [], digest: 'd' }
    for (const [known, expected] of [
      [{ result: 'authenticated', caller: loginCaller() }, 'provider="corp",kind="person",result="ok"'],
      [{ result: 'rejected', refusal, stranger }, 'provider="build",kind="unknown",result="denied"'],
      [{ result: 'rejected', refusal }, 'provider="none",kind="none",result="denied"'],
    ] as const) {
      const { run, labels } = stage({ known })
      await run(acted({}))
      assert.equal(await labels('mandate_attempts_total'), expected)
    }
  })
})

suite('an answer that turns out to go on', () => {
  const goesOn: Act = async (grant) => {
    await grant.streamOpened('upstream-1')
    return acted({ result: 'stream-closed', cause: 'complete' })(grant)
  }

  test('is refused when no place among streams is left, and is not on record as one', async () => {
    const { run, audit } = stage({ streams: 0, prepared: { mayGoOn: true } })
    assert.equal((await run(goesOn))?.code, 'too_many_requests')
    assert.deepEqual(
      audit.recorded.filter(({ event }) => event === 'stream-opened'),
      [],
    )
  })

  test('takes such a place, is on record with what the target calls it, and gives the place back', async () => {
    const { run, audit } = stage({ prepared: { mayGoOn: true } })
    for (let time = 0; time < 2; time += 1) assert.equal(await run(goesOn), undefined)
    const opened = audit.recorded.flatMap((event) => (event.event === 'stream-opened' ? [event.upstreamAuditId] : []))
    assert.deepEqual(opened, ['upstream-1', 'upstream-1'])
  })

  test('stays among the attempts where it was not expected to', async () => {
    const { run } = stage({ streams: 0 })
    assert.equal(await run(goesOn), undefined)
  })

  test('is not timed as one that ends, nor is a stream', async () => {
    const timed = 'mandate_request_duration_seconds_count'
    const [closed, stream, ended] = [stage(), stage({ prepared: { stream: true } }), stage()]
    await closed.run(goesOn)
    await stream.run(acted({}))
    await ended.run(acted({}))
    assert.deepEqual(
      [await closed.labels(timed), await stream.labels(timed), await ended.labels(timed)],
      [undefined, undefined, 'route="route/app"'],
    )
  })
})

test('a place is given back also when nothing could be done', async () => {
  const { run } = stage()
  for (let time = 0; time < 2; time += 1)
    assert.equal((await run(() => Promise.reject(new Refusal('upstream_unavailable'))))?.code, 'upstream_unavailable')
})
