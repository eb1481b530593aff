/**
 * The gateway's cookies: the login, and the binding of a sign-in to its browser.
 *
 * Security: over https both carry the `__Host-` prefix, so no other host and no plain-http page can set them, and
 * never a Domain. On http loopback, where the prefix is impossible, the name carries the port, since cookies do not
 * tell ports apart and two Mandates on one machine must not read each other's.
 */
import { Refusal } from '../errors.ts'
import { Secret } from '../secret.ts'

export interface Cookies {
  /** The login cookie's value. Throws Refusal `header_ambiguous` when it was sent twice. */
  login(header: string | undefined): Secret | undefined
  browser(header: string | undefined): Secret | undefined
  setLogin(value: Secret): string
  clearLogin(): string
  setBrowser(value: Secret): string
}

const BROWSER_LIFE_SECONDS = 600

/** Cookies for an origin. */
export function createCookies(origin: string, absoluteMs: number): Cookies {
  const { protocol, port } = new URL(origin)
  const secure = protocol === 'https:'
  const login = secure ? '__Host-mandate' : `mandate-${port || '80'}`
  const browser = secure ? '__Host-mandate-browser' : `mandate-browser-${port || '80'}`
  const attributes = `Path=/; HttpOnly; SameSite=Lax${secure ? '; Secure' : ''}`
  return {
    login: (header) => readCookie(header, login),
    browser: (header) => readCookie(header, browser),
    setLogin: (value) => `${login}=${value.expose()}; Max-Age=${Math.floor(absoluteMs / 1000)}; ${attributes}`,
    clearLogin: () => `${login}=; Max-Age=0; ${attributes}`,
    setBrowser: (value) => `${browser}=${value.expose()}; Max-Age=${BROWSER_LIFE_SECONDS}; ${attributes}`,
  }
}

function readCookie(header: string | undefined, name: string): Secret | undefined {
  if (header === undefined) return undefined
  let found: Secret | undefined
  for (const pair of header.split(';')) {
    const equals = pair.indexOf('=')
    if (equals === -1 || pair.slice(0, equals).trim() !== name) continue
    if (found !== undefined) throw new Refusal('header_ambiguous', { detail: 'the same cookie was sent twice' })
    found = new Secret(pair.slice(equals + 1).trim())
  }
  return found
}
