/** What Mandate is to reach against its neighbours, as ratios of medians. */
import type { LaneName } from './lanes.ts'
import type { Saturated, Steady } from './load.ts'
import { median } from './median.ts'

/** What one visit took of the proxy's core, in seconds. */
export interface Taken {
  /** By the proxy; none where there is no proxy. */
  readonly cpu: number | undefined
  /** By whatever else ran on that core: a visit with much of this says little. */
  readonly others: number
}
export type SaturatedVisit = Saturated & Taken
export type SteadyVisit = Steady & Taken

/** Medians over all rounds. */
export interface Row {
  readonly lane: LaneName
  readonly saturated: {
    readonly perSecond: number
    readonly cpuUs: number
    /** Shares of the core: by the proxy, and by others. */
    readonly busy: number
    readonly others: number
    readonly p50Ms: number
    readonly p99Ms: number
  }
  readonly steady: {
    readonly rate: number
    readonly cpuUs: number
    readonly others: number
    readonly p50Ms: number
    readonly p99Ms: number
  }
}

export interface Judged {
  readonly what: string
  readonly atMost: number
  readonly measured: number
  /** Undefined where it cannot be told: one of the two did not carry the fixed rate. */
  readonly met: boolean | undefined
}

export function rowOf(lane: LaneName, saturated: readonly SaturatedVisit[], steady: readonly SteadyVisit[]): Row {
  const cpuUs = ({ cpu, requests }: SaturatedVisit | SteadyVisit) => (cpu === undefined ? Number.NaN : (cpu * 1e6) / requests)
  return {
    lane,
    saturated: {
      perSecond: median(saturated.map(({ requests, seconds }) => requests / seconds)),
      cpuUs: median(saturated.map(cpuUs)),
      busy: median(saturated.map(({ cpu, seconds }) => (cpu ?? Number.NaN) / seconds)),
      others: median(saturated.map(({ others, seconds }) => others / seconds)),
      p50Ms: median(saturated.map(({ p50Ms }) => p50Ms)),
      p99Ms: median(saturated.map(({ p99Ms }) => p99Ms)),
    },
    steady: {
      rate: median(steady.map(({ rate }) => rate)),
      cpuUs: median(steady.map(cpuUs)),
      others: median(steady.map(({ others, seconds }) => others / seconds)),
      p50Ms: median(steady.map(({ p50Ms }) => p50Ms)),
      p99Ms: median(steady.map(({ p99Ms }) => p99Ms)),
    },
  }
}

/** Whether the proxy kept up: otherwise as many were asked as wait, and their times say nothing about the rate. */
export function carries({ steady }: Row, rate: number): boolean {
  return steady.rate > rate * 0.99
}

/** A cookie is judged by the cheaper of oauth2-proxy's stores, a bearer by its bearer. What was not measured is left out. */
export function judge(rows: readonly Row[], rate: number): Judged[] {
  const row = (lane: LaneName) => rows.find((one) => one.lane === lane)
  const cheapest = (lanes: readonly LaneName[]) =>
    lanes.map(row).sort((a, b) => (a?.saturated.cpuUs ?? Infinity) - (b?.saturated.cpuUs ?? Infinity))[0]
  const judged: Judged[] = []
  for (const lane of ['mandate-cookie', 'mandate-bearer'] as const) {
    const own = row(lane)
    const neighbour = lane === 'mandate-cookie' ? cheapest(['oauth2-proxy-cookie', 'oauth2-proxy-redis']) : row('oauth2-proxy-bearer')
    const say = (what: string, other: Row | undefined, atMost: number, of: (of: Row) => number, told = true) => {
      if (own === undefined || other === undefined) return
      const measured = of(own) / of(other)
      judged.push({ what: `${lane}: ${what} against ${other.lane}`, atMost, measured, met: told ? measured <= atMost : undefined })
    }
    const cpuUs = ({ saturated }: Row) => saturated.cpuUs
    say('CPU a request, saturated,', neighbour, 0.5, cpuUs)
    say('CPU a request, saturated,', row('caddy'), 0.75, cpuUs)
    say('CPU a request, saturated,', row('nginx'), 4.5, cpuUs)
    const carried = [own, row('caddy')].every((one) => one !== undefined && carries(one, rate))
    say('p50 at the fixed rate', row('caddy'), 1.2, ({ steady }) => steady.p50Ms, carried)
    say('p99 at the fixed rate', row('caddy'), 1, ({ steady }) => steady.p99Ms, carried)
  }
  return judged
}
