/**
 * The one way to a token that may be sent: what is kept, else a refresh, else a sign-in; at most one of the two at a time on
 * this machine, however many kubectl ask at once.
 *
 * Security:
 * - A refresh token that rotates is presented at most once (promise 1): under the lock, and after the file says so. A
 *   presenter that is killed leaves "presenting" behind, and the next one signs the person in anew; at an issuer that
 *   takes a second presentation for theft, trying again would end every login of this client.
 * - A gateway that names another issuer, client or audience than the tokens that are kept gets a complaint: neither a
 *   refresh token nor a person is sent there (pins.ts).
 * - The lock is taken before anything large is loaded, and who waits for it only looks at the file.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Complaint } from '../../complaint.ts'
import type { RefreshOutcome } from '../../providers/tokens.ts'
import type { Secret } from '../../secret.ts'
import { type KeptTokens, type Place, standingOf } from './kept-tokens.ts'
import { type Lock, tryLock } from './lock.ts'

/** The issuer as it is needed here; opened only when it is. */
export interface Source {
  /** Throws Complaint when these tokens are not of what the gateway names today. */
  requireUnchanged(kept: KeptTokens): void
  redeem(refreshToken: Secret, subject: string): Promise<RefreshOutcome>
  /** What to keep of an answer. Throws Complaint when Mandate would not take the token. */
  renewed(kept: KeptTokens, outcome: Extract<RefreshOutcome, { result: 'renewed' }>): KeptTokens
  /** As the person whose tokens are kept, if there are any. Throws Complaint when the gateway names something else than before, too. */
  signIn(kept: KeptTokens | undefined): Promise<KeptTokens>
  close(): Promise<void>
}

export interface Wanted {
  readonly place: Place
  /** Whether a person can be asked to sign in. */
  readonly interactive: boolean
  /** Throws Complaint when the gateway does not say where. */
  readonly open: () => Promise<Source>
  readonly say: (line: string) => void
  /** Milliseconds to wait for somebody else's sign-in. */
  readonly waitMs: number
}

const LOOK_AGAIN_MS = 40
const LOOK_AGAIN_MOST_MS = 250

/** A token that may be sent. Throws Complaint. */
export async function tokensFor(wanted: Wanted): Promise<KeptTokens> {
  const { place, interactive, say } = wanted
  const until = Date.now() + wanted.waitMs
  for (let pause = LOOK_AGAIN_MS, told = false; ; pause = Math.min(pause * 1.5, LOOK_AGAIN_MOST_MS)) {
    const kept = place.read()
    const standing = kept === undefined ? 'spent' : standingOf(kept, Date.now())
    if (kept !== undefined && standing === 'fresh') return kept
    const renewable = kept !== undefined && (kept.refreshToken !== undefined || kept.presenting)
    if (standing === 'spent' && !renewable && !interactive) throw notSignedIn()
    const lock = await tryLock(place.lock)
    if (lock !== undefined) return await underLock(lock, wanted)
    // Somebody else is at it; what is good for a while longer need not wait for them.
    if (kept !== undefined && standing === 'due') return kept
    if (Date.now() > until) throw new Complaint('another mandate login has been waiting for its sign-in; finish or end that one')
    if (!told && !renewable) {
      say('Another sign-in is under way; this waits for it.')
      told = true
    }
    // Not in step with the others.
    await sleep(pause * (0.5 + Math.random()))
  }
}

async function underLock(lock: Lock, wanted: Wanted): Promise<KeptTokens> {
  let source: Source | undefined
  try {
    const kept = wanted.place.read()
    const standing = kept === undefined ? 'spent' : standingOf(kept, Date.now())
    if (kept !== undefined && standing === 'fresh') return kept
    const spare = standing === 'due' ? kept : undefined
    if (kept?.refreshToken !== undefined) {
      try {
        source = await wanted.open()
      } catch (error) {
        if (spare !== undefined && error instanceof Complaint) return spare
        throw error
      }
      source.requireUnchanged(kept)
      const renewed = await refresh(kept, kept.refreshToken, source, wanted)
      if (renewed !== undefined) return renewed
    }
    if (kept?.presenting === true) wanted.say('An earlier renewal was broken off, so its outcome is unknown: sign in again.')
    if (spare !== undefined) return spare
    if (!wanted.interactive) throw notSignedIn()
    source ??= await wanted.open()
    const fresh = await source.signIn(kept)
    wanted.place.write(fresh)
    return fresh
  } finally {
    lock.release()
    await source?.close()
  }
}

/** New tokens; undefined when it takes a sign-in. Throws Complaint when it may be tried again later. */
async function refresh(kept: KeptTokens, token: Secret, source: Source, { place, say }: Wanted): Promise<KeptTokens | undefined> {
  const { refreshToken: _presented, ...rest } = kept
  place.write({ ...rest, refreshToken: undefined, presenting: true })
  const outcome = await source.redeem(token, kept.subject)
  switch (outcome.result) {
    case 'renewed': {
      const fresh = source.renewed(kept, outcome)
      place.write(fresh)
      return fresh
    }
    case 'not-sent':
      place.write(kept)
      if (standingOf(kept, Date.now()) !== 'spent') return kept
      throw new Complaint('the issuer cannot be reached, so the token cannot be renewed; try again')
    case 'refused':
      place.write({ ...rest, refreshToken: undefined, presenting: false })
      say('The issuer has ended this sign-in.')
      return undefined
    case 'unknown':
      place.write({ ...rest, refreshToken: undefined, presenting: false })
      say('The issuer gave no usable answer to a renewal, which cannot be tried twice.')
      return undefined
  }
}

function notSignedIn(): Complaint {
  return new Complaint(
    'nobody is signed in, and nobody can be asked from here: run kubectl once in a terminal, or mandate login with the options that the kubeconfig gives it',
  )
}
