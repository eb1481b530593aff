/** How our expressions are written: every series is narrowed to the chosen job, and rates go over the interval that fits. */
import type { METRICS } from '../../src/metrics.ts'

type Metric = keyof typeof METRICS | `${keyof typeof METRICS}_${'bucket' | 'count' | 'sum'}`

/** The series of a metric of ours that the choices at the top leave. `matchers` are further ones, in PromQL. */
export function ours(metric: Metric, matchers = ''): string {
  return `${metric}{job=~"$job"${matchers === '' ? '' : `, ${matchers}`}}`
}

/** How often a second. */
export function rate(series: string): string {
  return `rate(${series}[$__rate_interval])`
}

/** Sums, by the labels if any are given. */
export function sum(of: string, by = ''): string {
  return by === '' ? `sum(${of})` : `sum by (${by}) (${of})`
}

/** Zero where nothing was counted yet. Only for what has no labels. */
export function orZero(of: string): string {
  return `${of} or vector(0)`
}

/** A quantile of a histogram of ours, in seconds. */
export function quantile(q: number, metric: keyof typeof METRICS, matchers = '', by = ''): string {
  return `histogram_quantile(${q}, ${sum(rate(ours(`${metric}_bucket`, matchers)), `le${by === '' ? '' : `, ${by}`}`)})`
}
