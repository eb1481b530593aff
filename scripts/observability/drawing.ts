/**
 * The few kinds of panels that our dashboards are drawn with, so that all of them look and behave alike: every panel
 * reads the data source that is chosen at the top, says what it shows and what to do when it looks bad, and has a unit.
 *
 * Rates go over `$__rate_interval`, which Grafana makes of the scrape interval; a fixed window would be empty where
 * scrapes are further apart than it.
 */
import type { Builder } from '@grafana/grafana-foundation-sdk/cog'
import {
  BigValueGraphMode,
  GraphDrawStyle,
  LegendDisplayMode,
  ReduceDataOptionsBuilder,
  SortOrder,
  TooltipDisplayMode,
  VisibilityMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common'
import { type Panel as BuiltPanel, MappingType, type Threshold, ThresholdsConfigBuilder } from '@grafana/grafana-foundation-sdk/dashboard'
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus'
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat'
import { PanelBuilder as TextBuilder } from '@grafana/grafana-foundation-sdk/text'
import { PanelBuilder as TimeSeriesBuilder } from '@grafana/grafana-foundation-sdk/timeseries'

/** The data source that is chosen at the top of a dashboard. */
export const DATA_SOURCE = { type: 'prometheus', uid: `\${datasource}` }

/** A panel that has no number yet. */
export interface Panel extends Builder<BuiltPanel> {
  id(id: number): unknown
}

/** One expression and what its lines are called; `{{label}}` in a legend is the value of that label. */
export type Query = readonly [expr: string, legend: string]

interface Said {
  readonly title: string
  /** What it shows, and what to do when it looks bad. */
  readonly about: string
  readonly unit: string
  readonly queries: readonly Query[]
  /** Of 24 columns. */
  readonly wide: number
  /** From which value on which colour, in rising order; the first step has no value. */
  readonly colours?: readonly Threshold[]
  /** What is shown when there are no data. */
  readonly none?: string
}

/** Lines over time. */
export function lines({ title, about, unit, queries, wide, colours, none, most }: Said & { readonly most?: number }): Panel {
  const panel = new TimeSeriesBuilder()
    .title(title)
    .description(about)
    .datasource(DATA_SOURCE)
    .unit(unit)
    .min(0)
    .span(wide)
    .height(8)
    .drawStyle(GraphDrawStyle.Line)
    .lineWidth(1)
    .fillOpacity(10)
    .showPoints(VisibilityMode.Never)
    .legend(new VizLegendOptionsBuilder().showLegend(true).displayMode(LegendDisplayMode.List))
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending))
    .targets(targets(queries, 'range'))
  if (most !== undefined) panel.max(most)
  if (colours !== undefined) panel.thresholds(new ThresholdsConfigBuilder().steps([...colours]))
  if (none !== undefined) panel.noValue(none)
  return panel
}

/** One number, or one for each line that the queries give. */
export function figure({ title, about, unit, queries, wide, colours, none, words }: Said & { readonly words?: Words }): Panel {
  const panel = new StatBuilder()
    .title(title)
    .description(about)
    .datasource(DATA_SOURCE)
    .unit(unit)
    .span(wide)
    .height(4)
    .graphMode(BigValueGraphMode.None)
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']))
    .thresholds(new ThresholdsConfigBuilder().steps([...(colours ?? [{ value: null, color: 'text' }])]))
    .noValue(none ?? 'no data')
    .targets(targets(queries, 'instant'))
  if (words !== undefined) {
    const options = Object.fromEntries(Object.entries(words).map(([value, text], index) => [value, { text, index }]))
    panel.mappings([{ type: MappingType.ValueToText, options }])
  }
  return panel
}

/** What stands for a number: `{ 0: 'down', 1: 'up' }`. */
type Words = Readonly<Record<number, string>>

/** A paragraph, for what a dashboard cannot show. */
export function note(title: string, content: string, wide: number, height = 4): Panel {
  return new TextBuilder().title(title).content(content).span(wide).height(height)
}

/** Green below `amber`, red from `red` on. */
export function badFrom(amber: number, red: number): Threshold[] {
  return [
    { value: null, color: 'green' },
    { value: amber, color: 'orange' },
    { value: red, color: 'red' },
  ]
}

/** Red below `amber`, green from `green` on. */
export function goodFrom(amber: number, green: number): Threshold[] {
  return [
    { value: null, color: 'red' },
    { value: amber, color: 'orange' },
    { value: green, color: 'green' },
  ]
}

export const UP_OR_DOWN = { colours: goodFrom(1, 1), words: { 0: 'down', 1: 'up' } }

function targets(queries: readonly Query[], kind: 'instant' | 'range'): DataqueryBuilder[] {
  return queries.map(([expr, legend], at) =>
    new DataqueryBuilder()
      .datasource(DATA_SOURCE)
      .expr(expr)
      .legendFormat(legend)
      .refId(String.fromCharCode(65 + at))
      [kind](),
  )
}
