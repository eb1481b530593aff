/**
 * Deletes, now and then, what a broker wrote whose owner is gone.
 *
 * Security: deleting what is still needed is worse than keeping what is not. An object goes only when two sweeps in a row
 * by the same leader have found it orphaned, so the first is always a dry run; it goes with its uid and resourceVersion
 * as preconditions, so what was changed meanwhile stays; at most `most` go in one sweep; and nothing is sent once the
 * signal has fired, or while the account may not be used (`mayAct`): one that may too much, or of which nothing is known,
 * deletes no more than it writes. The same DELETE with `dryRun=All` is not sent before: it would tell about rights and admission, which
 * the DELETE itself tells, and nothing about the owner, which is what could be wrong.
 * Whoever may write labels and annotations of these kinds can mark an object as an orphan: `report` is the default.
 */
import { type Clock, pause } from '../clock.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import { ApiStatus } from './api-status.ts'
import { findOrphans, type Orphan, type SweepWork, type Tended } from './orphans.ts'

export interface OrphanSweepOptions extends Tended {
  /** The capability for the task that `sweepRights` describes. */
  readonly own: SweepWork
  readonly mode: 'report' | 'delete'
  /** From the end of a sweep to the next. */
  readonly everyMs: number
  /** Most DELETEs sent in one sweep. */
  readonly most: number
  /** Whether the account may be used now: asked before each sweep and before each DELETE. */
  readonly mayAct: () => boolean
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
}

/** An API server that refuses this often in a row is left alone until the next sweep. */
const MOST_FAILURES = 3
const NAMED = 5
/** How soon it is asked again whether the account may be used. */
const HELD_AGAIN_MS = 30_000

/**
 * What the replica does that leads: sweeps at once and then every `everyMs`, one after the other, until the signal fires.
 * While the account may not be used it does nothing, and begins anew with a dry run afterwards. Never rejects.
 */
export function orphanSweep(options: OrphanSweepOptions): (signal: AbortSignal) => Promise<void> {
  const { clock, everyMs, mayAct, log, metrics, broker } = options
  const forget = () => {
    for (const gauge of ['mandate_orphans', 'mandate_orphans_unknown'] as const) metrics.clear(gauge, { broker })
  }
  return async (signal) => {
    // Of this leader alone: what another one found may be long ago.
    let before = NOTHING_FOUND
    let held = false
    while (!signal.aborted) {
      if (mayAct()) {
        before = await sweep(options, before, signal)
        held = false
      } else {
        before = NOTHING_FOUND
        forget()
        if (!held) log.warn('no sweep for orphans while its account may not be used', { broker })
        held = true
      }
      await pause(clock, held ? Math.min(everyMs, HELD_AGAIN_MS) : everyMs, signal)
    }
    forget()
  }
}

/** What a sweep leaves to the next. */
interface Sweep {
  /** Orphans by uid, each with the uid of the owner that is gone. */
  readonly found: ReadonlyMap<string, string>
  /** Those that could not be deleted: the others go first. */
  readonly failed: ReadonlySet<string>
}

const NOTHING_FOUND: Sweep = { found: new Map(), failed: new Set() }

async function sweep(options: OrphanSweepOptions, before: Sweep, signal: AbortSignal): Promise<Sweep> {
  const { own, broker, mode, log, metrics } = options
  try {
    const { orphans, seen, unknown, whole } = await findOrphans(own, options, signal)
    const again = orphans.filter(({ uid, ownerUid }) => before.found.get(uid) === ownerUid)
    const { deleted, failed } =
      mode === 'delete' ? await deleteSome(options, again, before.failed, signal) : { deleted: 0, failed: new Set<string>() }
    if (whole) {
      metrics.set('mandate_orphans', { broker }, orphans.length - deleted)
      metrics.set('mandate_orphans_unknown', { broker }, unknown)
    } else {
      metrics.clear('mandate_orphans', { broker })
      metrics.clear('mandate_orphans_unknown', { broker })
    }
    const such = orphans.slice(0, NAMED).map(wordsOf).join(', ')
    const summary = { broker, mode, seen, found: orphans.length, deleted, failed: failed.size, unknown, whole }
    log.info('a sweep for orphans is over', { ...summary, ...(such === '' ? {} : { such }) })
    return { found: new Map(orphans.map(({ uid, ownerUid }) => [uid, ownerUid])), failed }
  } catch (error) {
    if (!signal.aborted) log.fault('a sweep for orphans has failed', error, { broker })
    return NOTHING_FOUND
  }
}

async function deleteSome(
  { own, most, mayAct, metrics, broker }: OrphanSweepOptions,
  orphans: readonly Orphan[],
  failedBefore: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<{ readonly deleted: number; readonly failed: ReadonlySet<string> }> {
  const rank = ({ uid }: Orphan) => Number(failedBefore.has(uid))
  const failed = new Set<string>()
  let [deleted, inARow] = [0, 0]
  for (const orphan of [...orphans].sort((one, other) => rank(one) - rank(other)).slice(0, most)) {
    if (signal.aborted || !mayAct() || inARow >= MOST_FAILURES) break
    const { kind, namespace, name, uid, resourceVersion } = orphan
    const { group, version, resource } = kind
    const body = { apiVersion: 'v1', kind: 'DeleteOptions', preconditions: { uid, resourceVersion }, propagationPolicy: 'Background' }
    try {
      await own.act('delete', resource, { group, version, namespace, name, body, signal })
      metrics.count('mandate_orphans_deleted_total', { broker })
      deleted += 1
      inARow = 0
    } catch (error) {
      failed.add(uid)
      // Changed or gone meanwhile, or held by admission: that is about this one alone.
      inARow = error instanceof ApiStatus ? 0 : inARow + 1
    }
  }
  return { deleted, failed }
}

function wordsOf({ kind: { group, resource }, namespace, name }: Orphan): string {
  return `${resource}${group === '' ? '' : `.${group}`} ${namespace === '' ? '' : `${namespace}/`}${name}`
}
