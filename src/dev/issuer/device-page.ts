/**
 * The pages of the device flow (RFC 8628 3.3): where a code is typed, and where the person says that it is the one that
 * their own machine shows. The second page is the defence against codes that somebody else sends (5.4).
 */
import type { Client, KoaContextWithOIDC } from 'oidc-provider'
import { escapeHtml, page, pageHeaders } from './page.ts'

/** `form` is oidc-provider's own, with its anti-forgery token; the buttons name it. */
export function showCodeInput(ctx: KoaContextWithOIDC, form: string, error: Error | undefined): void {
  const word = error === undefined ? '' : '<p>That did not work: the code is wrong, was used, has expired or was refused.</p>\n'
  ctx.set(pageHeaders())
  ctx.body = page(
    'Type the code',
    `<h1>Type the code that your terminal shows</h1>\n${word}${form}\n<button type="submit" form="op.deviceInputForm"><b>Go on</b></button>`,
  )
}

export function showCodeConfirm(ctx: KoaContextWithOIDC, form: string, client: Client, code: string): void {
  ctx.set(pageHeaders())
  ctx.body = page(
    'Is it this code?',
    `<h1>Does your terminal show <code>${escapeHtml(code)}</code>?</h1>
<p><code>${escapeHtml(client.clientId)}</code> will act as you. If nobody asked you to sign in on a machine of your own, refuse.</p>
${form}
<button type="submit" form="op.deviceConfirmForm"><b>Yes, go on</b></button>
<button type="submit" form="op.deviceConfirmForm" name="abort" value="yes"><b>No, refuse</b></button>`,
  )
}

export function showDeviceSuccess(ctx: KoaContextWithOIDC): void {
  ctx.set(pageHeaders())
  ctx.body = page('Signed in', '<h1>You are signed in on your device</h1>\n<p>Close this page and go back to the terminal.</p>')
}
