/** What deploy/observability asks of Prometheus: the series that its expressions name. */
import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard'
import { parse } from 'yaml'
import { contentOf } from './files.ts'

/** A choice of series as it stands in an expression. */
export interface Selector {
  readonly metric: string
  /** Of its matchers, in their order. */
  readonly labels: readonly string[]
  /** Exact values that it asks for, as `label=value`. */
  readonly values: readonly string[]
  /** The whole of it, as in `mandate_store_up{job=~"$job"}`. */
  readonly text: string
}

/** The selectors of an expression. Our names all begin alike, and no value of ours has a brace. */
export function selectorsOf(expression: string): Selector[] {
  return [...expression.matchAll(/\b((?:route:)?mandate_\w+(?::\w+)?|oauth2_proxy_\w+)(\{[^}]*\})?/g)].map(
    ([text, metric = '', matchers = '']) => {
      const parts = [...matchers.matchAll(/(\w+)(=~|!~|!=|=)"([^"]*)"/g)]
      const values = parts.filter(([, , operator]) => operator === '=').map(([, label, , value]) => `${label}=${value}`)
      return { metric, labels: parts.map(([, label = '']) => label), values, text }
    },
  )
}

/** The metric in the catalogue that a series of a histogram belongs to. */
export function metricOf(series: string): string {
  return series.replace(/_(bucket|count|sum)$/, '')
}

export interface Asked {
  readonly dashboard: string
  readonly panel: string
  readonly expression: string
}

/** Every expression of a dashboard's panels. */
export function expressionsOf({ uid = '', panels = [] }: Dashboard): Asked[] {
  return panels.flatMap((panel) =>
    ('targets' in panel ? (panel.targets ?? []) : []).map((target) => ({
      dashboard: uid,
      panel: panel.title ?? '',
      expression: String('expr' in target ? target.expr : ''),
    })),
  )
}

export interface Rule {
  readonly alert?: string
  readonly record?: string
  readonly expr: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
}

export interface RuleGroup {
  readonly name: string
  readonly rules: readonly Rule[]
}

/** The groups of the PrometheusRule: what promtool and Prometheus itself take as a file of rules. */
export function ruleGroups(): readonly RuleGroup[] {
  const { spec } = parse(contentOf('deploy/observability/rules/mandate.yaml')) as { spec: { groups: readonly RuleGroup[] } }
  return spec.groups
}

/** The alerts of all groups. */
export function alerts(): ReadonlyArray<Rule & { readonly alert: string }> {
  return ruleGroups().flatMap(({ rules }) => rules.flatMap((rule) => (rule.alert === undefined ? [] : [{ ...rule, alert: rule.alert }])))
}
