/**
 * Signs a person in by their own browser: authorization code with PKCE on a loopback redirect (RFC 8252). What the answer
 * must hold is checked where the gateway's own sign-in checks it (`providers/sign-in.ts`): state, `iss`, nonce, the ID
 * token's signature and claims.
 *
 * Security: an address is opened only when it is https, or http on this machine: a program that opens what it is told
 * would start whatever belongs to another scheme.
 */
import { randomBytes } from 'node:crypto'
import { Complaint } from '../../complaint.ts'
import { isSecureAddress } from '../../providers/issuer-http.ts'
import type { SignIn } from '../../providers/provider.ts'
import type { SignedIn } from '../../providers/tokens.ts'
import { Secret } from '../../secret.ts'
import { listenForRedirect } from './loopback.ts'

export interface BrowserOptions {
  /** Writes a line for the person. */
  readonly say: (line: string) => void
  /** Opens an address in the person's browser; undefined where they do that themselves. */
  readonly open: ((url: string) => Promise<unknown>) | undefined
  readonly withinMs: number
}

/** Throws Complaint when nobody signs in in time, and Refusal as `SignIn` does. */
export async function signInByBrowser(signIn: SignIn, { say, open, withinMs }: BrowserOptions): Promise<SignedIn> {
  const random = () => randomBytes(32).toString('base64url')
  const secrets = { state: random(), nonce: random(), verifier: new Secret(random()) }
  const listener = await listenForRedirect(secrets.state)
  let timer: NodeJS.Timeout | undefined
  try {
    const { href } = await signIn.begin(secrets, listener.redirectUri)
    if (!isSecureAddress(href)) throw new Complaint("the issuer's sign-in page is not https, so nobody is sent there")
    say(`To sign in, open this page in your browser:\n\n  ${href}\n`)
    if (open !== undefined) await open(href).catch(() => say('No browser could be opened from here.'))
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Complaint('nobody signed in in time; begin again')), withinMs)
    })
    const redirected = await Promise.race([listener.arrived, late])
    try {
      const signedIn = await signIn.complete(secrets, redirected.url)
      await redirected.answer(true)
      return signedIn
    } catch (error) {
      await redirected.answer(false)
      throw error
    }
  } finally {
    clearTimeout(timer)
    listener.close()
  }
}
