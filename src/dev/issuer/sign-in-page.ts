/**
 * "Sign in as": one button for each test user, instead of a password. It is a plain form, so it works without scripts.
 *
 * Only loopback should ever reach it. The form's address contains the interaction's id, which oidc-provider checks against
 * a cookie of the same browser, so another site cannot sign somebody in as a user of its choice.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Provider } from 'oidc-provider'
import type { Accounts } from './accounts.ts'
import type { TestUser } from './options.ts'
import { escapeHtml, page, pageHeaders, sendNotice } from './page.ts'

const LARGEST_FORM_BYTES = 10_000

export const SIGN_IN_PATH = '/interaction/'

/**
 * Serves `/interaction/{uid}`: GET shows the page, POST with `user={name}` signs in and goes on. There is no consent page:
 * where a client or its platform wants one (`prompt=consent`, native clients), it is given.
 */
export async function serveSignIn(
  provider: Provider,
  accounts: Accounts,
  users: readonly TestUser[],
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const details = await provider.interactionDetails(request, response).catch(() => undefined)
  if (details === undefined || new URL(request.url ?? '', provider.issuer).pathname !== `${SIGN_IN_PATH}${details.uid}`) {
    return sendNotice(response, 400, 'This sign-in has ended', 'Go back to where you came from and start again.')
  }
  const { prompt, params } = details
  if (prompt.name === 'consent') return provider.interactionFinished(request, response, { consent: {} })
  if (request.method === 'GET') {
    const target = URL.parse(String(params.redirect_uri))?.origin
    response.writeHead(200, pageHeaders(target === undefined || target === 'null' ? {} : { formTarget: target }))
    response.end(signInPage(users, String(params.client_id)))
    return
  }
  if (request.method !== 'POST') return sendNotice(response, 405, 'Not like that', 'This page takes GET and POST.')
  if (request.headers['sec-fetch-site'] === 'cross-site') return sendNotice(response, 403, 'Not from there', 'Sign in on this page.')
  const user = accounts.byName((await readForm(request)).get('user') ?? '')
  if (user === undefined) return sendNotice(response, 400, 'Nobody of that name', 'Go back and choose one of the test users.')
  return provider.interactionFinished(request, response, { login: { accountId: user.sub } }, { mergeWithLastSubmission: false })
}

function signInPage(users: readonly TestUser[], clientId: string): string {
  const body = `<h1>Mandate dev issuer — sign in as</h1>
<p>Test users for <code>${escapeHtml(clientId)}</code>. No password is asked.</p>
<form method="post">
${users.map(button).join('\n')}
</form>
<small>For development on this machine only.</small>`
  return page('Sign in — Mandate dev issuer', body)
}

function button(user: TestUser): string {
  const groups = user.groups.map((group) => `<i>${escapeHtml(group)}</i>`).join('') || '<i>no groups</i>'
  const email = `${escapeHtml(user.email)}${user.emailVerified ? '' : ' (not verified)'}`
  const name = escapeHtml(user.name)
  return `<button type="submit" name="user" value="${name}"><b>${name}</b><small>${email}</small><br>${groups}</button>`
}

async function readForm(request: IncomingMessage): Promise<URLSearchParams> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request) {
    const bytes = Buffer.from(chunk)
    length += bytes.length
    if (length > LARGEST_FORM_BYTES) return new URLSearchParams()
    chunks.push(bytes)
  }
  return new URLSearchParams(Buffer.concat(chunks).toString('utf8'))
}
