/**
 * Sign-ins that were begun and not yet completed.
 *
 * Security: `state` is looked up by its digest and taken, so that it works once; it is bound to the provider it was
 * begun with (no mix-up, RFC 9700 4.4) and to the browser by a cookie (no login CSRF, no fixation). Nonce and code
 * verifier are sealed in the store.
 */
import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { Refusal } from '../errors.ts'
import type { SignInSecrets } from '../providers/provider.ts'
import { Secret } from '../secret.ts'
import type { SealedStore } from '../store/sealed.ts'

export interface PendingSignIn {
  readonly provider: string
  readonly secrets: SignInSecrets
  readonly returnTo: string
}

const LIFE_MS = 10 * 60_000

const form = z.object({ provider: z.string(), nonce: z.string(), verifier: z.string(), returnTo: z.string(), browser: z.string() })

export interface PendingSignIns {
  /** Remembers a sign-in of this browser; the secrets are new and random. */
  begin(provider: string, returnTo: string, browser: Secret): Promise<PendingSignIn>
  /** Takes it, once. Throws Refusal `sign_in_state_unknown` unless provider and browser are those it was begun with. */
  take(state: string, provider: string, browser: Secret | undefined): Promise<PendingSignIn>
}

export function createPendingSignIns(sealed: SealedStore): PendingSignIns {
  return {
    async begin(provider, returnTo, browser) {
      const state = new Secret(random())
      const nonce = random()
      const verifier = new Secret(random())
      const value: z.input<typeof form> = { provider, nonce, verifier: verifier.expose(), returnTo, browser: browser.digest() }
      await sealed.put('sign-in', state.digest(), Buffer.from(JSON.stringify(value)), { ifVersion: 0, ttlMs: LIFE_MS })
      return { provider, returnTo, secrets: { state: state.expose(), nonce, verifier } }
    },
    async take(state, provider, browser) {
      const entry = await sealed.take('sign-in', new Secret(state).digest())
      if (entry === undefined || browser === undefined) throw new Refusal('sign_in_state_unknown')
      const found = form.parse(JSON.parse(Buffer.from(entry.value).toString('utf8')))
      if (found.provider !== provider || found.browser !== browser.digest()) throw new Refusal('sign_in_state_unknown')
      return { provider, returnTo: found.returnTo, secrets: { state, nonce: found.nonce, verifier: new Secret(found.verifier) } }
    },
  }
}

/** 256 bits as base64url: fits state, nonce and the code verifier of RFC 7636 4.1. */
function random(): string {
  return randomBytes(32).toString('base64url')
}
