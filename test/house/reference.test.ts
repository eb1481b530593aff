/** The reference says what the code says. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type IncomingMessage, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { staleOf } from '../../scripts/generated.ts'
import { referencePages } from '../../scripts/reference.ts'
import { AUDIT_EVENTS } from '../../src/audit/audit-event.ts'
import { composeGateway, type RunningGateway } from '../../src/compose.ts'
import { checkConfig } from '../../src/config/config.ts'
import { createLog } from '../../src/log.ts'
import { METRICS } from '../../src/metrics.ts'
import { REFUSALS } from '../../src/refusal-codes.ts'
import { contentOf, ROOT } from './files.ts'

test('generated pages are what the code makes of them', () => {
  const stale = staleOf(referencePages()).map((path) => relative(ROOT, path))
  assert.deepEqual(stale, [], 'run node scripts/reference.ts')
  assert.equal(referencePages().size, 6)
})

test('every entry of the catalogues has its place', () => {
  for (const code of Object.keys(REFUSALS)) assert.match(contentOf('docs/reference/errors.md'), new RegExp(`^\\| \`${code}\` \\|`, 'm'))
  for (const event of Object.keys(AUDIT_EVENTS)) assert.match(contentOf('docs/reference/audit-events.md'), new RegExp(`^## ${event}$`, 'm'))
  for (const metric of Object.keys(METRICS)) assert.match(contentOf('docs/reference/metrics.md'), new RegExp(`^\\| \`${metric}\` \\|`, 'm'))
})

describe('endpoints', () => {
  const rows = [...contentOf('docs/reference/endpoints.md').matchAll(/^\| `(\/[^`]*)` \| ([A-Z, ]+) \|/gm)].map(
    ([, path = '', methods = '']) => ({ path, methods: methods.split(', ') }),
  )
  const operations = [...contentOf('docs/reference/endpoints.md').matchAll(/^\| `(\/\w+)` \| [^|]+ \|$/gm)].map(([, path = '']) => path)
  let folder: string
  let gateway: RunningGateway

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mandate-endpoints-'))
    await writeFile(join(folder, 'secret'), 'secret')
    const secret = { file: join(folder, 'secret') }
    const config = checkConfig({
      publicUrl: 'http://localhost',
      listen: { http: { port: 0 }, forwardAuth: { port: 0, trusted: ['127.0.0.1/32'] }, operations: { port: 0 } },
      store: { memory: 'singleReplica' },
      audit: { file: join(folder, 'audit.jsonl') },
      // An issuer that nobody is: what is asked here needs none.
      providers: {
        corp: {
          kind: 'oidc',
          issuer: 'http://127.0.0.1:9',
          clientId: 'mandate',
          clientAuth: { method: 'secret', secret },
          audience: 'mandate',
        },
      },
      clusters: { prod: { server: 'http://127.0.0.1:9', allow: {}, as: { kind: 'forward-token' } } },
    })
    gateway = await composeGateway(config, { log: createLog(() => undefined, 'silent') })
  })
  after(async () => {
    await gateway.stop()
    await rm(folder, { recursive: true })
  })

  const ask = async (path: string, method: string) => {
    const real = path.replace('{provider}', 'corp').replace('{name}', 'prod').replace('...', 'api')
    const { http, forwardAuth } = gateway.ports
    const sent = request(`http://127.0.0.1:${path.startsWith('/authorize') ? forwardAuth : http}${real}`, { method, agent: false })
    sent.end()
    const [answer] = (await once(sent, 'response')) as [IncomingMessage]
    return { status: answer.statusCode, body: await text(answer), allow: answer.headers.allow }
  }

  test('the page lists some', () => {
    assert.ok(rows.length >= 7)
    assert.deepEqual(operations, ['/health', '/ready', '/metrics'])
  })

  for (const { path, methods } of rows) {
    test(`${path} is served, with these methods and no others`, async () => {
      for (const method of methods) {
        const { status, body } = await ask(path, method)
        assert.ok(status !== 405 && !body.includes('not_found'), `${method}: ${status} ${body}`)
      }
      const other = await ask(path, 'TRACE')
      assert.deepEqual([other.status, other.allow], [405, methods.join(', ')])
    })
  }

  test('the operations endpoints are served', async () => {
    for (const path of operations) {
      const answer = await fetch(`http://127.0.0.1:${gateway.ports.operations}${path}`)
      assert.equal(answer.status, 200, path)
      await answer.text()
    }
  })

  test('what the gateway serves outside the journey is on the page', () => {
    const code = contentOf('src/gateway/gateway.ts')
    const served = [...code.matchAll(/case '(\w*)':|first === '([\w-]+)'/g)].map(([, one, two]) => one ?? two ?? '')
    assert.ok(served.length >= 6)
    const listed = rows.map(({ path }) => path.split('/')[1] ?? '')
    assert.deepEqual(
      served.filter((segment) => !listed.includes(segment)),
      [],
    )
  })
})
