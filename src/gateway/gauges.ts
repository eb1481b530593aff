/** Gauges of state that lives elsewhere: read when they are asked for, and absent when it cannot be known. */
import type { Clock } from '../clock.ts'
import type { Metrics } from '../metrics.ts'
import type { IssuerKeys } from '../providers/keys.ts'
import type { Revocations } from '../store/revocations.ts'
import { version } from '../version.ts'
import type { Listener } from './server.ts'

export interface Measured {
  readonly revocations: Pick<Revocations, 'blind'>
  /** By the configured name of the provider. */
  readonly providers: Readonly<Record<string, { readonly keys: Pick<IssuerKeys, 'fetchedAt'> }>>
  /** Logins alive in the shared store. */
  readonly active: () => Promise<number>
  /** Whatever listens with a certificate of ours. */
  readonly listeners: ReadonlyArray<Pick<Listener, 'certificateEndsAt'>>
  readonly clock: Clock
}

/** Reads store health, active logins, the age of issuers' keys and the end of our certificates before each exposition. */
export function readGauges(metrics: Metrics, { revocations, providers, active, listeners, clock }: Measured): void {
  metrics.set('mandate_build_info', { version }, 1)
  metrics.beforeScrape(async () => {
    metrics.set('mandate_store_up', {}, revocations.blind ? 0 : 1)
    metrics.clear('mandate_active_logins')
    await active().then(
      (count) => metrics.set('mandate_active_logins', {}, count),
      () => undefined,
    )
    for (const [issuer, { keys }] of Object.entries(providers)) {
      const at = keys.fetchedAt()
      if (at !== undefined) metrics.set('mandate_issuer_keys_age_seconds', { issuer }, (clock.now() - at) / 1000)
    }
    // Of several the one that ends first: it is the one to see to.
    const ends = listeners.flatMap(({ certificateEndsAt }) => certificateEndsAt ?? [])
    if (ends.length > 0) metrics.set('mandate_tls_expiry_timestamp_seconds', {}, Math.min(...ends) / 1000)
  })
}
