/** The example of forward-auth hangs together: configuration, the three ingresses, and what the guide shows of it. */
import assert from 'node:assert/strict'
import { matchesGlob } from 'node:path'
import { describe, test } from 'node:test'
import { parse } from 'yaml'
import { MANDATE_HEADERS } from '../../src/assume/identified.ts'
import { advice } from '../../src/config/advice/advice.ts'
import { loadConfig } from '../../src/config/config.ts'
import { isWithheld } from '../../src/forward/withheld-headers.ts'
import { spelled } from '../../src/header-names.ts'
import { contentOf, ROOT } from './files.ts'

const FOLDER = 'examples/forward-auth'
const NAMES = MANDATE_HEADERS.map(({ name }) => name)

/** By what services and other proxies say who asks, where from and what is meant; `routes` withhold all of them, and more. */
const BELIEVED = [
  ...['Remote-User', 'Remote-Email', 'Remote-Name', 'Remote-Groups', 'X-Remote-User', 'X-Remote-Email', 'X-Remote-Groups'],
  ...['User', 'Email', 'Groups', 'Preferred-Username', 'Access-Token'].flatMap((fact) => [`X-Forwarded-${fact}`, `X-Auth-Request-${fact}`]),
  ...['X-WebAuth-User', 'X-Authenticated-User', 'X-User', 'X-Email', 'X-Groups', 'X-M2M-Client-ID', 'X-M2M-Scope'],
  ...['X-Client-Cert', 'X-Forwarded-Client-Cert', 'Forwarded', 'X-Client-IP', 'Client-IP', 'True-Client-IP', 'CF-Connecting-IP'],
  ...['Prefix', 'Uri', 'Method', 'Scheme', 'Ssl'].map((fact) => `X-Forwarded-${fact}`),
  ...['X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override', 'X-Rewrite-URL'],
  ...['URL', 'URI', 'Host', 'Method'].map((fact) => `X-Original-${fact}`),
  'HTTP2-Settings',
]
/** What Traefik writes anew whoever sends it. */
const WRITTEN_BY_TRAEFIK = ['X-Real-IP', 'X-Forwarded-Port', 'X-Forwarded-Server']

interface Traefik {
  readonly http: {
    readonly routers: Readonly<Record<string, { rule: string; service: string; middlewares?: readonly string[]; priority?: number }>>
    readonly middlewares: {
      readonly 'ask-mandate': { readonly forwardAuth: Readonly<Record<string, unknown>>; readonly headers?: never }
      readonly [others: string]: { readonly headers?: Readonly<Record<string, Readonly<Record<string, string>>>> }
    }
    readonly services: Readonly<Record<string, { loadBalancer: { servers: ReadonlyArray<{ url: string }> } }>>
  }
}

describe('examples/forward-auth', () => {
  test('no identity header of a caller passes by a name that was forgotten', () => {
    const nginx = contentOf(`${FOLDER}/nginx.conf`)
    for (const name of NAMES) {
      const variable = `$${name.slice('X-'.length).toLowerCase().replaceAll('-', '_')}`
      const upstream = `$upstream_http_${name.toLowerCase().replaceAll('-', '_')}`
      assert.ok(nginx.includes(`auth_request_set ${variable} ${upstream};`), name)
      assert.ok(nginx.includes(`proxy_set_header ${name} ${variable};`), name)
    }
    const copied = /copy_headers (.*)/.exec(contentOf(`${FOLDER}/Caddyfile`))?.[1]?.split(' ')
    assert.deepEqual(copied, [...NAMES, 'X-Request-Id'])
    const { forwardAuth } = (parse(contentOf(`${FOLDER}/traefik.yaml`)) as Traefik).http.middlewares['ask-mandate']
    assert.deepEqual(forwardAuth['authResponseHeaders'], [...NAMES, 'X-Request-Id'])
    assert.equal(forwardAuth['trustForwardHeader'], false)
  })

  test('no other header of a caller passes that says who asks, where from or what is meant', () => {
    const nginx = contentOf(`${FOLDER}/nginx.conf`)
    const caddy = [...contentOf(`${FOLDER}/Caddyfile`).matchAll(/^\s*request_header -(\S+)$/gm)].map(([, name = '']) => name.toLowerCase())
    const { middlewares } = (parse(contentOf(`${FOLDER}/traefik.yaml`)) as Traefik).http
    const traefik = ['no-other-protocol', 'without-bearer'].map((name) => middlewares[name]?.headers?.['customRequestHeaders'])
    for (const name of [...BELIEVED, ...WRITTEN_BY_TRAEFIK]) {
      assert.ok(isWithheld(spelled(name)), `${name} is withheld by routes`)
      assert.ok(nginx.includes(`    proxy_set_header ${name} '';`), `nginx: ${name}`)
      assert.ok(
        caddy.some((pattern) => matchesGlob(name.toLowerCase(), pattern)),
        `Caddy: ${name}`,
      )
    }
    for (const name of BELIEVED)
      assert.ok(
        traefik.some((removed) => removed?.[name] === ''),
        `Traefik: ${name}`,
      )
  })

  test('a connection changes to WebSocket alone', () => {
    const { routers, middlewares } = (parse(contentOf(`${FOLDER}/traefik.yaml`)) as Traefik).http
    const before = (name: string) => middlewares[routers[name]?.middlewares?.[0] ?? '']?.headers?.['customRequestHeaders']
    assert.deepEqual(before('service'), { Connection: '', Upgrade: '', 'HTTP2-Settings': '' })
    assert.deepEqual(before('web-socket'), { Connection: 'Upgrade', Upgrade: 'websocket', 'HTTP2-Settings': '' })
    assert.doesNotMatch(contentOf(`${FOLDER}/nginx.conf`), /proxy_set_header (?:Upgrade|Connection) \$http/)
    // Both would open a channel that no question called one, if a request without a key could change the connection.
    assert.match(routers['web-socket']?.rule ?? '', /HeaderRegexp\(`Sec-WebSocket-Key`, `\.`\)/)
    assert.match(contentOf(`${FOLDER}/nginx.conf`), /map "\$http_sec_websocket_key \$http_upgrade" \$upgrade_for_service/)
  })

  test('Traefik takes no other spelling of a name, and cleans a path before it asks', () => {
    const { entryPoints } = parse(contentOf(`${FOLDER}/traefik-static.yaml`)) as {
      readonly entryPoints: Readonly<Record<string, { readonly http: object }>>
    }
    assert.deepEqual(entryPoints['websecure']?.http, { aliasHeadersStrategy: 'delete', sanitizePath: true })
  })

  test('mandate.yaml loads, and is unwise where it means to be', async () => {
    const config = await loadConfig(`${ROOT}/${FOLDER}/mandate.yaml`)
    assert.deepEqual(
      advice(config).map(({ path }) => path),
      ['store.memory'],
    )
    const { forwardAuth, http } = config.listen
    for (const file of ['nginx.conf', 'Caddyfile', 'traefik.yaml'])
      for (const port of [forwardAuth?.port, http?.port]) assert.ok(contentOf(`${FOLDER}/${file}`).includes(`127.0.0.1:${port}`), file)
    for (const { match } of config.routes)
      for (const file of ['nginx.conf', 'Caddyfile', 'traefik.yaml']) assert.ok(contentOf(`${FOLDER}/${file}`).includes(match.host), file)
  })

  test('Traefik asks about the hosts of routes and about nothing of Mandate, and names only what there is', () => {
    const { routers, middlewares, services } = (parse(contentOf(`${FOLDER}/traefik.yaml`)) as Traefik).http
    for (const { service, middlewares: named = [] } of Object.values(routers)) {
      assert.ok(Object.hasOwn(services, service), service)
      for (const name of named) assert.ok(Object.hasOwn(middlewares, name), name)
    }
    const asking = Object.entries(routers).filter(([, { middlewares: named = [] }]) => named[1] === 'ask-mandate')
    assert.deepEqual(
      asking.map(([name]) => name),
      ['service', 'web-socket'],
    )
    const hosts = /Host\(`app\.example`\) \|\| Host\(`api\.example`\)/
    assert.match(routers['service']?.rule ?? '', hosts)
    assert.match(routers['sign-in']?.rule ?? '', new RegExp(`\\(${hosts.source}\\) && PathPrefix\\(\`/\\.mandate/\`\\)`))
    assert.match(routers['web-socket']?.rule ?? '', new RegExp(`\\(${hosts.source}\\) && HeaderRegexp`))
    for (const name of ['service', 'web-socket'])
      assert.ok((routers['sign-in']?.priority ?? 0) > (routers[name]?.rule.length ?? 0), 'the longer rule has no chance by itself')
    assert.equal(services['mandate']?.loadBalancer.servers[0]?.url, 'http://127.0.0.1:8080')
    assert.equal(middlewares['ask-mandate'].forwardAuth['address'], 'http://127.0.0.1:4181/authorize?sign-in=redirect')
    assert.equal(middlewares['without-bearer']?.headers?.['customRequestHeaders']?.['Authorization'], '')
  })

  test('is what the guide shows', () => {
    const shown = parse(/^```yaml\n(listen:[\s\S]*?)^```/m.exec(contentOf('docs/guides/forward-auth.md'))?.[1] ?? '')
    const whole = parse(contentOf(`${FOLDER}/mandate.yaml`))
    assert.deepEqual(shown, { listen: whole.listen, routes: whole.routes.slice(0, 1) })
  })
})
