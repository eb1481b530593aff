/** How journeys ask: with a browser's cookie, with a bearer, or with bytes of their own. */
import type { Browser } from '../fakes/browser.ts'
import { findForm } from '../fakes/html-form.ts'
import { eventually, exchangeRaw, type RawAnswer } from '../fakes/raw-http.ts'
import type { Stage } from './stage.ts'
import type { Acted, World } from './world.ts'

/** The Cookie header that the browser would send to Mandate. */
export function cookieOf(browser: Browser, { origin }: Pick<Stage, 'origin'>): string {
  return browser
    .cookies(origin)
    .map(({ name, value }) => `${name}=${value}`)
    .join('; ')
}

/** An Authorization header with an access token for Mandate. */
export function bearerOf({ world }: Pick<Stage, 'world'>, user: string): string {
  return `Bearer ${world.issuer.mintAccessToken(user)}`
}

/** One request to the letter: a target and header lines, the Host among them unless it is given. */
export function askRaw(
  { origin }: Pick<Stage, 'origin'>,
  target: string,
  lines: readonly string[] = [],
  method = 'GET',
  body = '',
): Promise<RawAnswer> {
  const { host, port } = new URL(origin)
  const hosted = lines.some((line) => /^host:/i.test(line)) ? lines : [`Host: ${host}`, ...lines]
  return exchangeRaw(Number(port), `${method} ${target} HTTP/1.1\r\n${hosted.map((line) => `${line}\r\n`).join('')}\r\n${body}`)
}

/** The code of a refusal in whichever form it came. */
export function codeOf({ body }: { readonly body: string }): string {
  const text = body.startsWith('{') ? JSON.parse(body) : {}
  return text.kind === 'Status' ? String(text.details?.causes?.[0]?.reason) : String(text.code ?? /class="small">(\w+)/.exec(body)?.[1])
}

/** What arrived at the cluster for callers, each request once: a stream stands in the audit log at its start and at its end. */
export async function arrivals({ cluster }: World, of = '', atLeast = 0): Promise<readonly Acted[]> {
  const ofCallers = ({ user = '', uri }: Acted) =>
    uri.includes(of) && (!user.startsWith('system:') || user.startsWith('system:serviceaccount:'))
  // An API server writes the record when its answer may have arrived already.
  return eventually(
    async () => [...new Map((await cluster.acted()).filter(ofCallers).map((entry) => [entry.auditId, entry])).values()],
    ({ length }) => length >= atLeast,
  )
}

/** Signs the user in as far as the issuer's answer: the callback's URL, which the browser has not followed yet. */
export async function untilCallback(browser: Browser, startUrl: string, user: string): Promise<string> {
  let answer = await browser.get(startUrl)
  for (let hops = 0; hops < 20; hops += 1) {
    const { location } = answer.headers
    const form = location === undefined ? findForm(answer.body, answer.url) : undefined
    if (location === undefined && form === undefined) break
    const next = new URL(location ?? form?.action ?? '', answer.url).href
    if (new URL(next).pathname.startsWith('/callback/')) return next
    answer =
      form === undefined
        ? await browser.get(next)
        : await browser.post(next, { ...form.hidden, user }, { origin: new URL(answer.url).origin })
  }
  throw new Error(`the issuer sent nobody back; it said ${answer.status} ${answer.body.slice(0, 300)}`)
}
