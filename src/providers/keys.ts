/**
 * The signing keys of one issuer, each imported once. The same keys verify bearers, ID tokens and logout tokens.
 *
 * Security:
 * - Good keys outlive a failed, empty or useless refresh, for a day (promise 9; last-good.ts says why not longer).
 * - A token with an unknown `kid` costs the sender nothing, so it may cost the issuer nothing either: all of them
 *   together cause at most one fetch in 30 s, and a `kid` found unknown causes none for 60 s.
 * - While the latest fetch failed, an unknown key means "cannot tell" (503), not "no" (401): the token may well be
 *   signed by a key we could not fetch.
 * - What was verified is remembered elsewhere, so whoever remembers asks again which keys are published, and judges by
 *   more than one set (authenticate/withdrawn-keys.ts). A key that cannot be had now was not withdrawn.
 * - One `kid` on two keys makes both useless (key-set.ts). That looks like a withdrawal, so the log says what it is.
 * - A `kid` is only ever compared. It is no path, no address and no query.
 */
import type { KeyObject } from 'node:crypto'
import type { Clock } from '../clock.ts'
import type { ProviderConfig } from '../config/provider.ts'
import { Refusal } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Discovery } from './discovery.ts'
import { faultOf } from './issuer-fault.ts'
import type { IssuerHttp } from './issuer-http.ts'
import { fetchJsonObject, isObject } from './issuer-json.ts'
import { importKeySet, type SigningKey } from './key-set.ts'
import { createLastGood } from './last-good.ts'

/** The part of a JWT's header that chooses a key. */
export interface KeyQuery {
  readonly kid?: string | undefined
  readonly alg: string
}

export interface IssuerKeys {
  /**
   * The one key that fits. Throws Refusal `token_algorithm_refused` for an algorithm that the provider does not
   * allow, `token_key_unknown`, or `issuer_unavailable` when it cannot be told.
   */
  find(query: KeyQuery): Promise<KeyObject>
  /**
   * The keys of the latest good set, which is fetched anew first when it is older than 5 minutes, or when that is asked
   * for. The same key is the same object from set to set. Throws Refusal `issuer_unavailable` when there is no set that may still be used.
   */
  published(anew?: boolean): Promise<readonly KeyObject[]>
  /** When the keys were last fetched, milliseconds since the epoch; undefined before the first time. */
  fetchedAt(): number | undefined
  close(): void
}

const FRESH_MS = 300_000
const KEEP_MS = 86_400_000
const COOLDOWN_MS = 30_000
const UNKNOWN_MS = 60_000
const UNKNOWN_KIDS = 1_000
const LONGEST_KID = 512

export function createIssuerKeys(
  config: Pick<ProviderConfig, 'name' | 'algorithms'>,
  { discovery, http, clock, log }: { readonly discovery: Discovery; readonly http: IssuerHttp; readonly clock: Clock; readonly log: Log },
): IssuerKeys {
  let latest: readonly SigningKey[] = []
  let ambiguous = 0
  const tellAmbiguous = (kids: number) => {
    if (kids > 0 && kids !== ambiguous)
      log.warn('keys of an issuer cannot be told apart', { provider: config.name, reason: 'ambiguous', kids })
    ambiguous = kids
  }
  const kept = createLastGood({
    load: async () => {
      const { jwks_uri } = await discovery.metadata()
      const set = await fetchJsonObject(http, jwks_uri)
      const keys = importKeySet(set, config.algorithms)
      tellAmbiguous(ambiguousKids(set, keys))
      latest = keys.map((key) => asBefore(key, latest))
      return latest
    },
    // When metadata is what is missing, discovery has logged why.
    failed: (error) =>
      log.warn('keys of an issuer cannot be had', {
        provider: config.name,
        ...(error instanceof Refusal ? { reason: 'metadata' } : faultOf(error)),
      }),
    clock,
    freshMs: FRESH_MS,
    keepMs: KEEP_MS,
  })
  const unknown = new Map<string, number>()
  let cooledAt = Number.NEGATIVE_INFINITY
  let fetching: Promise<boolean> | undefined

  /** Fetches for an unknown kid if one is due, or joins the fetch that another began; true after a good one. */
  const renewFor = async (kid: string): Promise<boolean> => {
    if ((unknown.get(kid) ?? 0) > clock.now()) return false
    if (fetching !== undefined) return fetching
    if (clock.now() < cooledAt) return false
    cooledAt = clock.now() + COOLDOWN_MS
    fetching = kept.renew().finally(() => {
      fetching = undefined
    })
    return fetching
  }

  return {
    async find({ kid, alg }) {
      if (!config.algorithms.some((allowed) => allowed === alg)) throw new Refusal('token_algorithm_refused')
      const before = kept.loadedAt()
      const first = choose(await kept.get(), kid, alg)
      if (first !== undefined) return first
      // Without a kid a newer set answers no better; with keys fetched during this call there is nothing newer.
      if (kid === undefined || kid.length > LONGEST_KID || before === undefined) throw unknownKey(kept.failing())
      if (await renewFor(kid)) {
        const second = choose(await kept.get(), kid, alg)
        if (second !== undefined) return second
        // Only what a fetch has shown to be unknown is remembered: a kid met during the cooldown may be a new key's.
        remember(unknown, kid, clock.now() + UNKNOWN_MS)
      }
      throw unknownKey(kept.failing())
    },
    async published(anew = false) {
      // A clock that was set back must not keep an old set young.
      if (anew || Math.abs(clock.now() - (kept.loadedAt() ?? 0)) >= FRESH_MS) await kept.renew()
      return (await kept.get()).map(({ key }) => key)
    },
    fetchedAt: () => kept.loadedAt(),
    close: () => kept.close(),
  }
}

function unknownKey(failing: boolean): Refusal {
  return new Refusal(failing ? 'issuer_unavailable' : 'token_key_unknown')
}

/** The key of that kid; without a kid the only key that fits. Two that fit are none: guessing is not verifying. */
function choose(keys: readonly SigningKey[], kid: string | undefined, alg: string): KeyObject | undefined {
  const fitting = keys.filter((key) => key.algorithms.includes(alg) && (kid === undefined || key.kid === kid))
  return fitting.length === 1 ? fitting[0]?.key : undefined
}

/** The key with the object that it had in the set before, if it was there: tokens refer to that one. */
function asBefore(key: SigningKey, before: readonly SigningKey[]): SigningKey {
  const same = before.find((one) => one.key.equals(key.key))
  return same === undefined ? key : { ...key, key: same.key }
}

/** How many kids stand on several keys of a set of which none was taken. */
function ambiguousKids({ keys: members }: Record<string, unknown>, taken: readonly SigningKey[]): number {
  const kids = Array.isArray(members) ? members.map((member) => (isObject(member) ? member['kid'] : undefined)) : []
  const twice = kids.filter((kid, at) => typeof kid === 'string' && kids.indexOf(kid) < at && taken.every((key) => key.kid !== kid))
  return new Set(twice).size
}

function remember(unknown: Map<string, number>, kid: string, until: number): void {
  if (unknown.size >= UNKNOWN_KIDS) for (const oldest of unknown.keys().take(1)) unknown.delete(oldest)
  unknown.set(kid, until)
}
