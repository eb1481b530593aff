/** What callers learn of a refusal behind a real nginx, a real Caddy and a real Traefik, and what stays the service's own. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { contentOf } from '../house/files.ts'
import { type Answer, CADDY, type IngressStage, NGINX, setIngressStage, TRAEFIK } from './forward-auth-stage.ts'
import { run } from './parts/deploy-programs.ts'
import { temporaryFolder } from './parts/process.ts'

const bound = { timeout: 120_000 }

const robot = ({ stage }: IngressStage, claims: object = {}) => ({
  authorization: `Bearer ${stage.world.issuer.mintAccessToken({ client: 'robot' }, { claims: { ...claims } })}`,
})

/** The routes of the example, and those that refuse for every reason. */
const withReasons = (routes: readonly object[]) => [
  ...routes,
  ...[
    { name: 'scoped', path: '/scoped', allow: { callers: ['machine'], scopes: ['read', 'write'] } },
    { name: 'limited', path: '/limited', limit: { perPrincipal: '1/hour' } },
    { name: 'got', path: '/got', methods: ['GET'] },
  ].map(({ name, path, methods, allow = { callers: ['machine'] }, ...more }) => ({
    name,
    match: { host: 'api.lab.localhost', path, ...(methods === undefined ? {} : { methods }) },
    allow,
    forwardAuth: true,
    ...more,
  })),
]

for (const ingress of [NGINX, CADDY, TRAEFIK])
  suite(`behind ${ingress.name}`, () => {
    test('whoever is refused is told why, once, and by which request', bound, async (t) => {
      const ground = await setIngressStage(t, ingress, withReasons)
      const { at, ask, stage, arrived } = ground
      /** Says it once, keeps no copy of it, and leads to its line in the audit log. */
      const refused = async (answer: Promise<Answer>, status: number, told: Readonly<Record<string, RegExp>>) => {
        const { headers, ...of } = await answer
        assert.equal(of.status, status)
        for (const [name, said] of Object.entries(told)) assert.match(String(headers[name]), said, name)
        assert.equal(headers['cache-control'], 'no-store')
        assert.match(String(headers['x-request-id']), /^[0-9a-f-]{36}$/)
        assert.equal(headers['x-request-id'], stage.audit('refused').at(-1)?.attempt)
      }
      await refused(ask(at('api'), '/x'), 401, { 'www-authenticate': /^Bearer realm="mandate"$/ })
      await refused(ask(at('api'), '/x', { headers: robot(ground, { exp: 1 }) }), 401, {
        'www-authenticate': /^Bearer realm="mandate", error="invalid_token"$/,
      })
      await refused(ask(at('api'), '/scoped', { headers: robot(ground, { scope: 'read' }) }), 403, {
        'www-authenticate': /^Bearer realm="mandate", error="insufficient_scope", scope="read write"$/,
      })
      await refused(ask(at('app'), '/x', { headers: robot(ground) }), 403, { 'www-authenticate': /^undefined$/ })
      await refused(ask(at('api'), '/got', { method: 'DELETE', headers: robot(ground) }), 405, { allow: /^GET, HEAD$/ })
      assert.deepEqual(arrived(), [])
      assert.equal((await ask(at('api'), '/limited', { headers: robot(ground) })).status, 200)
      await refused(ask(at('api'), '/limited', { headers: robot(ground) }), 429, { 'retry-after': /^\d+$/ })
      assert.equal(arrived().length, 1)
    })

    test("a refusal of the service's own passes as it is", bound, async (t) => {
      const ground = await setIngressStage(t, ingress)
      for (const status of [401, 403, 405, 429, 500, 503]) {
        const { headers, ...answer } = await ground.ask(ground.at('api'), `/own/${status}`, { headers: robot(ground) })
        assert.deepEqual([answer.status, answer.body], [status, `own ${status}`])
        assert.equal(headers['www-authenticate'], 'Custom own="1"')
        assert.equal(headers['cache-control'], undefined)
      }
    })
  })

suite('behind nginx', () => {
  test('a body beyond the bound is refused as too large, and one within it passes', bound, async (t) => {
    const ground = await setIngressStage(t, NGINX)
    const headers = { ...robot(ground), 'content-length': '10485761' }
    assert.equal((await ground.ask(ground.at('api'), '/x', { method: 'POST', headers })).status, 413)
    assert.deepEqual(ground.arrived(), [])
    const body = 'a'.repeat(2_000_000)
    assert.equal((await ground.ask(ground.at('api'), '/x', { method: 'POST', headers: robot(ground), body })).status, 200)
  })

  test('a bound that stands in a location alone makes 500 of a body that it would take', bound, async (t) => {
    const fill: typeof NGINX.fill = (example, ...more) =>
      NGINX.fill(
        example
          .replace('client_max_body_size 10m;', '')
          .replace('location / {\n      # Without', 'location / { client_max_body_size 10m;\n # Without'),
        ...more,
      )
    const ground = await setIngressStage(t, { ...NGINX, fill })
    assert.match(ground.written, /location \/ \{ client_max_body_size/)
    const body = 'a'.repeat(2_000_000)
    assert.equal((await ground.ask(ground.at('api'), '/x', { method: 'POST', headers: robot(ground), body })).status, 500)
  })

  test('the guide tries it, and sees what it says', bound, async (t) => {
    const [, section = ''] = /^## Try it\n([\s\S]*?)^## /m.exec(contentOf('docs/guides/forward-auth.md')) ?? []
    const [check = '', ...curls] = [...section.matchAll(/^(?:sudo )?(nginx -t|.*curl).*$/gm)].map(([line]) => line)
    const expected = [...section.matchAll(/^HTTP\/1\.1 (\d+).*\n((?:[A-Za-z-]+: .*\n)*)/gm)]
    assert.deepEqual([check.includes('nginx -t'), curls.length, expected.length], [true, 3, 3])

    const ground = await setIngressStage(t, NGINX)
    const folder = await temporaryFolder('try')
    t.after(() => folder.remove())
    const file = join(folder.path, 'nginx.conf')
    await writeFile(file, `pid ${folder.path}/pid;\n${ground.written}`)
    const tested = await run('nginx', ['-t', '-c', file, '-e', join(folder.path, 'error.log')])
    assert.equal(tested.code, 0, tested.stderr)

    const port = new URL(ground.origin).port
    const TOKEN = ground.stage.world.issuer.mintAccessToken({ client: 'robot' })
    for (const [at, curl] of curls.entries()) {
      const here = curl.replaceAll(/([a-z]+)\.example/g, `$1.lab.localhost:${port}`)
      // As the names were in DNS and the authority in the system's list.
      const script = `curl() { command curl --silent --cacert "$CA" --connect-to "::127.0.0.1:${port}" "$@"; }\n${here}\n`
      const { code, stdout, stderr } = await run('bash', ['-c', script], { env: { TOKEN, CA: ground.authority } })
      assert.equal(code, 0, stderr)
      const [, status, headers = ''] = expected[at] ?? []
      assert.ok(stdout.startsWith(`HTTP/1.1 ${status} `), `${curl}\n${stdout}`)
      for (const line of headers.trim().split('\n').filter(Boolean)) {
        const [name = '', value = ''] = line.split(/: (.*)/)
        const got = new RegExp(`^${name}: (.*?)\\r?$`, 'im').exec(stdout)?.[1]
        const said = value.replaceAll(/([a-z]+)\.example/g, `$1.lab.localhost:${port}`)
        assert.ok(said.endsWith('...') ? got?.startsWith(said.slice(0, -3)) : got === said, `${line}\n${stdout}`)
      }
    }
    assert.equal(ground.arrived().length, 1)
  })
})
