/** examples/m2m-cognito: its file does what it says. Its scripts are run by test/real/m2m-cognito.test.ts. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { allowInsecureRequests, ClientSecretBasic, clientCredentialsGrant, discovery } from 'openid-client'
import { parseDocument } from 'yaml'
import { advice } from '../../src/config/advice/advice.ts'
import { checkConfig } from '../../src/config/config.ts'
import { ADA, type M2mExample, READ, ROBOT, readExample, startM2mExample, WRITE } from '../fakes/m2m-example.ts'
import { contentOf, filesOf } from './files.ts'

const FOLDER = 'examples/m2m-cognito'

/** One request to the API. */
async function ask({ api }: M2mExample, method: string, path: string, token?: string) {
  const { host, port } = new URL(api)
  const headers = { host, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) }
  const sent = request({ host: '127.0.0.1', port, path, method, headers }).end()
  const [answer] = (await once(sent, 'response')) as [IncomingMessage]
  const body = await text(answer)
  const { code } = body.startsWith('{') ? (JSON.parse(body) as { code?: string }) : {}
  return { told: [answer.statusCode, code], challenge: answer.headers['www-authenticate'] }
}

test('refuses nobody, a person, and a machine without the scope of the endpoint, and nothing of them arrives', async (t) => {
  const example = await startM2mExample(t)
  const { pool, service } = example
  assert.deepEqual((await ask(example, 'GET', '/db/locations')).told, [401, 'not_signed_in'])
  assert.deepEqual((await ask(example, 'GET', '/db/locations', pool.userAccessToken(ADA, 'web'))).told, [403, 'denied'])
  assert.deepEqual((await ask(example, 'GET', '/db/locations', pool.userIdToken(ADA, 'web'))).told, [401, 'token_type_wrong'])
  const [reader, writer] = [pool.machineToken(ROBOT.id, [READ]), pool.machineToken(ROBOT.id, [WRITE])]
  for (const [method, path, token, scope] of [
    ['GET', '/db/locations', writer, READ],
    ['HEAD', '/db/locations', writer, READ],
    ['POST', '/db/locations', reader, WRITE],
    ['PUT', '/db/locations/1', reader, WRITE],
    ['PATCH', '/db/locations/1', reader, WRITE],
    ['DELETE', '/db/locations/1', reader, WRITE],
    ['GET', '/admin/users', pool.machineToken(ROBOT.id), 'https://api.lab.example/admin'],
  ] as const) {
    const { told, challenge } = await ask(example, method, path, token)
    assert.deepEqual(told, [403, method === 'HEAD' ? undefined : 'insufficient_scope'], `${method} ${path}`)
    assert.equal(challenge, `Bearer realm="mandate", error="insufficient_scope", scope="${scope}"`)
  }
  for (const path of ['/db/../admin/users', '/db/%2e%2e/admin/users', '/db//locations', '/DB/locations', '/admins']) {
    const { told } = await ask(example, 'GET', path, reader)
    assert.ok(told[0] === 400 || told[0] === 404, `${path}: ${told.join(' ')}`)
  }
  assert.deepEqual(service.heads(), [])
})

test('lets a machine do what its scopes say, and tells the service which one it is', async (t) => {
  const example = await startM2mExample(t)
  const { pool, service } = example
  const config = await discovery(new URL(pool.issuer), ROBOT.id, ROBOT.secret, ClientSecretBasic(ROBOT.secret), {
    execute: [allowInsecureRequests],
  })
  const { access_token: token } = await clientCredentialsGrant(config)
  assert.deepEqual((await ask(example, 'GET', '/db/locations?near=1', token)).told, [200, undefined])
  assert.deepEqual((await ask(example, 'DELETE', '/db/locations/1', token)).told, [200, undefined])
  const [read = '', written = ''] = service.heads()
  assert.match(read, /^GET \/db\/locations\?near=1 HTTP/)
  assert.match(written, /^DELETE \/db\/locations\/1 HTTP/)
  for (const head of [read, written]) {
    assert.match(head, new RegExp(`\r\nX-M2M-Client-ID: ${ROBOT.id}\r\n`, 'i'))
    assert.match(head, new RegExp(`\r\nX-M2M-Scope: ${READ} ${WRITE}(\r\n|$)`, 'i'))
    assert.doesNotMatch(head, /authorization/i)
  }
  assert.deepEqual(
    example
      .audit('granted')
      .map(({ resource, who }) => [resource, (who as { client: string }).client, (who as { scopes: string[] }).scopes]),
    [
      ['route/locations-read', ROBOT.id, [READ, WRITE]],
      ['route/locations-write', ROBOT.id, [READ, WRITE]],
    ],
  )
  assert.ok(!example.written().includes(token) && !example.written().includes(ROBOT.secret))
})

test('is unwise only where it means to be', () => {
  const config = readExample('http://locations.locations.svc:8080', 'us-east-1_aBcDeFgHi')
  assert.equal(config.providers['cognito']?.issuer, 'https://cognito-idp.us-east-1.amazonaws.com/us-east-1_aBcDeFgHi')
  const about = advice(config).map(({ path }) => path)
  // One replica, and a service that is reached by plain http.
  const means = new Set(['store.memory', 'routes.0.upstream', 'routes.1.upstream', 'routes.2.upstream'])
  assert.deepEqual(
    about.filter((path) => !means.has(path)),
    [],
  )
})

test('no script puts a secret where others can read it', () => {
  const scripts = filesOf(`${FOLDER}/*.sh`)
  assert.deepEqual(scripts, [`${FOLDER}/agent.sh`, `${FOLDER}/smoke.sh`, `${FOLDER}/token.sh`])
  for (const path of scripts) {
    const content = contentOf(path).replaceAll('command -v', '')
    assert.doesNotMatch(content, /(^|\s)(-u|--user|--header|-H)\s+["']?(\$|Authorization)/m, `${path}: in an argument list`)
    assert.doesNotMatch(
      content,
      /(^|\s)(-v|--verbose|--trace\S*|-L|--location|-k|--insecure)\s/m,
      `${path}: shows, follows or trusts too much`,
    )
    for (const [, options = ''] of content.matchAll(/^[^#\n]*\bcurl (-.*)/gm))
      assert.match(options, /^-q --globoff /, `${path}: reads a .curlrc, or takes one address for several`)
    assert.doesNotMatch(content, />\s*"?\$?\{?(HOME|TMPDIR|\/tmp)/, `${path}: kept on disk`)
  }
})

test('what the guide shows loads', () => {
  const minimal = parseDocument(contentOf('examples/mandate-minimal.yaml')).toJS() as object
  const blocks = [...contentOf('docs/guides/machines.md').matchAll(/^```yaml\n(providers:[\s\S]*?)^```/gm)].map(([, block = '']) => block)
  assert.equal(blocks.length, 4)
  for (const block of blocks) {
    const part = parseDocument(block.replace('{ env: COGNITO_USER_POOL_ID }', 'us-east-1_aBcDeFgHi')).toJS() as object
    assert.doesNotThrow(() => checkConfig({ ...minimal, clusters: {}, ...part }), block)
  }
})
