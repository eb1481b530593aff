import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fillMetrics } from './metrics.fake.ts'
import { createMetrics, METRICS, methodLabel, statusLabel } from './metrics.ts'
import { REFUSALS } from './refusal-codes.ts'

const bodyOf = async (metrics: ReturnType<typeof createMetrics>) => (await metrics.expose()).body
/** Sample lines of a metric, without comments. */
const samples = async (metrics: ReturnType<typeof createMetrics>, name: string) =>
  (await bodyOf(metrics)).split('\n').filter((line) => line.startsWith(name))

describe('label values are bounded', () => {
  test('a method that is not a common one is "other"', () => {
    assert.deepEqual(['GET', 'DELETE', 'get', 'PROPFIND', '', 'GET '.repeat(100), '__proto__', 'constructor'].map(methodLabel), [
      'GET',
      'DELETE',
      ...Array(6).fill('other'),
    ])
  })
  test('a status is one of its class or "aborted"', () => {
    assert.deepEqual([200, 299, 404, 503, 101, 599].map(statusLabel), ['2xx', '2xx', '4xx', '5xx', '1xx', '5xx'])
    assert.deepEqual([0, -1, 99, 600, 1_000_000, Number.NaN, Infinity].map(statusLabel), Array(7).fill('aborted'))
  })
  test('every label of the catalogue is a configured name or a word of a closed list', () => {
    const allowed = new Set([
      'provider',
      'issuer',
      'route',
      'source',
      'reason',
      'result',
      'cached',
      'method',
      'status',
      'cluster',
      'broker',
      'kind',
      'server',
      'version',
      'listener',
      'bound',
    ])
    for (const [name, { labels }] of Object.entries(METRICS)) for (const label of labels) assert.ok(allowed.has(label), `${name} ${label}`)
  })
  test('a label that is not in the catalogue is refused', () => {
    const metrics = createMetrics()
    const labels = { reason: 'denied', route: 'none', subject: 'alice' }
    assert.throws(() => metrics.count('mandate_refusals_total', labels))
  })
})

describe('an exposition', () => {
  test('outlives a reader that fails, and still has what the others read', async () => {
    const metrics = createMetrics()
    metrics.beforeScrape(() => Promise.reject(new Error('down')))
    metrics.beforeScrape(async () => metrics.set('mandate_store_up', {}, 1))
    assert.deepEqual(await samples(metrics, 'mandate_store_up'), ['mandate_store_up 1'])
  })

  test('is in the Prometheus text format, with help and type of everything in the catalogue', async () => {
    const { contentType, body } = await createMetrics().expose()
    assert.match(contentType, /^text\/plain; version=0\.0\.4/)
    for (const [name, { type, help }] of Object.entries(METRICS)) {
      assert.ok(body.includes(`# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`), name)
    }
  })

  test('shows nothing of the process but what the catalogue names', async () => {
    const names = (await bodyOf(createMetrics()))
      .split('\n')
      .filter((line) => line.startsWith('# TYPE'))
      .map((line) => line.split(' ')[2])
    assert.deepEqual(names.sort(), Object.keys(METRICS).sort())
  })

  test('asks its readers anew each time', async () => {
    const metrics = createMetrics()
    let logins = 1
    metrics.beforeScrape(async () => metrics.set('mandate_active_logins', {}, logins))
    assert.deepEqual(await samples(metrics, 'mandate_active_logins'), ['mandate_active_logins 1'])
    logins = 5
    assert.deepEqual(await samples(metrics, 'mandate_active_logins'), ['mandate_active_logins 5'])
  })

  test('escapes what stands in a label', async () => {
    const metrics = createMetrics()
    metrics.count('mandate_refusals_total', { reason: 'a"b\\c\nd', route: 'none' })
    assert.deepEqual(await samples(metrics, 'mandate_refusals_total'), ['mandate_refusals_total{reason="a\\"b\\\\c\\nd",route="none"} 1'])
  })
})

describe('values', () => {
  test('of a counter add up by their labels', async () => {
    const metrics = createMetrics()
    for (const reason of ['denied', 'denied', 'not_signed_in']) metrics.count('mandate_refusals_total', { reason, route: 'none' })
    assert.deepEqual(await samples(metrics, 'mandate_refusals_total'), [
      'mandate_refusals_total{reason="denied",route="none"} 2',
      'mandate_refusals_total{reason="not_signed_in",route="none"} 1',
    ])
  })
  test('of a gauge go up and down, and are absent once cleared, never stale', async () => {
    const metrics = createMetrics()
    metrics.add('mandate_live_streams', { route: 'cluster/prod' }, 1)
    metrics.add('mandate_live_streams', { route: 'cluster/prod' }, 1)
    metrics.add('mandate_live_streams', { route: 'cluster/prod' }, -1)
    assert.deepEqual(await samples(metrics, 'mandate_live_streams'), ['mandate_live_streams{route="cluster/prod"} 1'])
    metrics.set('mandate_issuer_keys_age_seconds', { issuer: 'corp' }, 12)
    metrics.clear('mandate_issuer_keys_age_seconds')
    assert.deepEqual(await samples(metrics, 'mandate_issuer_keys_age_seconds'), [])
    for (const broker of ['runs', 'jobs']) metrics.set('mandate_orphans', { broker }, 3)
    metrics.clear('mandate_orphans', { broker: 'runs' })
    assert.deepEqual(await samples(metrics, 'mandate_orphans'), ['mandate_orphans{broker="jobs"} 3'])
  })
  test('of a gauge without labels are absent once cleared', async () => {
    const metrics = createMetrics()
    assert.deepEqual(await samples(metrics, 'mandate_active_logins'), [])
    metrics.set('mandate_active_logins', {}, 7)
    metrics.clear('mandate_active_logins')
    assert.deepEqual(await samples(metrics, 'mandate_active_logins'), [])
  })
  test('of a histogram fall into the buckets of the catalogue', async () => {
    const metrics = createMetrics()
    metrics.observe('mandate_token_validation_seconds', { issuer: 'corp', result: 'ok', cached: 'true' }, 0.0003)
    const lines = await samples(metrics, 'mandate_token_validation_seconds_bucket')
    assert.equal(lines.length, METRICS.mandate_token_validation_seconds.buckets.length + 1)
    assert.ok(lines.some((line) => line.includes('le="0.00025"') && line.endsWith(' 0')))
    assert.ok(lines.some((line) => line.includes('le="0.0005"') && line.endsWith(' 1')))
  })
  test('of two instances in one process do not mix', async () => {
    const [one, other] = [createMetrics(), createMetrics()]
    one.count('mandate_refusals_total', { reason: 'denied', route: 'none' })
    assert.deepEqual(await samples(other, 'mandate_refusals_total'), [])
  })
})

test('an exposition of 50 routes, with every series that plausibly comes about, is under 500 kB', async () => {
  const metrics = createMetrics()
  fillMetrics(metrics, 50)
  const body = await bodyOf(metrics)
  assert.ok(body.includes('route="route/a-route-of-a-usual-length-49"'))
  assert.ok(Buffer.byteLength(body) < 500_000, `${Buffer.byteLength(body)} bytes`)
})

describe('the catalogue', () => {
  test('has names by the conventions of Prometheus', () => {
    for (const [name, { type, help }] of Object.entries(METRICS)) {
      assert.match(name, /^mandate_[a-z]+(_[a-z]+)*$/)
      assert.equal(name.endsWith('_total'), type === 'counter', name)
      if (type === 'histogram') assert.match(name, /_seconds$/)
      assert.match(help, /^[A-Z0-9].*\.$/)
    }
  })
  test('has ascending buckets', () => {
    for (const entry of Object.values(METRICS))
      if ('buckets' in entry)
        assert.deepEqual(
          [...entry.buckets].sort((a, b) => a - b),
          [...entry.buckets],
        )
  })
  test("takes every refusal's code as a reason", async () => {
    const metrics = createMetrics()
    for (const reason of Object.keys(REFUSALS)) metrics.count('mandate_refusals_total', { reason, route: 'none' })
    assert.equal((await samples(metrics, 'mandate_refusals_total')).length, Object.keys(REFUSALS).length)
  })
})
