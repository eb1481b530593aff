/** How journeys ask: with a browser's cookie, with a bearer, or with bytes of their own. */
import type { Browser } from '../fakes/browser.ts'
import { exchangeRaw, type RawAnswer } from '../fakes/raw-http.ts'
import type { Stage } from './stage.ts'
import type { Acted, World } from './world.ts'

/** The Cookie header that the browser would send to Mandate. */
export function cookieOf(browser: Browser, { origin }: Pick<Stage, 'origin'>): string {
  return browser.cookies(origin).map(({ name, value }) => `${name}=${value}`).join('; ')
}

/** An Authorization header with an access token for Mandate. */
export function bearerOf({ world }: Pick<Stage, 'world'>, user: string): string {
  return `Bearer ${world.issuer.mintAccessToken(user)}`
}

/** One request to the letter: a target and header lines, the Host among them unless it is given. */
export function askRaw({ origin }: Pick<Stage, 'origin'>, target: string, lines: readonly string[] = [], method = 'GET', body = ''): Promise<RawAnswer> {
  const { host, port } = new URL(origin)
  const hosted = lines.some((line) => /^host:/i.test(line)) ? lines : [`Host: ${host}`, ...lines]
  return exchangeRaw(Number(port), `${method} ${target} HTTP/1.1\r\n${hosted.map((line) => `${line}\r\n`).join('')}\r\n${body}`)
}

/** The code of a refusal in whichever form it came. */
export function codeOf({ body }: { readonly body: string }): string {
  const text = body.startsWith('{') ? JSON.parse(body) : {}
  return text.kind === 'Status' ? String(text.details?.causes?.[0]?.reason) : String(text.code ?? /class="small">(\w+)/.exec(body)?.[1])
}

/** What arrived at the cluster, each request once: a stream stands in the audit log at its start and at its end. */
export async function arrivals({ cluster }: World, of = ''): Promise<readonly Acted[]> {
  const byId = new Map((await cluster.acted()).filter(({ uri }) => uri.includes(of)).map((entry) => [entry.auditId, entry]))
  return [...byId.values()]
}
