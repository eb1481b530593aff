/**
 * The pages of RP-initiated logout. A request that carries an ID token comes from a client which this person signed in to,
 * so the form sends itself; any other request could be a link that somebody slipped them, so they are asked
 * (OpenID Connect RP-Initiated Logout section 6).
 */
import type { KoaContextWithOIDC } from 'oidc-provider'
import { escapeHtml, page, pageHeaders } from './page.ts'

const CLICK_YES = `document.querySelector("button").click()`
const YES = `<button type="submit" form="op.logoutForm" name="logout" value="yes"><b>Sign out</b></button>`
const NO = `<button type="submit" form="op.logoutForm"><b>Stay signed in</b></button>`

/** `form` is oidc-provider's own, with its anti-forgery token; the buttons name it. */
export function showSignOut(ctx: KoaContextWithOIDC, form: string): void {
  const certain = ctx.oidc.entities.IdTokenHint !== undefined
  const target = URL.parse(String(ctx.oidc.params?.post_logout_redirect_uri))?.origin
  ctx.set(
    pageHeaders({
      ...(target === undefined || target === 'null' ? {} : { formTarget: target }),
      ...(certain ? { script: CLICK_YES } : {}),
    }),
  )
  ctx.body = certain
    ? page('Signing out', `<h1>Signing out…</h1>\n${form}\n${YES}`, CLICK_YES)
    : page('Sign out?', `<h1>Sign out of the Mandate dev issuer?</h1>\n${form}\n${YES}\n${NO}`)
}

/** Where a logout ends that named no place to go to. */
export function showSignedOut(ctx: KoaContextWithOIDC): void {
  ctx.set(pageHeaders())
  ctx.body = page('Signed out', '<h1>Signed out</h1>\n<p>You can close this page.</p>')
}

/** What a browser sees of a refused request. Holds the error code and its description, which quote no secret. */
export function showError(ctx: KoaContextWithOIDC, out: { error: string; error_description?: string | undefined }): void {
  ctx.set(pageHeaders())
  const text = `<p><code>${escapeHtml(out.error)}</code> ${escapeHtml(out.error_description ?? '')}</p>`
  ctx.body = page('Refused', `<h1>The issuer refused this request</h1>\n${text}`)
}
