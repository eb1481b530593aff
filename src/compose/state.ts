/** What replicas share, and what each of them writes down: the store with its keys, and the audit log. */
import { resolve } from 'node:path'
import { hasRoom, whyUnwritable } from '../audit/audit-file.ts'
import type { AuditSink } from '../audit/audit-sink.ts'
import { JsonLinesSink } from '../audit/json-lines.ts'
import { fileTarget, type LineTarget, standardOutput } from '../audit/line-target.ts'
import { summed } from '../audit/summed.ts'
import { watchedTarget } from '../audit/watched-target.ts'
import type { Clock } from '../clock.ts'
import { Complaint } from '../complaint.ts'
import type { Config } from '../config/config.ts'
import { secretSource } from '../config/references.ts'
import { networkOf } from '../gateway/address.ts'
import type { Lifecycle } from '../lifecycle.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import { randomKey } from '../store/key.ts'
import { createMemoryStore } from '../store/memory.ts'
import { createKeyRing, type KeyRing } from '../store/sealed.ts'
import type { Store } from '../store/store.ts'

/** What the world outside the configuration gives: replaced in tests, real in `main.ts`. */
export interface Surroundings {
  readonly log: Log
  readonly clock?: Clock
  /** Where audit lines go instead of where the configuration says. */
  readonly auditTarget?: LineTarget
  /** The shared state instead of what the configuration says; the caller closes it. */
  readonly state?: SharedState
}

export interface SharedState {
  readonly store: Store
  readonly ring: KeyRing
}

/** The shared store and the keys its values are sealed with. */
export async function composeState(config: Config, log: Log, clock: Clock, lifecycle: Lifecycle): Promise<SharedState> {
  if ('memory' in config.store) {
    const store = createMemoryStore(clock)
    lifecycle.onStop('store', () => store.close())
    return { store, ring: createKeyRing([{ id: 'process', key: randomKey() }]) }
  }
  const { url, ca, keys, plaintextOpen } = config.store.redis
  // Loading the client takes a tenth of a second, which `mandate dev` need not pay.
  const { connectRedis } = await import('../store/redis.ts')
  const store = await connectRedis({
    url: secretSource(url).read(),
    ca: ca && secretSource(ca).read().expose(),
    plaintextOpen,
    log,
    clock,
  })
  lifecycle.onStop('store', () => store.close())
  return { store, ring: createKeyRing(keys.map(({ id, key }) => ({ id, key: secretSource(key).read() }))) }
}

/** The audit log, and whether it can be written. */
export interface WatchedAudit extends AuditSink {
  /** True while it cannot be written, and so every attempt is refused. */
  readonly down: boolean
}

/**
 * The audit log: where the surroundings or the configuration say, with floods of refusals summed. Throws a Complaint when
 * the file cannot be opened: a gateway that could do nothing does not start.
 */
export function composeAudit(
  config: Pick<Config, 'audit'>,
  { clock, log, auditTarget }: Surroundings & { clock: Clock },
  metrics: Metrics,
  lifecycle: Lifecycle,
): WatchedAudit {
  const toFile = auditTarget === undefined && config.audit.file !== '-'
  const file = toFile ? resolve(config.audit.file) : 'standard output'
  const why = toFile ? whyUnwritable(file, true) : undefined
  if (why !== undefined) throw new Complaint(`the audit log (audit.file) cannot be written: ${file}: ${why}`)
  const target = watchedTarget(auditTarget ?? (toFile ? fileTarget(file) : standardOutput()), {
    clock,
    hasRoom: () => hasRoom(toFile ? file : '/dev/stdout'),
    onDown(code) {
      metrics.set('mandate_audit_up', {}, 0)
      log.warn('the audit log cannot be written: every attempt is refused', { file, code })
    },
    onUp() {
      metrics.set('mandate_audit_up', {}, 1)
      log.info('the audit log can be written again', { file })
    },
  })
  const sink = new JsonLinesSink({
    target,
    clock,
    onHealth: (healthy) => void (healthy || target.hangs()),
    onLost: (notes) => log.warn('records of attempts that had ended were lost while the audit log could not be written', { notes }),
  })
  metrics.set('mandate_audit_up', {}, 1)
  const sums = summed(sink, clock, networkOf)
  lifecycle.onStop('audit', () => {
    sums.settle()
    return sink.close()
  })
  return {
    record: (event) => sums.record(event),
    note: (event) => sums.note(event),
    get down() {
      return target.down
    },
  }
}
