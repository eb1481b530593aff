/** What people see who are refused, and what a refusal leaves in the record. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { startRawUpstream } from '../fakes/raw-http.ts'
import { askRaw, bearerOf, codeOf, cookieOf } from './asks.ts'
import { stageWithService } from './route-stage.ts'
import type { StartWorld } from './world.ts'

const PAGE = 'Accept: text/html,application/xhtml+xml'
/** Each link of a page that looks like a button. */
const buttonsOf = ({ body }: { readonly body: string }) =>
  [...body.matchAll(/<a(?: class="quiet")? href="([^"]*)">([^<]*)/g)].map(([, href, label]) => `${label} > ${href}`)

/** Runs the journey on a world. */
export function refusalPages(name: string, start: StartWorld): void {
  suite(`pages of refusals, ${name}`, () => {
    test('a browser gets a page, before the host or the path is known as well, and a tool problem details', async (t) => {
      const { stage } = await stageWithService(t, start)
      const evil = `Host: ${'evil"\\.example-'.repeat(30)}`
      for (const [lines, path, status, code] of [
        [['Host: evil.example'], '/', 421, 'host_unknown'],
        [[evil], '/', 421, 'host_unknown'],
        [[], '/a//b', 400, 'path_ambiguous'],
        [['Cookie: a=b', 'Cookie: c=d'], '/', 400, 'header_ambiguous'],
        [[], '/nothing', 404, 'not_found'],
        [['Host: app.localhost'], '/.mandate/x', 404, 'not_found'],
      ] as const) {
        const page = await askRaw(stage, path, [...lines, PAGE])
        assert.deepEqual([page.status, codeOf(page), buttonsOf(page)], [status, code, []], path)
        assert.match(page.head, /content-type: text\/html/i)
        assert.match(page.head, /content-security-policy: default-src 'none'/i)
        assert.match(page.head, /x-frame-options: DENY/i)
        assert.doesNotMatch(page.body, /docs\/|evil/)
        const told = await askRaw(stage, path, lines)
        assert.match(told.head, /content-type: application\/problem\+json/i)
        assert.equal(codeOf(told), code)
        assert.match((await askRaw(stage, path, [...lines, PAGE], 'POST')).head, /application\/problem\+json/i)
      }
      const hosts = stage.audit('refused').flatMap(({ code, properties }) => (code === 'host_unknown' ? [properties['host']] : []))
      assert.equal(hosts[0], 'evil.example')
      assert.equal(hosts.find((host) => host?.startsWith('evil"'))?.length, 255)
    })

    test('nobody is asked to sign in for what a sign-in does not change', async (t) => {
      const { stage, host, at } = await stageWithService(t, start)
      const bots = [`Host: ${host('bots.localhost')}`, PAGE]
      const machines = await askRaw(stage, '/api/x', bots)
      assert.deepEqual([machines.status, buttonsOf(machines)], [401, []])
      assert.match(machines.body, /This route takes machines only; send a bearer token\./)
      assert.match((await askRaw(stage, '/api/x', bots.slice(0, 1))).body, /This route takes machines only/)
      const browser = await stage.browser('alice')
      const few = await browser.follow(`${at('few.localhost')}/only/x`, { headers: { accept: 'text/html' } })
      assert.equal(codeOf(few), 'denied')
      assert.match(few.body, /You are signed in as alice \(Corp\)\./)
      assert.deepEqual(buttonsOf(few), [`Sign in as somebody else > ${stage.origin}/logout`])
      const bearer = [`Authorization: ${bearerOf(stage, 'alice')}`, `Host: ${host('few.localhost')}`, PAGE]
      const shown = await askRaw(stage, '/only/x', bearer)
      assert.deepEqual([shown.status, buttonsOf(shown)], [403, []])
      assert.doesNotMatch(shown.body, /signed in as/)
    })

    test('a login that a rule does not let in is told whose it is, on the host of the route', async (t) => {
      const { stage } = await stageWithService(t, start, undefined, {
        configure(config) {
          config['routes'] = [
            { match: { host: 'app.localhost', path: '/**' }, allow: {}, upstream: 'http://127.0.0.1:9' },
            { match: { host: 'app.localhost', path: '/few/**' }, allow: { groups: ['team-b'] }, upstream: 'http://127.0.0.1:9' },
            { match: { host: 'app.localhost', path: '/bots/**' }, allow: { callers: ['machine'] }, upstream: 'http://127.0.0.1:9' },
          ]
        },
      })
      const { port } = new URL(stage.origin)
      const app = `http://app.localhost:${port}`
      const browser = await stage.browser('alice')
      const accept = { headers: { accept: 'text/html' } }
      const few = await browser.follow(`${app}/few/x`, accept)
      assert.match(few.body, /You are signed in as alice \(Corp\)\./)
      const bots = await browser.get(`${app}/bots/x`, accept)
      assert.match(bots.body, /Only machines may come here\. Send a machine&#39;s bearer token\./)
      assert.deepEqual(buttonsOf(bots), [])
      const down = await browser.get(`${app}/x?y=1&z=%22`, accept)
      assert.deepEqual([down.status, buttonsOf(down)], [502, ['Try again > /x?y=1&amp;z=%22']])
    })

    test('who is nobody signs in and comes back, by a path of this site alone', async (t) => {
      const { stage } = await stageWithService(t, start)
      const page = await askRaw(stage, '/whoami?x=1', [PAGE])
      assert.deepEqual(buttonsOf(page), [`Sign in > ${stage.origin}/login?return_to=%2Fwhoami%3Fx%3D1`])
      const used = await askRaw(stage, '/callback/corp?code=c&state=s', [PAGE])
      assert.deepEqual([codeOf(used), buttonsOf(used)], ['sign_in_state_unknown', [`Sign in > ${stage.origin}/login`]])
    })

    test('a service that does not answer is said to have had its time', async (t) => {
      const silent = await startRawUpstream(() => undefined)
      t.after(() => silent.close())
      const { stage, host } = await stageWithService(t, start, undefined, {
        configure(config) {
          const timeouts = { answer: '1s' }
          config['routes'] = [{ match: { host: 'app.localhost', path: '/**' }, allow: {}, upstream: silent.origin, timeouts }]
        },
      })
      const lines = [`Host: ${host('app.localhost')}`, `Authorization: ${bearerOf(stage, 'alice')}`, PAGE]
      const late = await askRaw(stage, '/slow', lines)
      assert.match(late.body, /It did not begin to answer within 1 s\./)
      assert.deepEqual(buttonsOf(late), ['Try again > /slow'])
    })

    test('a route that others forward is recorded as one on this port, and told to nobody', async (t) => {
      const { stage } = await stageWithService(t, start, undefined, {
        configure(config) {
          config['routes'] = [{ name: 'theirs', match: { host: 'app.localhost', path: '/theirs/**' }, allow: {}, forwardAuth: true }]
          config.listen['forwardAuth'] = { port: 0, trusted: ['127.0.0.1/32'], headers: 'x-forwarded' }
        },
      })
      const [theirs, nothing] = [
        await askRaw(stage, '/theirs/x', ['Host: app.localhost']),
        await askRaw(stage, '/nothing', ['Host: app.localhost']),
      ].map(({ body }) => ({ ...JSON.parse(body), requestId: '' }))
      assert.deepEqual(theirs, nothing)
      const { resource, detail } = stage.audit('refused')[0] ?? {}
      assert.deepEqual([resource, detail], ['route/theirs', 'this route is decided on listen.forwardAuth'])
    })

    test('/clusters/ asks for a name', async (t) => {
      const { stage } = await stageWithService(t, start)
      assert.match((await askRaw(stage, '/clusters/')).body, /name a cluster: \/clusters\/NAME\//)
    })

    test('under another name a page is led to publicUrl and nowhere else, and a bearer is answered', async (t) => {
      const { stage, host } = await stageWithService(t, start)
      const alias = `Host: ${host('127.0.0.1')}`
      for (const path of ['/', '/login?return_to=/clusters/prod/version', '/login?return_to=//evil.example', '/logout']) {
        const answer = await askRaw(stage, path, [alias])
        assert.equal(answer.status, 303, path)
        assert.match(answer.head, new RegExp(`\\r\\nlocation: ${RegExp.escape(stage.origin + path)}\\r\\n`, 'i'))
        assert.doesNotMatch(answer.head, /set-cookie/i)
      }
      assert.equal((await askRaw(stage, '//evil.example', [alias])).status, 400)
      assert.equal((await askRaw(stage, '/callback/corp', [alias])).status, 400)
      assert.equal((await askRaw(stage, '/.mandate/command-line', [alias])).status, 200)
      const bearer = `Authorization: ${bearerOf(stage, 'alice')}`
      for (const path of ['/whoami', '/', '/clusters/named/version'])
        assert.equal((await askRaw(stage, path, [alias, bearer])).status, 200, path)
      const browser = await stage.browser()
      const end = await browser.signIn(`http://${host('127.0.0.1')}/`, 'alice')
      assert.equal(end.url, `${stage.origin}/`)
      assert.match(end.body, /You are alice/)
      assert.match(cookieOf(browser, stage), /mandate-\d+=/)
      assert.match(end.body, /href="\/clusters\/prod\/api\/v1">\/clusters\/prod\/api\/v1</, 'a link says where it leads')
    })
  })
}
