/**
 * A refusal as a page: what was wrong, what to do, and the one button that helps, if any does.
 *
 * Security: a button leads to the address that was asked for, as it was read, or to a page of ours; nothing else of a
 * request is here. A name is shown to whoever has its login alone, and which people, groups, hosts or routes there are to nobody.
 */
import type { Refusal } from '../errors.ts'
import { type Block, type PageAction, page } from './page.ts'

/** What a page may offer besides what the refusal says. */
export interface Offers {
  /** Where one signs in, with the way back where there is one. */
  readonly signIn: string
  /** Where one signs out, and in again as somebody else. */
  readonly signOut: string
  /** The address that was asked for; undefined when asking again cannot help. */
  readonly again?: string | undefined
  /** Who asks, where that is known to be a person. */
  readonly signedIn?: SignedIn | undefined
  /** True where nobody signs in. */
  readonly machinesOnly?: boolean | undefined
}

export interface SignedIn {
  readonly name: string
  /** What the sign-in page calls the provider. */
  readonly provider: string
}

/** What passes by itself, or may. */
const PASSING: ReadonlySet<number> = new Set([429, 502, 503, 504])
const NO_SIGN_IN = 'This route takes machines only; send a bearer token.'
const NO_PERSON = "Send a machine's bearer token."

/** What to do about it where it was refused. `/login` in it stands for the sign-in, wherever that is. */
export function mendOf({ mend, code }: Refusal, { machinesOnly, signedIn }: Pick<Offers, 'machinesOnly' | 'signedIn'>): string {
  if (machinesOnly !== true) return mend
  if (mend.includes('/login')) return NO_SIGN_IN
  return code === 'denied' && signedIn !== undefined ? NO_PERSON : mend
}

/** Renders the page and the Content-Security-Policy that goes with it. */
export function refusalPage(refusal: Refusal, requestId: string, offers: Offers): { html: string; policy: string } {
  // A person sees no headers, and has a button for the sign-in.
  const mend = mendOf(refusal, offers)
    .replace('after Retry-After', 'in a few seconds')
    .replace('as long as Retry-After says', 'a little')
    .replace(' at /login', '')
  const { title, detail, code, status } = refusal
  const { signedIn } = offers
  const isKnown = status === 403 && signedIn !== undefined
  const body: Block[] = [{ kind: 'text', text: detail === undefined ? mend : `${sentence(detail)} ${mend}` }]
  if (isKnown) body.push({ kind: 'text', text: `You are signed in as ${signedIn.name} (${signedIn.provider}).` })
  const action = actionFor(refusal, offers, isKnown)
  if (action !== undefined) body.push({ kind: 'actions', actions: [action] })
  body.push({ kind: 'small', text: `${code} · request ${requestId}` })
  return page({ title, body })
}

function actionFor({ status, mend }: Refusal, offers: Offers, isKnown: boolean): PageAction | undefined {
  const { signIn, signOut, again, machinesOnly = false } = offers
  const isPassing = PASSING.has(status)
  if (isPassing && again !== undefined) return { label: 'Try again', href: again }
  if (machinesOnly) return undefined
  if (isPassing || status === 401 || mend.includes('/login')) return { label: 'Sign in', href: signIn }
  // By way of signing out: the issuer would let the same person in again without a question.
  if (isKnown) return { label: 'Sign in as somebody else', href: signOut, quiet: true, note: 'once you have signed out' }
  return undefined
}

function sentence(detail: string): string {
  return `${detail.charAt(0).toUpperCase()}${detail.slice(1)}.`
}
