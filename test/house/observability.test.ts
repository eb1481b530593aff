/** Dashboards, alerts and scrapes under deploy/observability: generated as committed, drawn well, and on metrics that exist. */
import assert from 'node:assert/strict'
import { basename, relative } from 'node:path'
import { describe, test } from 'node:test'
import type { Panel, RowPanel } from '@grafana/grafana-foundation-sdk/dashboard'
import { parse } from 'yaml'
import { staleOf } from '../../scripts/generated.ts'
import { DASHBOARDS, observabilityFiles } from '../../scripts/observability.ts'
import { METRICS } from '../../src/metrics.ts'
import { REFUSALS } from '../../src/refusal-codes.ts'
import { contentOf, filesOf, ROOT } from './files.ts'
import { alerts, expressionsOf, metricOf, ruleGroups, selectorsOf } from './observability-series.ts'

/** What oauth2-proxy exposes of its own, with its labels: nothing else may be asked of it. */
const OAUTH2_PROXY: Readonly<Record<string, readonly string[]>> = {
  oauth2_proxy_requests_total: ['code'],
  oauth2_proxy_requests_in_flight: [],
  oauth2_proxy_response_duration_seconds: ['method'],
}

/** What Prometheus adds to every series, and what a histogram has. */
const ADDED = ['job', 'instance', 'namespace', 'le']

/** By which labels series are narrowed to what is chosen at the top. */
const CHOSEN: Readonly<Record<string, readonly string[]>> = {
  provider: ['provider', 'issuer'],
  issuer: ['provider', 'issuer'],
  route: ['route'],
  cluster: ['route'],
}

const isDrawn = (panel: Panel | RowPanel): panel is Panel => panel.type !== 'row'

/** Metrics and labels that an expression names and that do not exist. */
function unknownIn(expression: string): string[] {
  const recorded = new Set(ruleGroups().flatMap(({ rules }) => rules.map(({ record }) => record)))
  const catalogue: Readonly<Record<string, readonly string[]>> = {
    ...OAUTH2_PROXY,
    ...Object.fromEntries(Object.entries(METRICS).map(([name, { labels }]) => [name, labels])),
  }
  return selectorsOf(expression).flatMap(({ metric, labels, text }) => {
    if (recorded.has(metric)) return []
    const has = catalogue[metric] ?? catalogue[metricOf(metric)]
    if (has === undefined) return [text]
    return labels.filter((label) => !has.includes(label) && !ADDED.includes(label)).map((label) => `${label} of ${text}`)
  })
}

describe('dashboards', () => {
  test('files are what the code makes of them, and there are no others', () => {
    assert.deepEqual(
      staleOf(observabilityFiles()).map((path) => relative(ROOT, path)),
      [],
      'run node scripts/observability.ts',
    )
    const generated = [...observabilityFiles().keys()].map((path) => relative(ROOT, path)).sort()
    assert.deepEqual(filesOf('deploy/observability/{dashboards,configmaps}/*'), generated)
  })

  test('all five are there, the one of both sources under the name that it is looked for by', () => {
    assert.deepEqual(
      DASHBOARDS.map(({ uid }) => uid),
      ['mandate-sign-ins', 'mandate-machines', 'mandate-tokens', 'mandate-kubernetes', 'oauth2-proxy-auth'],
    )
  })

  test('a choice narrows every series that it could: what it leaves out is said', () => {
    for (const dashboard of DASHBOARDS)
      for (const { name } of (dashboard.templating?.list ?? []).filter((choice) => choice.name in CHOSEN))
        for (const { panel, expression } of expressionsOf(dashboard))
          for (const { metric, text } of selectorsOf(expression)) {
            const labels: readonly string[] = METRICS[metricOf(metric) as keyof typeof METRICS]?.labels ?? []
            for (const label of (CHOSEN[name] ?? []).filter((one) => labels.includes(one)))
              assert.match(text, new RegExp(`[{ ]${label}=`), `${dashboard.uid}: ${panel}: ${text}`)
          }
  })

  for (const dashboard of DASHBOARDS) {
    const panels = dashboard.panels ?? []
    const drawn = panels.filter(isDrawn)

    test(`${dashboard.uid}: panels have numbers of their own and lie side by side`, () => {
      assert.ok((dashboard.schemaVersion ?? 0) >= 36)
      const ids = panels.map(({ id }) => id)
      assert.ok(ids.every((id) => id !== undefined && id > 0))
      assert.equal(new Set(ids).size, ids.length)
      const titles = drawn.map(({ title }) => title)
      assert.equal(new Set(titles).size, titles.length, `two have one title: ${titles.join(', ')}`)
      const taken = new Map<string, string>()
      for (const { gridPos, title = '' } of panels) {
        const { x, y, w, h } = gridPos ?? { x: 0, y: 0, w: 0, h: 0 }
        assert.ok(w > 0 && h > 0 && x >= 0 && x + w <= 24, `${title} is wider than the screen`)
        for (let column = x; column < x + w; column += 1)
          for (let line = y; line < y + h; line += 1) {
            assert.equal(taken.get(`${column}/${line}`), undefined, `${title} lies on another`)
            taken.set(`${column}/${line}`, title)
          }
      }
    })

    test(`${dashboard.uid}: every panel says what it shows and what to do, in a unit, from the chosen source`, () => {
      for (const panel of drawn) {
        if (panel.type === 'text') continue
        assert.match(panel.description ?? '', /^[A-Z].{20,}\.$/, panel.title ?? '')
        // In a list, a search or a message it stands without its row.
        assert.match(panel.title ?? '', /^[A-Z].*\w{3}.*[\w)]$/)
        assert.doesNotMatch(panel.title ?? '', /^(Of|It|These|Refused|Limited|Requests|Servers)$|^(Of|It|These) /)
        assert.ok(panel.fieldConfig?.defaults?.unit, panel.title ?? '')
        assert.deepEqual(panel.datasource, { type: 'prometheus', uid: `\${datasource}` }, panel.title ?? '')
        assert.ok((panel.targets ?? []).length > 0, panel.title ?? '')
      }
      assert.equal(JSON.stringify(dashboard).match(/"uid":"(?!\$\{datasource\})[^"]*"/g)?.length, 1, 'its own uid alone is fixed')
      assert.equal(dashboard.templating?.list?.[0]?.type, 'datasource')
    })

    test(`${dashboard.uid}: every expression is on metrics and labels that exist, narrowed to the chosen job`, () => {
      const asked = expressionsOf(dashboard)
      assert.ok(asked.length >= 10)
      for (const { panel, expression } of asked) {
        assert.deepEqual(unknownIn(expression), [], panel)
        for (const { labels, text } of selectorsOf(expression)) assert.ok(labels.includes('job'), `${panel}: ${text}`)
        assert.doesNotMatch(expression, /\b(rate|increase)\([^)]*\[(?!\$__rate_interval|24h)/, panel)
      }
    })
  }

  test('each is a ConfigMap that the sidecar loads and kubectl can apply', () => {
    for (const { uid = '' } of DASHBOARDS) {
      const text = contentOf(`deploy/observability/configmaps/${uid}.yaml`)
      const { apiVersion, kind, metadata, data } = parse(text) as {
        apiVersion: string
        kind: string
        metadata: { name: string; labels: Record<string, string> }
        data: Record<string, string>
      }
      assert.deepEqual([apiVersion, kind, metadata.labels['grafana_dashboard']], ['v1', 'ConfigMap', '1'])
      assert.match(metadata.name, /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/)
      assert.deepEqual(data, { [`${uid}.json`]: contentOf(`deploy/observability/dashboards/${uid}.json`) })
      // What `kubectl apply` writes into an annotation may have 256 KiB.
      assert.ok(Buffer.byteLength(text) < 200_000)
    }
  })
})

/** Names in sentences that are no codes of ours. */
const NO_CODES = ['jwks_uri', 'apiserver_request_duration_seconds']

test('codes in sentences are those of the catalogue', () => {
  const sentences = [
    ...DASHBOARDS.flatMap(({ panels = [] }) => panels.filter(isDrawn).map(({ description = '' }) => description)),
    ...alerts().flatMap(({ annotations = {} }) => Object.values(annotations)),
  ]
  const named = sentences.flatMap((sentence) => sentence.match(/\b[a-z]+(_[a-z]+)+\b/g) ?? [])
  assert.ok(named.length > 5)
  assert.deepEqual(
    named.filter((name) => !(name in REFUSALS) && !NO_CODES.includes(name)),
    [],
  )
})

interface PromqlTest {
  readonly expr: string
  readonly exp_samples: ReadonlyArray<{ readonly labels: string }>
}

describe('alerts', () => {
  const tests = filesOf('deploy/observability/rules/tests/*.yaml').flatMap((path) => {
    const file = parse(contentOf(path)) as { tests: ReadonlyArray<{ name: string; promql_expr_test: readonly PromqlTest[] }> }
    return file.tests.flatMap(({ name, promql_expr_test }) => promql_expr_test.map((one) => ({ ...one, name })))
  })

  test('each wants somebody, says what happened and what mends it', () => {
    for (const { alert, labels, annotations } of alerts()) {
      assert.match(alert, /^Mandate[A-Z]\w+$/)
      assert.match(labels?.['severity'] ?? '', /^(critical|warning)$/, alert)
      assert.ok((annotations?.['summary'] ?? '').length > 10, alert)
      assert.ok((annotations?.['description'] ?? '').length > 100, alert)
      assert.match(contentOf('docs/guides/observability.md'), new RegExp(`^\\| \`${alert}\` \\|`, 'm'), 'it is in the guide')
    }
    assert.equal(new Set(alerts().map(({ alert }) => alert)).size, alerts().length)
  })

  test('each is on metrics, labels and codes that exist', () => {
    for (const { rules } of ruleGroups())
      for (const { alert, record, expr } of rules) {
        assert.notEqual(selectorsOf(expr).length, 0, alert ?? record ?? '')
        assert.deepEqual(unknownIn(expr), [], alert ?? record ?? '')
        for (const value of selectorsOf(expr).flatMap(({ values }) => values)) {
          const [label, is = ''] = value.split('=')
          if (label === 'reason') assert.ok(is in REFUSALS, value)
        }
      }
  })

  test('each is shown to fire, and not to fire, by promtool', () => {
    for (const { alert } of alerts()) {
      const about = tests.filter(({ expr }) => expr.includes(`alertname="${alert}",alertstate="firing"`))
      assert.ok(
        about.some(({ exp_samples }) => exp_samples.some(({ labels }) => labels.includes(`alertname="${alert}"`))),
        `${alert} is not shown to fire`,
      )
      assert.ok(
        about.some(({ exp_samples, name }) => exp_samples.length === 0 && name.includes('does not fire')),
        `${alert} is not shown to keep quiet`,
      )
    }
  })

  test('what their words name of a series is there when they fire', () => {
    for (const { alert, annotations } of alerts()) {
      const fired = tests.flatMap(({ exp_samples }) => exp_samples).filter(({ labels }) => labels.includes(`alertname="${alert}"`))
      for (const [, label] of JSON.stringify(annotations).matchAll(/\$labels\.(\w+)/g))
        for (const { labels } of fired) assert.match(labels, new RegExp(`[{,]${label}="`), `${alert} names ${label}`)
    }
  })
})

test('each metric of ours is on a dashboard or in an alert', () => {
  const expressions = [
    ...DASHBOARDS.flatMap(expressionsOf).map(({ expression }) => expression),
    ...ruleGroups().flatMap(({ rules }) => rules.map(({ expr }) => expr)),
  ]
  const used = new Set(expressions.flatMap(selectorsOf).map(({ metric }) => metricOf(metric)))
  assert.deepEqual(
    [...Object.keys(METRICS), ...Object.keys(OAUTH2_PROXY)].filter((metric) => !used.has(metric)),
    [],
  )
})

test('the ServiceMonitor scrapes the operations port of the namespace, as that of the plain manifests does', () => {
  const monitor = (path: string) =>
    parse(contentOf(path)) as { metadata: { name: string; namespace: string }; spec: { endpoints: unknown } }
  const ours = monitor('deploy/observability/servicemonitor.yaml')
  assert.deepEqual([ours.metadata.name, ours.metadata.namespace], ['mandate', 'mandate'])
  assert.deepEqual(ours.spec.endpoints, [{ port: 'metrics', path: '/metrics', interval: '30s' }])
  assert.deepEqual(monitor('deploy/manifests/servicemonitor.yaml').spec.endpoints, ours.spec.endpoints)
})

test('the kustomization names every file that is to be applied', () => {
  const { resources } = parse(contentOf('deploy/observability/kustomization.yaml')) as { resources: readonly string[] }
  const files = filesOf('deploy/observability/{*,configmaps/*,rules/*}.yaml').map((path) => path.replace('deploy/observability/', ''))
  assert.deepEqual([...resources].sort(), files.filter((path) => basename(path) !== 'kustomization.yaml').sort())
})
