/**
 * Looks once a minute whether issuers still publish the keys that vouch for bearers.
 *
 * Security: a verified bearer is remembered until it ends, and whoever stole a signing key can make that a day and more.
 * The issuer's remedy is to withdraw the key. So once a set of keys was fetched it is fetched anew every 5 minutes, also
 * when nobody shows a token that is new. But one set says little: a node behind a balancer or a cache may still answer with
 * that of before a rotation, and anybody can have sets fetched, by tokens of unknown keys. So a key is withdrawn when it is
 * missing in two sets that were fetched for this look, one look apart. What it verified is ended then, streams included,
 * and is refused as `token_key_unknown` when it is shown again.
 *
 * That takes 8 minutes at most, and the fetches: 5 until a set is old, 1 until the look that finds it so, 1 until the
 * second look, and 1 more for what was being verified in the moment of the first.
 *
 * An issuer that cannot be asked withdraws nothing: its last good set goes on for a day (`providers/keys.ts`). After that
 * nobody can tell, and what it signed is ended as that (promise 3). Each issuer is waited for by itself (promise 9).
 */
import type { KeyObject } from 'node:crypto'
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

  const watch = ({ config: { name, issuer }, keys }: WithdrawnKeysOptions['providers'][number], firstAfterMs: number) => {
    /** Missing in the set that the look before had fetched. */
    let missing: ReadonlySet<KeyObject> = new Set()

    const look = async (anew: boolean): Promise<void> => {
      const before = keys.fetchedAt()
      // Nothing was verified before the first set.
      if (before === undefined) return
      const published = await keys.published(anew).catch(() => undefined)
      if (stopped) return
      const counts = keys.fetchedAt() !== before
      const unlisted = new Set<KeyObject>()
      const stands = (key: KeyObject): boolean => {
        if (published === undefined) return false
        if (published.some((one) => one === key || one.equals(key))) return true
        unlisted.add(key)
        return !(counts && missing.has(key))
      }
      const why = new Refusal(published === undefined ? 'issuer_unavailable' : 'token_key_unknown')
      const tokens = bearers.withdraw(issuer, stands, why)
      if (tokens > 0) log.warn('tokens hold no longer: their keys are not published any more', { provider: name, reason: why.code, tokens })
      // A set that was fetched for somebody else, or that could not be had anew, is no evidence.
      missing = counts ? unlisted : missing.intersection(unlisted)
      if (unlisted.size > 0 && !counts && !anew) await look(true)
    }
    const lookAfter = (ms: number) => {
      const again = async () => {
        await look(missing.size > 0).catch((error: unknown) => log.fault('a look for withdrawn keys failed', error, { provider: name }))
        if (!stopped) lookAfter(LOOK_EVERY_MS)
      }
      timers.set(
        name,
        clock.after(ms, () => void again()),
      )
    }
    lookAfter(firstAfterMs)
  }

  // One after the other, so that they neither fetch nor end tokens all in the same moment.
  for (const [at, provider] of providers.entries()) watch(provider, (LOOK_EVERY_MS * (at + 1)) / providers.length)
  return () => {
    stopped = true
    for (const timer of timers.values()) timer.cancel()
  }
}
