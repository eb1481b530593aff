/** Signing in at the embedded issuer, by browser and by device code. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { findForm } from '../../../test/fakes/html-form.ts'
import { ADA, AUDIENCE, stageIssuer } from '../../../test/fakes/issuer-stage.ts'
import { Complaint } from '../../complaint.ts'
import type { IssuerOptions } from '../../dev/issuer/options.ts'
import { Refusal } from '../../errors.ts'
import { signInByBrowser } from './browser.ts'
import { signInByDevice } from './device.ts'
import type { CommandLineProvider } from './gateway-document.ts'
import { keptOf, openIssuer, whoIs } from './issuer.ts'

const complains = (words: RegExp) => (error: unknown) => error instanceof Complaint && words.test(error.message)
const refusedAs = (code: string) => (error: unknown) => error instanceof Refusal && error.code === code

async function setStage(t: TestContext, change: Partial<CommandLineProvider> = {}, options: Partial<IssuerOptions> = {}) {
  const { issuer: at, browser } = await stageIssuer(t, options)
  const described: CommandLineProvider = {
    name: 'corp',
    title: 'Corp',
    issuer: at.issuer,
    clientId: 'cli',
    scopes: ['openid', 'profile', 'offline_access'],
    token: 'access-token',
    audience: AUDIENCE,
    ...change,
  }
  const issuer = openIssuer(described, undefined)
  t.after(() => issuer.close())
  const said: string[] = []
  const say = (line: string) => void said.push(line)
  return { at, browser, described, issuer, said, say }
}

type Stage = Awaited<ReturnType<typeof setStage>>

/** Signs in with a browser that is opened at the page; `on` sees the answer before it is delivered. */
function byBrowser({ issuer, browser, say }: Stage, on: (redirect: URL) => readonly URL[] = (url) => [url]) {
  const open = async (page: string) => {
    const first = await browser.follow(page)
    const form = findForm(first.body, first.url)
    const headers = { origin: new URL(first.url).origin }
    let answer = await browser.post(form?.action ?? '', { user: ADA.name }, headers)
    while (new URL(answer.headers.location ?? '', answer.url).hostname !== '127.0.0.1') {
      answer = await browser.get(new URL(answer.headers.location ?? '', answer.url).href)
    }
    // The page that is answered last is answered when the sign-in has ended, so nobody waits for it here.
    void (async () => {
      for (const url of on(new URL(answer.headers.location ?? ''))) await browser.get(url.href)
    })().catch(() => undefined)
  }
  return signInByBrowser(issuer.signIn, { say, open, withinMs: 10_000 })
}

function changed(url: URL, change: (query: URLSearchParams) => void): URL {
  const other = new URL(url)
  change(other.searchParams)
  return other
}

test('refuses an answer that another issuer gave, or that no longer says which', async (t) => {
  for (const change of [
    (query: URLSearchParams) => query.set('iss', 'https://evil.example'),
    (query: URLSearchParams) => query.delete('iss'),
  ]) {
    const stage = await setStage(t)
    await assert.rejects(
      byBrowser(stage, (url) => [changed(url, change)]),
      refusedAs('sign_in_issuer_mismatch'),
    )
    assert.equal(stage.at.requests().token, 0)
  }
})

test('refuses an answer with another state and goes on waiting for the right one', async (t) => {
  const stage = await setStage(t)
  const { principal } = await byBrowser(stage, (url) => [changed(url, (query) => query.set('state', 'x')), url])
  assert.equal(principal.subject, ADA.sub)
})

test('refuses an error in the place of a code, and a code that was put in', async (t) => {
  const refuses = (query: URLSearchParams) => {
    query.delete('code')
    query.set('error', 'access_denied')
  }
  const refused = (url: URL) => [changed(url, refuses)]
  await assert.rejects(byBrowser(await setStage(t), refused), refusedAs('sign_in_refused'))
  const injected = (url: URL) => [changed(url, (query) => query.set('code', 'of-somebody-else'))]
  await assert.rejects(byBrowser(await setStage(t), injected), refusedAs('sign_in_refused'))
})

test('ends when nobody signs in in time, and opens nothing where that is not wanted', async (t) => {
  const { issuer, say, said, at } = await setStage(t)
  await assert.rejects(signInByBrowser(issuer.signIn, { say, open: undefined, withinMs: 50 }), complains(/in time/))
  assert.ok(said.join().includes(`${at.issuer}/auth?`))
})

test('opens nothing but https, or http on this machine', async (t) => {
  const { issuer, say } = await setStage(t)
  for (const page of ['file:///etc/passwd', 'http://evil.example/', 'javascript:alert(1)']) {
    const signIn = { ...issuer.signIn, begin: async () => new URL(page) }
    const open = async () => assert.fail('opened')
    await assert.rejects(signInByBrowser(signIn, { say, open, withinMs: 1_000 }), complains(/not https/))
  }
})

test('refuses a token that is not for Mandate, and says for whom it is', async (t) => {
  const stage = await setStage(t, { audience: 'api://mandate' })
  const { tokens } = await byBrowser(stage)
  assert.throws(
    () => keptOf(stage.described, tokens, { subject: 'a', who: 'a' }),
    complains(/gave a token for https:\/\/mandate\.test\/api, Mandate wants one for api:\/\/mandate; ask your operator/),
  )
})

test('refuses a document whose client is not known there', async (t) => {
  const { issuer, say } = await setStage(t, { clientId: 'nobody' })
  await assert.rejects(
    signInByDevice(issuer.parts, { say, progress: () => undefined, wait: async () => undefined }),
    complains(/invalid_client/),
  )
})

test('signs in by browser, for the audience that is asked for, with a token to renew and to revoke', async (t) => {
  const stage = await setStage(t, { resource: 'https://other.test', audience: 'https://other.test' })
  const signedIn = await byBrowser(stage)
  const kept = keptOf(stage.described, signedIn.tokens, { subject: signedIn.principal.subject, who: whoIs(signedIn) })
  assert.deepEqual([kept.who, kept.subject, kept.kind, kept.clientId], [ADA.name, ADA.sub, 'access-token', 'cli'])
  assert.ok(kept.refreshToken !== undefined)
  const renewed = await stage.issuer.redeem(kept.refreshToken, kept.subject)
  assert.equal(renewed.result, 'renewed')
  if (renewed.result !== 'renewed') return
  // The audience is asked for again, and kept.
  const again = keptOf(stage.described, renewed.tokens, kept)
  assert.ok(again.refreshToken !== undefined)
  assert.equal(await stage.issuer.revoke(again.refreshToken), true)
  assert.deepEqual(await stage.issuer.redeem(again.refreshToken, kept.subject), { result: 'refused' })
})

test('keeps the ID token where the gateway takes those', async (t) => {
  const stage = await setStage(t, { token: 'id-token', audience: 'cli' })
  const { tokens } = await byBrowser(stage)
  const kept = keptOf(stage.described, tokens, { subject: 'a', who: 'a' })
  assert.equal(kept.token.expose(), tokens.idToken?.expose())
})

test('a browser that is signed in already is asked all the same', async (t) => {
  const stage = await setStage(t)
  await byBrowser(stage)
  let page = ''
  const open = async (url: string) => {
    page = (await stage.browser.follow(url)).body
  }
  await assert.rejects(signInByBrowser(stage.issuer.signIn, { say: stage.say, open, withinMs: 500 }), complains(/in time/))
  assert.match(page, /sign in as/)
})

/** Answers the device page as a person: `confirm` or `abort`, then who they are. */
async function answersDevice({ browser, said }: Stage, how: 'confirm' | 'abort'): Promise<void> {
  const address = /http\S+user_code=\S+/.exec(said.join('\n'))?.[0] ?? ''
  const page = await browser.follow(address)
  const form = findForm(page.body, page.url)
  const fields = how === 'abort' ? { ...form?.hidden, abort: 'yes' } : { ...form?.hidden }
  const answer = await browser.post(form?.action ?? '', fields, { origin: new URL(page.url).origin })
  if (how === 'abort') return
  const end = await browser.signIn(new URL(answer.headers.location ?? '', page.url).href, ADA.name)
  assert.match(end.body, /You are signed in on your device/)
}

test('says that a device was refused', async (t) => {
  const stage = await setStage(t)
  const { issuer, say } = stage
  const wait = () => answersDevice(stage, 'abort')
  await assert.rejects(signInByDevice(issuer.parts, { say, progress: () => undefined, wait }), complains(/refused in the browser/))
})

test('signs in by device code, after as many questions as it takes', async (t) => {
  const stage = await setStage(t)
  const { issuer, say, described, said } = stage
  let waits = 0
  const signs: string[] = []
  const wait = async (ms: number) => {
    assert.equal(ms, 5_000)
    if (++waits === 2) await answersDevice(stage, 'confirm')
  }
  const { principal, tokens } = await signInByDevice(issuer.parts, { say, progress: (sign) => void signs.push(sign), wait })
  assert.equal(principal.subject, ADA.sub)
  assert.equal(signs.join(''), '..\n')
  assert.match(said.join('\n'), /[A-Z]{4}-[A-Z]{4}/)
  const kept = keptOf(described, tokens, { subject: principal.subject, who: 'ada' })
  assert.equal((await issuer.redeem(kept.refreshToken ?? kept.token, ADA.sub)).result, 'renewed')
})
