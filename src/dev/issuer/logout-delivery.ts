/** Sends logout tokens to clients (OpenID Connect Back-Channel Logout section 2.5), on loopback and with a CA of our own too. */
import { Agent, request } from 'undici'

/** What came of telling one client. */
export interface LogoutDelivery {
  readonly clientId: string
  /** The status it answered with; 0 when it could not be reached. */
  readonly status: number
}

export interface LogoutSender {
  /** In the shape that oidc-provider calls. Reports the status only, follows no redirect. */
  readonly fetch: (url: string | URL | Request, init?: RequestInit) => Promise<Response>
  deliver(clientId: string, url: string, logoutToken: string): Promise<LogoutDelivery>
  close(): Promise<void>
}

const TIMEOUT_MS = 5_000

/**
 * oidc-provider refuses to call addresses like 127.0.0.1, which protects an issuer that strangers can register clients at.
 * Ours has only the clients of its options, and nearly all of them are on loopback.
 */
export function createLogoutDelivery(trustedCertificates: string | undefined): LogoutSender {
  const dispatcher = new Agent({
    headersTimeout: TIMEOUT_MS,
    bodyTimeout: TIMEOUT_MS,
    ...(trustedCertificates === undefined ? {} : { connect: { ca: trustedCertificates } }),
  })
  const post = async (url: string, form: string): Promise<number> => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const { statusCode, body } = await request(url, { method: 'POST', headers, body: form, dispatcher })
    await body.dump()
    return statusCode
  }
  return {
    async fetch(url, init) {
      const address = url instanceof Request ? url.url : String(url)
      return new Response(null, { status: await post(address, String(init?.body)) })
    },
    async deliver(clientId, url, logoutToken) {
      const status = await post(url, new URLSearchParams({ logout_token: logoutToken }).toString()).catch(() => 0)
      return { clientId, status }
    },
    close: () => dispatcher.destroy(),
  }
}
