/** What a person does at the hosted pages of a user pool, with a browser. */
import type { Browser, BrowserResponse } from './browser.ts'
import { PASSWORD } from './cognito-pool.ts'
import { findForm } from './html-form.ts'

/**
 * Goes to `startUrl`, fills in the hosted sign-in page, and follows to the end. Where the pool still knows this browser
 * and shows no page, that is the end already.
 */
export async function signInAtCognito(
  browser: Browser,
  startUrl: string,
  username: string,
  password: string = PASSWORD,
): Promise<BrowserResponse> {
  const page = await browser.follow(startUrl)
  if (!isSignInPage(page)) return page
  const form = findForm(page.body, page.url)
  if (form === undefined) return page
  const end = await browser.follow(form.action, {
    method: form.method,
    body: new URLSearchParams({ ...form.hidden, username, password }).toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded', origin: new URL(page.url).origin },
  })
  return { ...end, trail: [...page.trail, ...end.trail] }
}

/** Whether the browser stands before the hosted sign-in page. */
export function isSignInPage({ status, body }: BrowserResponse): boolean {
  return status === 200 && body.includes('name="cognitoSignInForm"')
}
