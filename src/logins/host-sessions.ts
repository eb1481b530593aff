/**
 * How a login on the sign-in host becomes known on another host, and how that host's cookie leads back to it.
 *
 * Security: the login cookie never leaves the sign-in host. What crosses over is a code of 256 random bits that works
 * once, within 30 s, on the host and with the binding it was made for. The binding is a cookie of that host in the
 * browser that began, so a code that was begun here and overheard, or begun elsewhere and planted here, is worth nothing
 * (no fixation, no login CSRF). It does not help where somebody leads a person to a code for a binding of their own and
 * reads that code on its way: who may see a request to `/.mandate/session` is `gateway/host-sessions.ts`. The host's own
 * cookie is another 256 random bits. Neither stands in the store: only its digest does, and what it leads to is sealed.
 * A host session says which login it is of and nothing else, so it cannot outlive that login by a moment: whoever uses
 * one asks `Logins.find` for the login each time.
 */
import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import type { Clock } from '../clock.ts'
import { Refusal } from '../errors.ts'
import type { Log } from '../log.ts'
import { Secret } from '../secret.ts'
import { SealBroken, type SealedStore } from '../store/sealed.ts'

/** What a code stands for. */
export interface HostSignIn {
  /** Origin of the host it is for. */
  readonly origin: string
  /** SHA-256 of the browser's binding on that host, as base64url. */
  readonly browser: string
  readonly loginId: string
  /** Path on that host. */
  readonly returnTo: string
}

export interface HostSessions {
  /** Makes a code. */
  mint(signIn: HostSignIn): Promise<Secret>
  /** Takes a code, once. Throws Refusal `session_code_unknown` unless it is young and host and browser are the right ones. */
  take(code: Secret, origin: string, browser: Secret | undefined): Promise<HostSignIn>
  /** Makes the cookie of a host for a login that ends at `endsAt`, in milliseconds since the epoch. */
  begin(loginId: string, origin: string, endsAt: number): Promise<Secret>
  /** The login that the cookie with this digest is of, on this host; undefined for none. It may have ended. */
  find(digest: string, origin: string): Promise<string | undefined>
}

export interface HostSessionsOptions {
  readonly sealed: SealedStore
  readonly clock: Clock
  readonly log: Log
  /** Sessions kept in memory. Default 50,000. */
  readonly most?: number
}

const CODE_LIFE_MS = 30_000
const MOST_ENTRIES = 50_000

const codeForm = z.object({ o: z.string(), b: z.string(), l: z.string(), r: z.string(), t: z.number() })
const sessionForm = z.object({ l: z.string(), o: z.string(), x: z.number() })

type Session = z.output<typeof sessionForm>

export function createHostSessions({ sealed, clock, log, most = MOST_ENTRIES }: HostSessionsOptions): HostSessions {
  // A session never changes, so what was read once is as good as what would be read again, until its end.
  const known = new Map<string, Session>()

  const remember = (digest: string, session: Session): Session => {
    known.delete(digest)
    known.set(digest, session)
    for (const oldest of known.keys().take(Math.max(0, known.size - most))) known.delete(oldest)
    return session
  }

  const read = async (digest: string): Promise<Session | undefined> => {
    try {
      const entry = await sealed.get('host-session', digest)
      return entry && remember(digest, sessionForm.parse(parsed(entry.value)))
    } catch (error) {
      if (!(error instanceof SealBroken)) throw error
      // Not an outage: the bytes are there and are not ours, or their key was retired.
      log.warn('a sealed entry does not open and is not believed', { kind: 'host-session', fault: error.code })
      return undefined
    }
  }

  return {
    async mint({ origin, browser, loginId, returnTo }) {
      const code = random()
      const value: z.input<typeof codeForm> = { o: origin, b: browser, l: loginId, r: returnTo, t: clock.now() }
      await sealed.put('host-code', code.digest(), bytesOf(value), { ifVersion: 0, ttlMs: CODE_LIFE_MS })
      return code
    },

    async take(code, origin, browser) {
      const entry = await sealed.take('host-code', code.digest())
      if (entry === undefined || browser === undefined) throw new Refusal('session_code_unknown')
      const { o, b, l, r, t } = codeForm.parse(parsed(entry.value))
      const fits = [new Secret(o).equals(new Secret(origin)), new Secret(b).equals(new Secret(browser.digest()))]
      // The store's clock counts as well; ours decides, because its life is what we promise.
      if (!fits.every(Boolean) || clock.now() - t > CODE_LIFE_MS) throw new Refusal('session_code_unknown')
      return { origin: o, browser: b, loginId: l, returnTo: r }
    },

    async begin(loginId, origin, endsAt) {
      const cookie = random()
      const session: Session = { l: loginId, o: origin, x: endsAt }
      const ttlMs = Math.max(1, endsAt - clock.now())
      await sealed.put('host-session', cookie.digest(), bytesOf(session), { ifVersion: 0, ttlMs })
      remember(cookie.digest(), session)
      return cookie
    },

    async find(digest, origin) {
      const session = known.get(digest) ?? (await read(digest))
      if (session === undefined || session.o !== origin) return undefined
      if (clock.now() < session.x) return session.l
      known.delete(digest)
      return undefined
    },
  }
}

function random(): Secret {
  return new Secret(randomBytes(32).toString('base64url'))
}

function bytesOf(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value), 'utf8')
}

function parsed(bytes: Uint8Array): unknown {
  return JSON.parse(Buffer.from(bytes).toString('utf8'))
}
