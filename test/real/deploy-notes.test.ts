/** What the chart serves to the outside, and what it tells whoever installs it: hosts, who is let in and what is let out. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { asArray, asText, at } from '../../src/dev/kubernetes/object.ts'
import { CHART, render, SETS, type Values, withValues } from './deploy-values.ts'

const route = (host: string, more: object = {}) => ({ match: { host, path: '/**' }, allow: {}, upstream: 'https://svc.example', ...more })
const ASKED = { forwardAuth: { host: '0.0.0.0', port: 4181, trusted: ['10.0.0.0/8'] } }
const HTTPS: Values = { http: null, https: { port: 8443, cert: { file: '/etc/tls.crt' }, key: { file: '/etc/tls.key' } } }

async function notes(values: Values): Promise<string> {
  const { code, stdout, stderr } = await withValues(['install', 'mandate', CHART, '--dry-run=client', '--namespace', 'mandate'], values)
  assert.equal(code, 0, stderr)
  const [, said] = stdout.split('\nNOTES:\n')
  assert.ok(said)
  return said
}

suite('the Ingress', () => {
  const hosts = async (ingress: object, routes: readonly object[] = []) => {
    const { objects } = await render({ config: { routes }, ingress: { enabled: true, ...ingress } })
    const spec = objects.find(({ kind }) => kind === 'Ingress')?.['spec']
    const rules = asArray(at(spec, 'rules')).map((rule) => asText(at(rule, 'host')))
    assert.deepEqual(asArray(at(asArray(at(spec, 'tls'))[0], 'hosts')), rules)
    return rules
  }

  test('serves the host of publicUrl and those of routes, each once', async () => {
    const routes = [route('api.example'), route('app.example'), route('api.example', { name: 'second' }), route('mandate.example')]
    assert.deepEqual(await hosts({}, routes), ['mandate.example', 'api.example', 'app.example'])
    assert.deepEqual(await hosts({}), ['mandate.example'])
  })

  test('leaves out a host where an ingress of the operator asks before it forwards', async () => {
    const values = { config: { listen: ASKED, routes: [route('asked.example', { upstream: undefined, forwardAuth: true })] } }
    const { objects } = await render({ ...values, ingress: { enabled: true } })
    const rules = asArray(
      at(
        objects.find(({ kind }) => kind === 'Ingress'),
        'spec',
        'rules',
      ),
    )
    assert.deepEqual(
      rules.map((rule) => at(rule, 'host')),
      ['mandate.example'],
    )
    assert.match(
      await notes(values),
      /Your own ingress forwards for asked\.example: there it asks \/authorize of mandate, and leads \/\.mandate\//,
    )
  })

  test('serves what its hosts say and no more', async () => {
    assert.deepEqual(await hosts({ hosts: ['other.example'] }, [route('api.example')]), ['other.example'])
  })
})

suite('after an installation helm says', () => {
  test('which hosts the Ingress leaves out, and that nobody can sign in without that of publicUrl', async () => {
    const left = async (...list: string[]) =>
      notes({ config: { routes: [route('api.lab.example'), route('b.example')] }, ingress: { enabled: true, hosts: list } })
    const said = await left('api.lab.example')
    assert.match(said, /ingress\.hosts leaves out mandate\.example, b\.example: nothing for them comes here\./)
    assert.match(said, /Nobody can sign in without mandate\.example, the host of config\.publicUrl\./)
    const wild = await left('*.lab.example', 'mandate.example')
    assert.match(wild, /leaves out b\.example: nothing for it comes here\./)
    assert.doesNotMatch(wild, /Nobody can sign in/)
    // A wildcard of an Ingress is for one label alone.
    assert.match(await left('*.example'), /leaves out api\.lab\.example:/)
    assert.doesNotMatch(await left('*.example', '*.lab.example'), /leaves out/)
  })

  test('what the NetworkPolicy lets out, always', async () => {
    const said = await notes({
      networkPolicy: {
        egress: [
          { to: [{ ipBlock: { cidr: '203.0.113.0/24' } }, { podSelector: { matchLabels: { app: 'redis' } } }], ports: [6379, 6380] },
          { to: [{ podSelector: { matchExpressions: [{ key: 'app', operator: 'Exists' }] } }], ports: [8080] },
        ],
      },
    })
    const [, list = ''] = /let[^:]*out to these, and to nothing else:\n((?: {2}.*\n)+)/.exec(said) ?? []
    assert.deepEqual(list.trimEnd().split('\n'), [
      '  DNS, port 53 of namespaces with kubernetes.io/metadata.name=kube-system',
      '  port 443 of 0.0.0.0/0; ::/0',
      '  port 6379, 6380 of 203.0.113.0/24; pods with app=redis',
      '  port 8080 of pods with {"matchExpressions":[{"key":"app","operator":"Exists"}]}',
    ])
    assert.doesNotMatch(said, /not among them/)
    assert.match(await notes(SETS['shut off'] ?? {}), /to nothing else:\n {2}\(nothing at all\)\n/)
  })

  test('which ports of the configuration no rule lets out', async () => {
    const routes = [
      route('a.example', { name: 'pool', upstream: { servers: ['http://svc:3000', 'http://127.0.0.1:9000', { env: 'SECOND' }] } }),
      route('b.example', { upstream: { env: 'SECRET_URL' } }),
      route('c.example', { upstream: 'http://plain' }),
      route('d.example', { upstream: 'http://let-out:8080' }),
    ]
    const clusters = { prod: { server: 'https://prod.example:6443', allow: {}, as: { kind: 'forward-token' } } }
    const said = await notes({
      config: { routes, clusters },
      env: { SECOND: 'http://second:4000' },
      secretEnv: { SECRET_URL: { secret: 's', key: 'url' } },
      networkPolicy: { egress: [{ to: [{ ipBlock: { cidr: '10.0.0.0/8' } }], ports: [8080] }] },
    })
    const [, list = ''] = /not among them[^:]*:\n((?: {2}.*\n)+)/.exec(said) ?? []
    assert.deepEqual(list.trimEnd().split('\n'), [
      '  port 3000 of http://svc:3000, for the route pool',
      '  port 4000 of http://second:4000, for the route pool',
      '  port 6443 of https://prod.example:6443, for the cluster prod',
      '  port 80 of http://plain, for the route 2',
    ])
  })

  test('that a load balancer reaches nobody whom the NetworkPolicy does not admit', async () => {
    const open = { config: { listen: HTTPS }, service: { type: 'LoadBalancer' } }
    assert.match(await notes(open), /of type LoadBalancer, and the NetworkPolicy admits only namespaces with .*=ingress-nginx: /)
    assert.match(await notes({ ...open, networkPolicy: { ingressFrom: [] } }), /admits only nobody: /)
    const admitted = await notes({ ...open, networkPolicy: { ingressFrom: [{ ipBlock: { cidr: '0.0.0.0/0' } }] } })
    assert.doesNotMatch(admitted, /admits only/)
    assert.doesNotMatch(await notes({}), /admits only/)
  })
})
