/** Promise 5: no token, cookie, secret or payload in any log, error, trace, metric, argument list or process title. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Browser } from '../fakes/browser.ts'
import { startFaultyIssuer } from '../fakes/faulty-issuer.ts'
import { findForm } from '../fakes/html-form.ts'
import { OK, startRawUpstream } from '../fakes/raw-http.ts'
import { askRaw, cookieOf, untilCallback } from './asks.ts'
import { stageTwoIssuers } from './two-issuers.ts'
import { ALICE, type StartWorld } from './world.ts'

/** Everything a secret may hide as: itself, and what encodings and containers make of it. */
function formsOf(secret: string): readonly string[] {
  const bytes = Buffer.from(secret)
  // In the middle of other text base64 has three phases; the ends depend on their neighbours and are left out.
  const phases = [0, 1, 2].flatMap((shift) => {
    const text = Buffer.concat([Buffer.alloc(shift), bytes])
      .toString('base64')
      .replace(/=+$/, '')
      .slice(4, -2)
    return [text, text.replaceAll('+', '-').replaceAll('/', '_')]
  })
  return [secret, encodeURIComponent(secret), bytes.toString('hex'), JSON.stringify(secret).slice(1, -1), ...phases].filter(
    (form) => form.length >= 12,
  )
}

/** A token, and the parts of it that are worth something by themselves. */
const partsOf = (token: string): readonly string[] => [
  token,
  ...token.split('.').filter((part) => part.length >= 30 && token.includes('.')),
]

/** Runs the journey on a world. */
export function promise5(name: string, start: StartWorld): void {
  suite(`promise 5: nothing leaks, ${name}`, () => {
    test('no secret that was in play stands in anything that was said or written', async (t) => {
      const secrets = new Map<string, string>()
      const said: Array<readonly [where: string, text: string]> = []
      const keep = (what: string, secret: unknown) => {
        if (typeof secret !== 'string' || secret.length < 12) return
        for (const part of partsOf(secret)) if (!secrets.has(part)) secrets.set(part, what)
      }

      const faulty = await startFaultyIssuer()
      const recorder = await startRawUpstream((socket, head) => void (head.includes('/gone') ? socket.destroy() : socket.write(OK)))
      t.after(() => Promise.all([faulty.close(), recorder.close()]))
      const { stage, lab } = await stageTwoIssuers(t, start, {
        labUrl: faulty.url,
        issuer: { lifetimes: { accessToken: 3_600, idToken: 3_600 } },
        configure(config) {
          config.clusters['recorder'] = {
            server: recorder.origin,
            allow: { callers: ['person'], providers: ['corp', 'lab'] },
            as: { kind: 'forward-token' },
          }
          config.clusters['recorder-named'] = {
            server: recorder.origin,
            allow: { callers: ['person'], groups: ['team-a', 'lab'] },
            as: config.clusters['named']?.['as'],
          }
        },
      })
      faulty.setTarget(lab.listening)
      faulty.inject('token', {
        kind: 'rewrite',
        rewrite(answer) {
          for (const [key, value] of Object.entries(answer)) if (key.endsWith('_token')) keep(key, value)
          return answer
        },
      })
      keep('client secret', 'client-secret-of-the-test')
      keep('client secret in Basic', 'mandate:client-secret-of-the-test')
      keep('broker token', stage.world.cluster.brokerToken)

      const note = (
        where: string,
        { status, headers, body }: { status: number; headers: object; body: string },
        except: readonly string[] = [],
      ) => {
        const kept = Object.entries(headers).filter(([header]) => !except.includes(header))
        said.push([where, `${status} ${JSON.stringify(kept)} ${body}`])
      }
      const signIn = async (browser: Browser, provider: string, user: string, follow = true) => {
        const first = await browser.get(`${stage.origin}/login?provider=${provider}`)
        // The redirect carries state and nonce, and the cookie that binds them: that is what it is for.
        note('login', first, ['location', 'set-cookie'])
        for (const key of ['state', 'nonce']) keep(key, new URL(first.headers.location ?? '').searchParams.get(key))
        const callback = await untilCallback(browser, `${stage.origin}/login?provider=${provider}`, user)
        for (const key of ['state', 'code']) keep(key, new URL(callback).searchParams.get(key))
        if (!follow) return callback
        note('callback', await browser.get(callback), ['set-cookie'])
        for (const { name: cookie, value } of browser.cookies(stage.origin)) keep(`cookie ${cookie}`, value)
        note('callback replayed', await browser.get(callback))
        return callback
      }
      const [alice, dora, failing] = [await stage.browser(), await stage.browser(), await stage.browser()]
      await signIn(alice, 'corp', 'alice')
      await signIn(dora, 'lab', 'dora')
      const lost = await signIn(failing, 'lab', 'dora', false)
      faulty.inject('token', { kind: 'status', status: 500 })
      note('callback failing', await failing.get(lost))

      const bearer = stage.world.issuer.mintAccessToken('alice')
      const bad = [
        stage.world.issuer.mintAccessToken('alice', { claims: { aud: 'https://elsewhere.example' } }),
        stage.world.issuer.mintIdToken('alice', 'mandate'),
        `${bearer.slice(0, -6)}AAAAAA`,
        `${bearer}.x`,
        'opaque-token-of-somebody-0123456789',
      ]
      for (const token of [bearer, ...bad]) keep('bearer', token)
      for (const path of [
        '/whoami',
        '/',
        '/login',
        '/logout',
        '/nowhere',
        '/clusters/prod/api/v1/namespaces/team-a/pods',
        '/clusters/named/api/v1/namespaces/team-b/pods',
        '/clusters/recorder/api',
        '/clusters/recorder-named/gone',
        '/clusters/prod//x',
        '/clusters/x/api',
        '/callback/corp?code=abc&state=def',
      ]) {
        // The sign-out page has the form's own token, which is a digest and no key to anything else.
        for (const browser of [alice, dora]) note(path, await browser.get(stage.origin + path))
        for (const token of [bearer, ...bad]) {
          const answer = await askRaw(stage, path, [`Authorization: Bearer ${token}`])
          said.push([`bearer ${path}`, answer.all])
        }
        const both = await askRaw(stage, path, [`Authorization: Bearer ${bearer}`, `Cookie: ${cookieOf(alice, stage)}`, 'X_Odd: y'])
        said.push([`both ${path}`, both.all])
        said.push([
          `twice ${path}`,
          (await askRaw(stage, path, [`Authorization: Bearer ${bearer}`, `Authorization: Bearer ${bearer}`])).all,
        ])
        said.push([
          `broken ${path}`,
          (await askRaw(stage, path, [`Cookie: ${cookieOf(alice, stage)}`, `Authorization : Bearer ${bearer}`])).all,
        ])
      }
      const payload = 'payload-of-a-request-that-nobody-should-write-down'
      keep('payload', payload)
      const written = await alice.get(`${stage.origin}/clusters/recorder/api`, {
        method: 'POST',
        body: payload,
        headers: { origin: stage.origin },
      })
      note('write', written)
      for (const head of recorder.heads()) keep('forwarded token', /authorization: bearer (\S+)/i.exec(head)?.[1])
      for (const header of stage.replicas.keys()) said.push([`metrics ${header}`, await stage.metrics(header)])

      const out = await dora.get(`${stage.origin}/logout`)
      const form = findForm(out.body, out.url)
      const end = await dora.post(`${stage.origin}/logout`, form?.hidden ?? {}, { origin: stage.origin })
      // The one place an ID token is shown: id_token_hint on its way to the issuer that made it, in its owner's browser.
      note('signed out', { ...end, body: end.body.replace(/<meta http-equiv="refresh"[^>]*>/, '') })
      note('after', await dora.get(`${stage.origin}/whoami`))
      const token = stage.world.issuer.mintLogoutToken('alice', 'mandate')
      keep('logout token', token)
      for (let i = 0; i < 2; i += 1)
        note('back channel', await failing.post(`${stage.origin}/back-channel-logout/corp`, { logout_token: token }))
      await new Promise((resolve) => setTimeout(resolve, 300))
      said.push(
        ['log and audit', stage.logged()],
        ['metrics', await stage.metrics()],
        ['process', JSON.stringify([process.argv, process.execArgv, process.title])],
      )

      const kinds = new Set(secrets.values())
      for (const kind of [
        'access_token',
        'id_token',
        'refresh_token',
        'state',
        'nonce',
        'code',
        'bearer',
        'forwarded token',
        `cookie mandate-${new URL(stage.origin).port}`,
      ])
        assert.ok(kinds.has(kind), `${kind} was not in play`)
      assert.ok(said.length > 120 && stage.logged().includes('"granted"'), 'too little was said to find anything in')
      for (const [secret, what] of secrets) {
        for (const form of formsOf(secret)) {
          for (const [where, text] of said)
            assert.ok(
              !text.includes(form),
              `${what} stands in ${where}, as ${form.slice(0, 8)}...: ${text.slice(Math.max(0, text.indexOf(form) - 80), text.indexOf(form))}`,
            )
        }
      }
      assert.ok(!stage.logged().includes(ALICE.email), 'an e-mail address is not recorded')
    })
  })
}
