/**
 * Looks once a minute whether issuers still publish the keys that vouch for bearers.
 *
 * Security: a verified bearer is remembered until it ends, and whoever stole a signing key can make that a day and more.
 * The issuer's remedy is to withdraw the key. So once a set of keys was fetched it is fetched anew every 5 minutes, also
 * when nobody shows a token that is new; what a key verified that is published no longer is ended, streams included, and
 * is refused as `token_key_unknown` when it is shown again. That takes 6 minutes at most, and the fetch.
 *
 * An issuer that cannot be asked withdraws nothing: its last good set goes on for a day (`providers/keys.ts`). After that
 * nobody can tell, and what it signed is ended as that (promise 3). Each issuer is waited for by itself (promise 9).
 */
import type { Clock, Timer } from '../clock.ts'
import type { ProviderConfig } from '../config/provider.ts'
import { Refusal } from '../errors.ts'
import type { Log } from '../log.ts'
import type { IssuerKeys } from '../providers/keys.ts'
import type { BearerAuthenticator } from './bearer-jwt.ts'

export interface WithdrawnKeysOptions {
  readonly providers: ReadonlyArray<{
    readonly config: Pick<ProviderConfig, 'name' | 'issuer'>
    readonly keys: Pick<IssuerKeys, 'published' | 'fetchedAt'>
  }>
  readonly bearers: Pick<BearerAuthenticator, 'withdraw'>
  readonly clock: Clock
  readonly log: Log
}

const LOOK_EVERY_MS = 60_000

/** Looks until the function that it returns is called. */
export function lookForWithdrawnKeys({ providers, bearers, clock, log }: WithdrawnKeysOptions): () => void {
  let stopped = false
  const timers = new Map<string, Timer>()

  const look = async ({ config: { name, issuer }, keys }: WithdrawnKeysOptions['providers'][number]) => {
    // Nothing was verified before the first set.
    if (keys.fetchedAt() === undefined) return
    const published = await keys.published().catch(() => undefined)
    if (stopped) return
    const why = new Refusal(published === undefined ? 'issuer_unavailable' : 'token_key_unknown')
    const tokens = bearers.withdraw(issuer, (key) => published?.some((one) => one === key || one.equals(key)) === true, why)
    if (tokens > 0) log.warn('tokens hold no longer: their keys are not published any more', { provider: name, reason: why.code, tokens })
  }
  const lookLater = (provider: WithdrawnKeysOptions['providers'][number]) => {
    const again = async () => {
      await look(provider)
      if (!stopped) lookLater(provider)
    }
    timers.set(
      provider.config.name,
      clock.after(LOOK_EVERY_MS, () => void again()),
    )
  }

  for (const provider of providers) lookLater(provider)
  return () => {
    stopped = true
    for (const timer of timers.values()) timer.cancel()
  }
}
