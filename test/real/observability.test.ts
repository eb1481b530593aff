/** Every expression of every dashboard, and every series of every alert, in a real Prometheus that scrapes live parts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DASHBOARDS } from '../../scripts/observability.ts'
import { expressionsOf, ruleGroups, selectorsOf } from '../house/observability-series.ts'
import { eventually } from './eventually.ts'
import { JOBS, setObservedStage } from './observability-stage.ts'
import { beginTraffic, chosen } from './observability-traffic.ts'
import { promtool } from './parts/prometheus.ts'

/** Where an expression says that nothing is 0, it must do without: else it would have data whatever it asks for. */
const withoutZero = (expression: string) => expression.replaceAll(' or vector(0)', '')

test('a real Prometheus under traffic', { timeout: 400_000 }, async (t) => {
  const observed = await setObservedStage(t)
  const { prometheus, brokered } = observed
  const { round } = await beginTraffic(t, observed)
  const hasData = async (expression: string) => (await prometheus.query(expression)).some(({ value }) => Number.isFinite(value))

  /** Goes on with the traffic until all have data. Rejects with those that have none. */
  const untilData = async (expressions: readonly string[], withinMs = 180_000) => {
    let missing = [...new Set(expressions)]
    assert.notEqual(missing.length, 0)
    const look = async () => {
      await round()
      const still: string[] = []
      for (const expression of missing) if (!(await hasData(expression))) still.push(expression)
      missing = still
      return missing.length === 0
    }
    await eventually('all have data', look, withinMs).catch((error: unknown) => {
      throw new Error(`without data: ${missing.join('\n')}`, { cause: error })
    })
  }

  await t.test('every target is up: both replicas and oauth2-proxy', async () => {
    const scraped = async () => {
      const targets = await prometheus.targets()
      return targets.length > 0 && targets.every(({ health }) => health !== 'unknown')
    }
    await eventually('all have been scraped', scraped)
    const targets = (await prometheus.targets()).map(({ job, health, lastError }) => `${job} ${health} ${lastError}`)
    assert.deepEqual(targets.sort(), [`${JOBS.proxy} up `, `${JOBS.mandate} up `, `${JOBS.mandate} up `])
  })

  for (const dashboard of DASHBOARDS) {
    const choices = (dashboard.templating?.list ?? []).filter(({ type }) => type === 'query')
    await t.test(`every expression of ${dashboard.uid} returns data`, async () => {
      const names = choices.map(({ name }) => name)
      const expressions = expressionsOf(dashboard).map(({ expression }) => withoutZero(chosen(expression, names)))
      for (const expression of expressions) assert.doesNotMatch(expression, /\$/, 'nothing is left to choose')
      await untilData(expressions)
    })
    await t.test(`every choice of ${dashboard.uid} offers something`, async () => {
      for (const { name, query } of choices) {
        const asked = typeof query === 'object' ? String(query['query']) : String(query)
        const [, selector = '', label = ''] = /^label_values\((.+), (\w+)\)$/.exec(asked) ?? []
        assert.notEqual((await prometheus.labelValues(label, selector)).length, 0, `${name}: ${asked}`)
      }
    })
  }

  await t.test('every series that an alert or a recording names exists, with the labels it names', async () => {
    const selectors = ruleGroups().flatMap(({ rules }) => rules.flatMap(({ expr }) => selectorsOf(expr)))
    const series = selectors.map(({ metric, labels }) => `${metric}{${labels.map((label) => `${label}!=""`).join(',')}}`)
    await untilData(series)
  })

  await t.test('Prometheus evaluates every rule', async () => {
    const rules = await prometheus.rules()
    assert.equal(rules.length, ruleGroups().flatMap((group) => group.rules).length)
    assert.deepEqual(
      rules.filter(({ health }) => health !== 'ok'),
      [],
    )
  })

  await t.test('no alert but those of what is wrong here is firing or about to', async () => {
    const firing = new Set((await prometheus.query('ALERTS{alertstate="firing"}')).map(({ labels }) => labels['alertname']))
    for (const quiet of ['MandateAbsent', 'MandateStoreDown', 'MandateAuditDown', 'MandateFault', 'MandateIssuerKeysOld'])
      assert.ok(!firing.has(quiet), quiet)
  })

  await t.test('both sources are told apart, and what is made up has no data', async () => {
    assert.equal(await hasData(`mandate_build_info{job="${JOBS.proxy}"}`), false)
    assert.equal(await hasData(`oauth2_proxy_requests_total{job="${JOBS.mandate}"}`), false)
    for (const name of ['oauth2_proxy_auth_success_total', 'oauth2_proxy_upstream_response_time_seconds_bucket', 'mandate_made_up'])
      assert.equal(await hasData(name), false, name)
  })

  await t.test('promtool finds nothing to mend in our page', async () => {
    for (const [replica] of brokered.stage.replicas.entries()) {
      const { code, output } = await promtool(['check', 'metrics'], { input: await brokered.stage.metrics(replica) })
      assert.deepEqual([code, output], [0, ''])
    }
  })
})
