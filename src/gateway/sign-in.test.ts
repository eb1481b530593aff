import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { suite, test } from 'node:test'
import { memorySink } from '../audit/audit-sink.fake.ts'
import { createMetrics } from '../metrics.ts'
import { Secret } from '../secret.ts'
import { createCookies } from './cookies.ts'
import { readTarget } from './request-target.ts'
import { createSignIn, type SignInParts } from './sign-in.ts'
import type { Visit } from './visit.ts'

/** A callback that everything else is right about; ending the logins named fails. */
function stage(failing: readonly string[] = [], returnTo = '/') {
  const ended: string[] = []
  const begun: string[] = []
  const taken: string[] = []
  const audit = memorySink()
  const headers = new Map<string, unknown>()
  const parts = {
    origin: 'http://localhost:1',
    providers: { corp: { config: { name: 'corp', signIn: true }, signIn: { complete: async () => ({}) } } },
    cookies: createCookies('http://localhost:1', 60_000),
    pending: {
      async take(state: string) {
        taken.push(state)
        return { secrets: {}, returnTo }
      },
    },
    logins: {
      async begin() {
        begun.push('new')
        const principal = { kind: 'person', provider: 'corp', issuer: 'i', subject: 's', groups: [] }
        return { cookie: new Secret('c'), login: { loginId: 'new', principal, ended: new AbortController().signal } }
      },
      async end(loginId: string) {
        if (failing.includes(loginId)) throw new Error('the store is away')
        ended.push(loginId)
      },
    },
    audit,
    metrics: createMetrics(),
  } as unknown as SignInParts
  const response = {
    setHeader: (name: string, value: unknown) => void headers.set(name, value),
    end: (text: string) => void headers.set('body', text),
  }
  const callback = (cookie: string, fetchSite?: string) => {
    const visit = {
      request: { method: 'GET' } as IncomingMessage,
      response,
      requestId: 'r',
      address: '192.0.2.1',
      head: { values: new Map([['cookie', cookie], ...(fetchSite === undefined ? [] : [['sec-fetch-site', fetchSite] as const])]) },
      target: readTarget('/callback/corp?state=s&code=c'),
    } as unknown as Visit
    return createSignIn(parts).callback(visit, 'corp')
  }
  return { ended, begun, taken, audit, headers, callback }
}

const OLD = new Secret('old').digest()

suite('the end of a sign-in', () => {
  test('with a login cookie sent twice makes no login that nobody holds', async () => {
    const { callback, begun, taken, audit } = stage()
    await assert.rejects(callback('mandate-1=old; mandate-1=other'), { code: 'header_ambiguous' })
    assert.deepEqual([begun, taken, audit.recorded], [[], [], []])
  })

  test('ends the new login when the previous one cannot be ended, and sets no cookie', async () => {
    const { callback, begun, ended, headers } = stage([OLD])
    await assert.rejects(callback('mandate-1=old'), /the store is away/)
    assert.deepEqual([begun, ended, headers.get('Set-Cookie')], [['new'], ['new'], undefined])
  })

  test('ends the new login when it cannot be recorded, and keeps the previous one', async () => {
    const { callback, ended, audit } = stage()
    audit.failing = 'all'
    await assert.rejects(callback('mandate-1=old'), { code: 'audit_unavailable' })
    assert.deepEqual(ended, ['new'])
  })

  test('ends the login that the browser had before', async () => {
    const { callback, ended, headers } = stage()
    await callback('mandate-1=old')
    assert.deepEqual(ended, [OLD])
    assert.match(String(headers.get('Set-Cookie')), /^mandate-1=c;/)
  })

  test('does not by itself lead to a cluster that a link of another site may have chosen', async () => {
    const asked = '/clusters/prod/version?x="<'
    const { callback, headers } = stage([], asked)
    await callback('', 'cross-site')
    assert.equal(headers.get('Location'), undefined)
    assert.match(String(headers.get('body')), /href="\/clusters\/prod\/version\?x=[^"<]*"/)
    for (const [fetchSite, returnTo] of [
      ['same-origin', asked],
      ['cross-site', '/whoami'],
      [undefined, asked],
    ] as const) {
      const other = stage([], returnTo)
      await other.callback('', fetchSite)
      assert.equal(other.headers.get('Location'), returnTo)
    }
  })
})
