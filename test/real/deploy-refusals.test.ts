/** What the chart refuses, by the helm that users have: what must not be installed, and what the user is told of it. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { CHART, render, type Values, withValues } from './deploy-values.ts'
import { locateHelm, run } from './parts/deploy-programs.ts'

/** Values that must not be installed, and what the user is told. */
const REFUSED: Readonly<Record<string, readonly [values: Values, said: RegExp]>> = {
  'a misspelt value': [{ replica: 2 }, /additional properties 'replica' not allowed/],
  'a misspelt value below another': [{ networkPolicy: { enable: true } }, /'\/networkPolicy'.*'enable' not allowed/],
  'no replicas': [{ replicas: 0 }, /'\/replicas': minimum: got 0, want 1/],
  'the user root': [{ runAs: { user: 0 } }, /'\/runAs\/user': minimum: got 0, want 1/],
  'no bound of memory': [{ resources: { limits: null } }, /'\/resources': missing property 'limits'/],
  'a port that needs privileges': [{ config: { listen: { http: { port: 80 } } } }, /'\/config\/listen\/http\/port': minimum: got 80/],
  'a digest that is none': [{ image: { digest: 'latest' } }, /'\/image\/digest'/],
  'an environment of a secret without its key': [{ secretEnv: { REDIS_URL: { secret: 's', key: null } } }, /missing property 'key'/],
  'a folder of secrets over the configuration': [{ secretFiles: [{ secret: 's', path: '/etc/mandate' }] }, /'\/secretFiles\/0\/path'/],
  'egress to everybody by an empty list': [
    { networkPolicy: { egress: [{ to: [], ports: [443] }] } },
    /'\/networkPolicy\/egress\/0\/to': minItems/,
  ],
  'a range that is none': [
    { networkPolicy: { outside: { to: [{ cidr: 'id.corp.example' }] } } },
    /'\/networkPolicy\/outside\/to\/0\/cidr'/,
  ],

  'no image': [{ image: { repository: '' } }, /image\.repository is missing\. To mend it: name where/],
  'an image with its tag': [
    { image: { repository: 'registry.example/mandate:0.1.0' } },
    /image\.repository is registry\.example\/mandate:0\.1\.0, which is no name of an image\. To mend it: [^.]* without a tag/,
  ],
  'an origin with a path': [
    { config: { publicUrl: 'https://mandate.example/gate' } },
    /config\.publicUrl is https:\/\/mandate\.example\/gate, which is no origin of https\. To mend it: .* without a path/,
  ],
  'a public origin in clear': [
    { config: { publicUrl: 'http://mandate.example' } },
    /config\.publicUrl is http:\/\/mandate\.example, which/,
  ],
  'a public origin from elsewhere': [{ config: { publicUrl: { env: 'URL' } } }, /config\.publicUrl is map\[env:URL\], which is no origin/],
  'no public origin': [{ config: { publicUrl: '' } }, /config\.publicUrl is missing\. To mend it/],
  'no provider': [{ config: { providers: { corp: null } } }, /config\.providers is empty\. To mend it/],
  'no store': [{ config: { store: { redis: null } } }, /config\.store is missing\. To mend it/],
  'two stores': [{ config: { store: { memory: 'singleReplica' } } }, /config\.store has memory and redis/],
  'two replicas that share nothing': [
    { config: { store: { redis: null, memory: 'singleReplica' } } },
    /replicas is 2, and config\.store keeps everything in one process/,
  ],
  'no listener': [{ config: { listen: { http: null } } }, /config\.listen has neither http nor https/],
  'plain http from anybody': [{ config: { listen: { behind: [] } } }, /config\.listen\.behind is empty/],
  'a listener on loopback': [
    { config: { listen: { http: { host: '127.0.0.1' } } } },
    /config\.listen\.http\.host is 127\.0\.0\.1, where neither probes/,
  ],
  'probes on loopback': [{ config: { listen: { operations: { host: null } } } }, /config\.listen\.operations\.host is 127\.0\.0\.1/],
  'an ingress that authenticates': [
    { ingress: { annotations: { 'nginx.ingress.kubernetes.io/auth-url': 'https://x' } } },
    /ingress\.annotations has nginx\.ingress\.kubernetes\.io\/auth-url: the ingress controller would decide who comes/,
  ],
  'an ingress whose snippet may do anything': [
    { ingress: { annotations: { 'nginx.ingress.kubernetes.io/configuration-snippet': 'return 200;' } } },
    /configuration-snippet: the ingress controller would decide who comes/,
  ],
  'an ingress whose middleware authenticates': [
    { ingress: { annotations: { 'traefik.ingress.kubernetes.io/router.middlewares': 'auth-basic@kubernetescrd' } } },
    /router\.middlewares: the ingress controller would decide who comes/,
  ],
  'an outside that reaches the credentials of the machine': [
    { networkPolicy: { outside: { to: [{ cidr: '0.0.0.0/0' }] } } },
    /networkPolicy\.outside\.to reaches 169\.254\.0\.0\/16/,
  ],
  'the same by IPv6': [{ networkPolicy: { outside: { to: [{ cidr: '::/0' }] } } }, /networkPolicy\.outside\.to reaches fd00:ec2::23/],
  'the address of the machine alone, by IPv6': [
    { networkPolicy: { outside: { to: [{ cidr: '::/0', except: ['fe80::/10', 'fd00:ec2::23/128'] }] } } },
    /networkPolicy\.outside\.to reaches fd00:ec2::254/,
  ],
  'a variable that nothing sets': [
    { config: { tracing: { otlp: { env: 'OTLP_URL' } } } },
    /the environment variable OTLP_URL, which nothing sets/,
  ],
  'a certificate without its Secret': [{ ingress: { certManager: { issuer: 'corp' } } }, /ingress\.tls\.secretName is missing/],
  'two issuers of a certificate': [
    { ingress: { certManager: { issuer: 'corp', clusterIssuer: 'all' }, tls: { secretName: 's' } } },
    /clusterIssuer and issuer\. To mend it: keep one/,
  ],
  'a variable that is said twice': [{ env: { REDIS_URL: 'x' } }, /REDIS_URL stands in env and in secretEnv/],
  'no time to finish': [{ preStopSeconds: 30 }, /terminationGracePeriodSeconds leaves no time/],
  'a load balancer before plain http': [
    { service: { type: 'LoadBalancer' } },
    /service\.type is LoadBalancer and config\.listen has http: cookies and tokens would cross the network in clear\. To mend it/,
  ],
  'a port of every node with plain http': [{ service: { type: 'NodePort' } }, /service\.type is NodePort and config\.listen has http/],
  'an audit log where nothing can be written': [
    { config: { audit: { file: '/var/log/mandate/audit.log' } } },
    /config\.audit\.file is \/var\/log\/mandate\/audit\.log, where nothing can be written.* To mend it: mount a volume/,
  ],
  'an audit log beside a volume': [
    { config: { audit: { file: '/var/logs/audit.log' } }, extraVolumeMounts: [{ name: 'log', mountPath: '/var/log' }] },
    /config\.audit\.file is/,
  ],
  'an audit log on a volume that is read-only': [
    { config: { audit: { file: '/var/log/audit.log' } }, extraVolumeMounts: [{ name: 'log', mountPath: '/var/log/', readOnly: true }] },
    /config\.audit\.file is/,
  ],
  'an audit log at a relative path': [
    { config: { audit: { file: 'audit.log' } }, extraVolumeMounts: [{ name: 'log', mountPath: '/var/log' }] },
    /config\.audit\.file is audit\.log/,
  ],
  'nobody who may be away': [{ podDisruptionBudget: { maxUnavailable: 0 } }, /podDisruptionBudget\.maxUnavailable is 0 .* To mend it/],
  'a percentage of nobody': [{ podDisruptionBudget: { maxUnavailable: '0%' } }, /maxUnavailable is 0%\. To mend it: write a number/],
  'a word for how many may be away': [{ podDisruptionBudget: { maxUnavailable: 'half' } }, /maxUnavailable is half\. To mend it/],
}

/** Secrets as text, each where a user might write it. None of them may be repeated in what the user is told. */
const IN_CLEAR: Readonly<Record<string, Values>> = {
  'store.redis.url': { config: { store: { redis: { url: 'rediss://:s3cr3t@redis' } } } },
  'store.redis.keys[0].key': { config: { store: { redis: { keys: [{ id: 'k1', key: 's3cr3t' }] } } } },
  'providers.corp.clientAuth.secret': { config: { providers: { corp: { clientAuth: { secret: 's3cr3t' } } } } },
  'providers.corp.clientAuth.key': {
    config: { providers: { corp: { clientAuth: { method: 'private-key-jwt', secret: null, key: 's3cr3t' } } } },
  },
  'listen.https.key': { config: { listen: { http: null, https: { port: 8443, cert: { file: '/tls.crt' }, key: 's3cr3t' } } } },
  'listen.forwardAuth.key': {
    config: { listen: { forwardAuth: { host: '0.0.0.0', port: 4181, trusted: ['10.0.0.0/8'], key: 's3cr3t' } } },
  },
  'clusters.prod.as.token': { config: { clusters: { prod: { server: 'https://k', as: { kind: 'impersonate', token: 's3cr3t' } } } } },
  'brokered.runs.account.token': { config: { brokered: { runs: { account: { token: 's3cr3t' } } } } },
}

const refusal = async (values: Values) => {
  const { code, stdout, stderr } = await withValues(['template', 'mandate', CHART], values)
  assert.notEqual(code, 0)
  assert.equal(stdout, '')
  return stderr
}

suite('the chart', () => {
  for (const [name, [values, said]] of Object.entries(REFUSED)) {
    test(`refuses ${name}`, async () => assert.match(await refusal(values), said))
  }

  for (const [path, values] of Object.entries(IN_CLEAR)) {
    test(`refuses a secret in clear at ${path}, and does not repeat it`, async () => {
      const said = await refusal(values)
      assert.ok(
        said.includes(`config.${path} is a secret in clear, which would stand in a ConfigMap. To mend it: put it into a Secret`),
        said,
      )
      assert.doesNotMatch(said, /s3cr3t/)
    })
  }

  test('refuses a secret in the environment in clear, and takes a URL without a password there', async () => {
    for (const [name, value] of [
      ['SEALING_KEY', 's3cr3t'],
      ['REDIS_URL', 'rediss://:s3cr3t@redis'],
    ] as const) {
      const said = await refusal({ env: { [name]: value }, secretEnv: { [name]: null } })
      assert.match(said, new RegExp(`env\\.${name} is a secret in clear: .* secretEnv\\.${name}: \\{ secret: name, key: key \\}`))
      assert.doesNotMatch(said, /s3cr3t/)
    }
    await render({ env: { REDIS_URL: 'redis://redis' }, secretEnv: { REDIS_URL: null } })
  })

  test('refuses by name everything that has no default', async () => {
    const { code, stderr } = await run(await locateHelm(), ['template', 'mandate', CHART])
    assert.notEqual(code, 0)
    assert.match(stderr, /image\.repository is missing\. To mend it/)
  })

  test('refuses null for what every pod needs', async () => {
    for (const part of ['image', 'service', 'resources', 'runAs', 'serviceAccount']) {
      const { code, stderr } = await withValues(['template', 'mandate', CHART, ...jsonOf({ [part]: null })], {})
      assert.notEqual(code, 0)
      assert.ok(stderr.includes(`${part} is null. To mend it: leave it out`), stderr)
    }
  })

  test('takes null for what may be left out, whole or in part', async () => {
    for (const part of ['tls', 'certManager', 'nginx', 'annotations', 'hosts'])
      assert.ok((await nulled({ ingress: { enabled: true, [part]: null } })).includes('kind: Ingress'), part)
    for (const part of ['dns', 'outside', 'egress', 'ingressFrom', 'scrapeFrom'])
      assert.ok((await nulled({ networkPolicy: { [part]: null } })).includes('kind: NetworkPolicy'), part)
    for (const part of ['ingress', 'podDisruptionBudget', 'serviceMonitor', 'topologySpread', 'env', 'networkPolicy'])
      assert.ok((await nulled({ [part]: null })).includes('kind: Deployment'), part)
  })

  test('takes an audit log on a volume of its own', async () => {
    const { text } = await render({
      config: { audit: { file: '/var/log/mandate/audit.log' } },
      extraVolumes: [{ name: 'log', persistentVolumeClaim: { claimName: 'audit' } }],
      extraVolumeMounts: [{ name: 'log', mountPath: '/var/log/mandate' }],
    })
    assert.ok(text.includes('mountPath: /var/log/mandate'))
  })

  test('takes a port of every node behind an ingress, as some load balancers want it', async () => {
    const { text } = await render({ service: { type: 'NodePort' }, ingress: { enabled: true, className: 'alb' } })
    assert.ok(text.includes('type: NodePort'))
  })

  test('takes the one annotation about authentication that switches it off', async () => {
    const annotations = { 'nginx.ingress.kubernetes.io/enable-global-auth': 'false' }
    const { objects } = await render({ ingress: { enabled: true, annotations } })
    assert.deepEqual(objects.find(({ kind }) => kind === 'Ingress')?.metadata['annotations'], annotations)
    await assert.rejects(
      render({ ingress: { annotations: { 'nginx.ingress.kubernetes.io/enable-global-auth': 'true' } } }),
      /would decide who comes/,
    )
  })
})

/** What helm makes of values in which null stands, given beside the others so that it reaches helm. */
async function nulled(values: Values): Promise<string> {
  const { code, stdout, stderr } = await withValues(['template', 'mandate', CHART, ...jsonOf(values)], {})
  assert.equal(code, 0, stderr)
  return stdout
}

const jsonOf = (values: Values) => Object.entries(values).flatMap(([key, value]) => ['--set-json', `${key}=${JSON.stringify(value)}`])
