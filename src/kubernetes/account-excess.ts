/**
 * Looks at what a service account that writes for users may do, and keeps looking.
 *
 * Security: a broker whose account may impersonate, read secrets or write roles is a way to all of that for whoever finds a
 * fault in it. So nothing is written with the account while this is not known, or is too much. The API server is asked
 * as the account, one right at a time; an answer that is none, or tells of an error, has told nothing, and whatever was
 * seen of the rest counts for nothing: `reviewAccount` throws. What was seen once stays in force until the next answer,
 * an hour at most when the API server answers.
 */
import { type Clock, pause } from '../clock.ts'
import { Refusal } from '../errors.ts'
import { describeError, type Log } from '../log.ts'
import type { Probe } from './account-probes.ts'
import { isRecord } from './kubernetes-object.ts'
import type { OWN_TASKS } from './own-tasks.ts'
import type { OwnWork } from './own-work.ts'

/** The capability for the task `account-review`, or for `broker-rights` to have each question recorded. */
export type ReviewWork = Pick<OwnWork<(typeof OWN_TASKS)['account-review' | 'broker-rights'][number]>, 'act'>

export interface AccountProbes {
  /** What it must not be able to do. */
  readonly denied: readonly Probe[]
  /** What it should not need. */
  readonly excess: readonly Probe[]
  /** What it cannot work without. */
  readonly needed: readonly Probe[]
}

export interface ReviewAccountOptions extends AccountProbes {
  readonly own: ReviewWork
  /** For all questions together, in milliseconds; a minute, and a tenth of a second more for each. */
  readonly withinMs?: number
  readonly clock: Clock
  readonly signal?: AbortSignal
}

/** Rights in the words of their probes. */
export interface AccountReview {
  readonly denied: readonly string[]
  readonly excess: readonly string[]
  readonly missing: readonly string[]
}

const AT_ONCE = 5
const EVERY_MS = 3_600_000
const DENIED_AGAIN_MS = 30_000
const MISSING_AGAIN_MS = 300_000
const UNANSWERED_AGAIN_MS = 10_000
const NAMED = 20
const PATIENCE = 3

/**
 * Asks for each right, at most five at a time, the denied ones first. Throws a Refusal (`review_unavailable`, or why the account
 * cannot ask) when one of those cannot be told, or all of them not in time. The others are advice: one of which nothing could
 * be told stands in neither list.
 */
export async function reviewAccount({
  own,
  denied,
  excess,
  needed,
  clock,
  withinMs = 60_000 + 100 * (denied.length + excess.length + needed.length),
  signal,
}: ReviewAccountOptions): Promise<AccountReview> {
  const over = new AbortController()
  const end = () => over.abort()
  const timer = clock.after(withinMs, end)
  signal?.addEventListener('abort', end, { once: true })
  if (signal?.aborted) end()
  const questions = [...denied, ...excess, ...needed]
  const decisive = new Set(denied)
  const answers = new Map<Probe, boolean>()
  let next = 0
  const answer = async (probe: Probe): Promise<void> => {
    try {
      answers.set(probe, await allowed(own, probe, clock, over.signal))
    } catch (error) {
      if (decisive.has(probe)) throw error
    }
  }
  const asking = async (): Promise<void> => {
    for (let probe = questions[next++]; probe !== undefined; probe = questions[next++]) await answer(probe)
  }
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, asking))
  } catch (error) {
    end()
    throw error instanceof Refusal ? error : new Refusal('review_unavailable')
  } finally {
    timer.cancel()
    signal?.removeEventListener('abort', end)
  }
  const where = (probes: readonly Probe[], may: boolean) => probes.filter((probe) => answers.get(probe) === may).map(({ reads }) => reads)
  return { denied: where(denied, true), excess: where(excess, true), missing: where(needed, false) }
}

async function allowed(own: ReviewWork, { attributes: resourceAttributes }: Probe, clock: Clock, signal: AbortSignal): Promise<boolean> {
  const body = { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectAccessReview', spec: { resourceAttributes } }
  const { status } = await patiently(clock, signal, () => own.act('create', 'selfsubjectaccessreviews', { body, signal }))
  const { allowed, evaluationError } = isRecord(status) ? status : {}
  if (allowed === true) return true
  // An authorizer that failed has not said no.
  if (allowed !== false || (typeof evaluationError === 'string' && evaluationError !== '')) throw new Refusal('review_unavailable')
  return false
}

/** An API server that asks for patience (429) gets it, a few times: one look is many questions. */
async function patiently<T>(clock: Clock, signal: AbortSignal, ask: () => Promise<T>): Promise<T> {
  for (let left = PATIENCE; ; left -= 1) {
    if (signal.aborted) throw new Refusal('review_unavailable')
    try {
      return await ask()
    } catch (error) {
      if (left === 0 || !(error instanceof Refusal) || error.code !== 'too_many_requests') throw error
      await pause(clock, Math.min(error.retryAfterSeconds ?? 1, 5) * 1_000, signal)
    }
  }
}

export interface WatchAccountOptions extends AccountProbes {
  /** Names the account in the log, such as the broker's name. */
  readonly account: string
  readonly own: ReviewWork
  readonly clock: Clock
  readonly log: Log
  /** Told of each answer: what was seen before is no longer so. */
  seen(result: AccountReview): void
  /** Told of each look that has no answer: what was seen before, if anything, is still what is known. */
  failed?(): void
}

/**
 * Looks at once and then every hour; but 10 seconds after a look without an answer, 30 seconds after one that names a
 * denied right, and 5 minutes after one that names missing ones alone, so that a right that is taken or given is soon
 * noticed. The probes are read anew for each look. Never throws. `stop` ends what is under way.
 */
export function watchAccount(options: WatchAccountOptions): { stop(): Promise<void> } {
  const { account, own, clock, log } = options
  const stopping = new AbortController()
  const { signal } = stopping
  let told = ''
  const tell = (now: string, write: () => void) => {
    if (now !== told) write()
    told = now
  }
  const look = async (): Promise<number> => {
    try {
      const { denied, excess, needed } = options
      const result = await reviewAccount({ own, denied, excess, needed, clock, signal })
      if (signal.aborted) return 0
      tell(JSON.stringify(result), () => say(log, account, result))
      options.seen(result)
      if (result.denied.length > 0) return DENIED_AGAIN_MS
      return result.missing.length > 0 ? MISSING_AGAIN_MS : EVERY_MS
    } catch (error) {
      if (!signal.aborted) {
        const { code = 'unknown' } = describeError(error)
        tell(code, () => log.warn('what the service account may do cannot be seen now', { account, code }))
        options.failed?.()
      }
      return UNANSWERED_AGAIN_MS
    }
  }
  const watching = (async () => {
    while (!signal.aborted) await pause(clock, await look(), signal)
  })()
  return {
    stop: () => {
      stopping.abort()
      return watching
    },
  }
}

function say(log: Log, account: string, { denied, excess, missing }: AccountReview): void {
  const some = (rights: readonly string[]) =>
    [...rights.slice(0, NAMED), ...(rights.length > NAMED ? [`${rights.length - NAMED} more`] : [])].join(', ')
  if (denied.length > 0)
    log.warn('the service account may do what no broker may: nothing is written with it', { account, may: some(denied) })
  if (missing.length > 0) log.warn('the service account lacks rights that its broker needs', { account, lacks: some(missing) })
  if (excess.length > 0) log.warn('the service account may do more than its broker needs', { account, may: some(excess) })
  if (denied.length + missing.length + excess.length === 0)
    log.info('the service account may do what its broker needs, and nothing that was looked for', { account })
}
