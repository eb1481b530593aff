/** A dashboard as a whole: its name, its choices at the top, and rows of panels, numbered in their order. */
import {
  type Dashboard,
  DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkBuilder,
  DashboardLinkType,
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  RowBuilder,
  VariableRefresh,
  VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard'
import { DATA_SOURCE, type Panel } from './drawing.ts'

/** Its tag leads from each of our dashboards to the others. */
const TAG = 'mandate'

/** A choice at the top: the values of a label, of which none, some or all can be chosen. */
export interface Choice {
  readonly name: string
  readonly title: string
  /** Where the values come from, as in `label_values(mandate_build_info, job)`. */
  readonly metric: string
  readonly label: string
  /** Only values that match it. */
  readonly regex?: string
}

/** Which scrape job Mandate's replicas belong to: on every dashboard, since a Prometheus may see more than one installation. */
export const JOB: Choice = { name: 'job', title: 'Mandate', metric: 'mandate_build_info', label: 'job' }

export interface Plan {
  /** Stands in its URL and in links to it: never changed. */
  readonly uid: string
  readonly title: string
  readonly about: string
  readonly choices: readonly Choice[]
  readonly rows: ReadonlyArray<{ readonly title: string; readonly panels: readonly Panel[] }>
}

/** Draws it. Panels lie side by side, 24 columns a line; a row begins a new one. */
export function board({ uid, title, about, choices, rows }: Plan): Dashboard {
  const dashboard = new DashboardBuilder(title)
    .uid(uid)
    .description(about)
    .tags([TAG])
    .readonly()
    .timezone('browser')
    .time({ from: 'now-6h', to: 'now' })
    .refresh('1m')
    .tooltip(DashboardCursorSync.Crosshair)
    .link(new DashboardLinkBuilder('Mandate').type(DashboardLinkType.Dashboards).tags([TAG]).asDropdown(true).keepTime(true))
    .withVariable(new DatasourceVariableBuilder('datasource').label('Data source').type('prometheus'))
  for (const choice of choices) dashboard.withVariable(variable(choice))
  let id = 0
  const next = () => {
    id += 1
    return id
  }
  for (const row of rows) {
    dashboard.withRow(new RowBuilder(row.title).id(next()))
    for (const panel of row.panels) {
      panel.id(next())
      dashboard.withPanel(panel)
    }
  }
  return dashboard.build()
}

function variable({ name, title, metric, label, regex }: Choice): QueryVariableBuilder {
  const query = `label_values(${metric}, ${label})`
  const made = new QueryVariableBuilder(name)
    .label(title)
    .datasource(DATA_SOURCE)
    .query({ query, refId: name })
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.AlphabeticalAsc)
    .multi(true)
    .includeAll(true)
    // Not the list of all values: a URL has its bounds, and a value may appear after the dashboard was loaded.
    .allValue('.*')
    .current({ selected: true, text: ['All'], value: ['$__all'] })
  return regex === undefined ? made : made.regex(regex)
}
