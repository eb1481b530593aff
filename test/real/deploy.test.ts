/**
 * What `deploy/` has, by the programs that users have: the chart by helm, everything by kubectl before a real API server
 * with the operator's resource definitions. Nothing runs there: no pod, and no network plugin.
 */
import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { stringify } from 'yaml'
import { parseConfig } from '../../src/config/config.ts'
import { asArray, asObject, asText, at, type Json, type KubernetesObject } from '../../src/dev/kubernetes/object.ts'
import { ROOT } from '../house/files.ts'
import { CHART, objectsIn, render, SETS, type Values, withValues } from './deploy-values.ts'
import { locateHelm, operatorDefinitions, run } from './parts/deploy-programs.ts'
import { type Kubernetes, startKubernetes } from './parts/kube-apiserver.ts'
import type { Finished } from './parts/kubectl.ts'
import { type TemporaryFolder, temporaryFolder } from './parts/process.ts'

const MANIFESTS = `${ROOT}/deploy/manifests`

suite('the chart', () => {
  for (const [name, values] of Object.entries(SETS)) {
    test(`is without a fault to helm lint, with ${name}`, async () => {
      const { code, stdout, stderr } = await withValues(['lint', CHART, '--strict', '--quiet'], values)
      assert.equal(code, 0, stdout + stderr)
      assert.doesNotMatch(stdout, /ERROR|WARNING/)
    })

    test(`writes a configuration that loads, with ${name}`, async () => {
      const { objects } = await render(values)
      loadConfiguration(objects)
    })
  }

  test('gives every pod nothing but what it needs', async () => {
    for (const values of Object.values(SETS)) {
      const pod = podOf((await render(values)).objects)
      assert.deepEqual(at(pod, 'securityContext', 'seccompProfile'), { type: 'RuntimeDefault' })
      assert.equal(at(pod, 'securityContext', 'runAsNonRoot'), true)
      assert.equal(at(pod, 'automountServiceAccountToken'), values === SETS['everything'])
      const container = at(containerOf(pod), 'securityContext')
      assert.deepEqual(container, { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } })
      assert.ok(at(containerOf(pod), 'resources', 'limits', 'memory'))
    }
  })

  test('rolls out anew when the configuration changes, and only then', async () => {
    const checksum = async (values: Values) =>
      at(podTemplateOf((await render(values)).objects), 'metadata', 'annotations', 'checksum/config')
    const first = await checksum({})
    assert.equal(await checksum({ replicas: 5, podLabels: { tier: 'edge' } }), first)
    assert.notEqual(await checksum({ config: { sessions: { idle: '20m' } } }), first)
  })

  test('never has two processes where one holds everything, and never too few where there are several', async () => {
    const strategy = async (values: Values) => at(deploymentOf((await render(values)).objects), 'spec', 'strategy')
    assert.deepEqual(await strategy(SETS['one replica alone'] ?? {}), { type: 'Recreate' })
    assert.deepEqual(await strategy({}), { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } })
  })

  test('keeps what is not for the public out of a Service that is', async () => {
    const { objects } = await render(SETS['everything'] ?? {})
    const services = objects.filter(({ kind }) => kind === 'Service')
    assert.deepEqual(
      services.map((service) => [service.metadata['name'], at(service, 'spec', 'type'), portsOf(service)]),
      [
        ['front-door', 'LoadBalancer', ['https']],
        ['front-door-internal', 'ClusterIP', ['forward-auth', 'metrics']],
      ],
    )
    const [service] = (await render({})).objects.filter(({ kind }) => kind === 'Service')
    assert.deepEqual(service && portsOf(service), ['http', 'metrics'])
  })

  test('writes no rule of a NetworkPolicy for an empty list, because an empty rule admits everybody', async () => {
    const policy = (await render(SETS['shut off'] ?? {})).objects.find(({ kind }) => kind === 'NetworkPolicy')
    assert.deepEqual(at(policy, 'spec', 'policyTypes'), ['Ingress', 'Egress'])
    assert.equal(at(policy, 'spec', 'ingress'), undefined)
    assert.equal(at(policy, 'spec', 'egress'), undefined)
  })

  test('writes numbers as they were given', async () => {
    const { objects } = await render(SETS['everything'] ?? {})
    const env = asArray(at(containerOf(podOf(objects)), 'env'))
    assert.ok(env.some((entry) => at(entry, 'name') === 'NUMBER' && at(entry, 'value') === '12345678'))
    assert.equal(loadConfiguration(objects).limits.signIns, 1_000_000)
  })
})

suite('the plain manifests', () => {
  test('are what the chart makes of their values', async () => {
    const folder = await temporaryFolder('manifests')
    const { code, stderr } = await run(`${MANIFESTS}/render`, [folder.path], { env: { HELM: await locateHelm() } })
    assert.equal(code, 0, stderr)
    const made = await readdir(folder.path)
    assert.ok(made.length >= 8)
    for (const name of made) {
      const [here, there] = await Promise.all([MANIFESTS, folder.path].map((from) => readFile(join(from, name), 'utf8')))
      assert.equal(here, there, `${name}: run deploy/manifests/render`)
    }
    await folder.remove()
  })
})

suite('a real API server', () => {
  let kubernetes: Kubernetes
  let folder: TemporaryFolder

  before(async () => {
    folder = await temporaryFolder('deploy')
    kubernetes = await startKubernetes()
    const ok = (finished: Finished) => assert.equal(finished.code, 0, finished.stderr)
    ok(await kubernetes.kubectl(['apply', '--server-side', '--filename', await operatorDefinitions()]))
    ok(await kubernetes.kubectl(['wait', '--for=condition=Established', '--timeout=30s', 'customresourcedefinitions', '--all']))
    // A dry run makes no namespace in which the next object could be.
    ok(await kubernetes.kubectl(['apply', '--server-side', '--filename', `${MANIFESTS}/namespace.yaml`]))
    ok(await kubernetes.kubectl(['create', 'namespace', 'auth']))
  })
  after(async () => {
    await kubernetes.stop()
    await folder.remove()
  })

  /** Nothing may be left over: no fault, and no warning, such as of a pod that the namespace would not let run. */
  const dryRun = (text: string) =>
    kubernetes.kubectl(['apply', '--server-side', '--dry-run=server', '--validate=strict', '--filename', '-'], { input: text })
  const accepted = async (text: string) => {
    const { code, stdout, stderr } = await dryRun(text)
    assert.equal(code, 0, stderr)
    assert.equal(stderr, '')
    assert.equal(stdout.trim().split('\n').length, objectsIn(text).length)
  }
  const kustomize = async (path: string) => {
    const { code, stdout, stderr } = await kubernetes.kubectl(['kustomize', path])
    assert.equal(code, 0, stderr)
    return stdout
  }

  test('refuses a manifest with a key that there is not, so that the next tests can fail', async () => {
    const { text } = await render({ serviceMonitor: { enabled: true } })
    for (const [right, wrong] of [
      ['readOnlyRootFilesystem:', 'readOnlyRootFileSystem:'],
      ['interval: 30s', 'intervall: 30s'],
      ['169.254.0.0/16', '::ffff/96'],
    ] as const) {
      assert.ok(text.includes(right))
      assert.notEqual((await dryRun(text.replace(right, wrong))).code, 0, wrong)
    }
  })

  test('refuses a pod of the gateway that may do more, and takes the one of the chart', async () => {
    const pod = podOf((await render({})).objects)
    const asPod = (spec: Json) => stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'one', namespace: 'mandate' }, spec })
    const container = { ...asObject(containerOf(pod)), securityContext: {} }
    const refused = await dryRun(asPod({ ...asObject(pod), containers: [container] }))
    assert.match(refused.stderr, /violates PodSecurity "restricted/)
    await accepted(asPod(pod ?? null))
  })

  for (const [name, values] of Object.entries(SETS)) {
    test(`takes the chart with ${name}`, async () => accepted((await render(values)).text))
  }

  test('takes the plain manifests', async () => accepted(await kustomize(MANIFESTS)))

  test('takes an oauth2-proxy with the metrics that its ServiceMonitor selects, whatever ports were there', async () => {
    for (const [at_, ports] of Object.entries(PROXY_PORTS)) {
      const objects = objectsIn(await kustomizeProxy(proxy(ports), at_))
      const [service, deployment, monitor] = ['Service', 'Deployment', 'ServiceMonitor'].map((wanted) =>
        objects.find(({ kind }) => kind === wanted),
      )
      assert.deepEqual(at(containerOf(at(deployment, 'spec', 'template', 'spec')), 'args'), [
        '--provider=oidc',
        '--metrics-address=0.0.0.0:44180',
      ])
      assert.deepEqual(
        asArray(at(service, 'spec', 'ports'))
          .map((port) => [at(port, 'name'), at(port, 'port')])
          .sort(),
        [
          ['http', 4180],
          ['metrics', 44_180],
        ],
      )
      assert.deepEqual(at(monitor, 'spec', 'selector', 'matchLabels'), asObject(service?.metadata['labels']))
      assert.deepEqual(at(monitor, 'spec', 'endpoints'), [{ port: 'metrics', path: '/metrics', interval: '30s' }])
      assert.deepEqual([monitor?.metadata['namespace'], at(monitor, 'spec', 'namespaceSelector', 'matchNames')], ['auth', ['auth']])
      await accepted(stringifyAll(objects))
    }
  })

  test('refuses nothing of that silently: a Deployment of another form is a fault', async () => {
    const other = proxy([])
    Object.assign(asObject(containerOf(at(other[0], 'spec', 'template', 'spec'))) ?? {}, { name: 'sidecar' })
    await assert.rejects(kustomizeProxy(other, 'other'), /test failed|testing value/)
  })

  async function kustomizeProxy(objects: readonly KubernetesObject[], name: string): Promise<string> {
    const own = join(folder.path, name)
    await mkdir(own)
    await writeFile(join(own, 'proxy.yaml'), stringifyAll(objects))
    const components = [relative(own, `${ROOT}/deploy/oauth2-proxy`)]
    await writeFile(join(own, 'kustomization.yaml'), stringify({ resources: ['proxy.yaml'], components }))
    return kustomize(own)
  }

  test('has the chart installed, changed and taken out again', async () => {
    const env = { KUBECONFIG: kubernetes.adminKubeconfig }
    const helmed = async (args: readonly string[], values: Values) => {
      const { code, stdout, stderr } = await withValues([...args, '--namespace', 'mandate'], values, env)
      assert.equal(code, 0, stderr)
      return stdout
    }
    const shown = await helmed(['install', 'mandate', CHART], {})
    assert.match(shown, /2 replica\(s\) in the namespace mandate, for https:\/\/mandate\.example/)
    assert.match(shown, /mandate-corp\n {2}mandate-store \(key redis-url\)\n {2}mandate-store \(key sealing-key\)/)
    assert.match(shown, /Nothing outside the cluster reaches it yet/)
    assert.match(shown, /out to these, and to nothing else:\n {2}DNS, port 53/)
    const changed = await helmed(['upgrade', 'mandate', CHART], { replicas: 3, config: { sessions: { idle: '20m' } } })
    assert.match(changed, /3 replica\(s\)/)
    const { body } = await kubernetes.ask('/apis/apps/v1/namespaces/mandate/deployments/mandate')
    assert.deepEqual([at(JSON.parse(body), 'spec', 'replicas'), at(JSON.parse(body), 'metadata', 'generation')], [3, 2])
    await uninstall()
  })

  test('refuses a release with the ServiceMonitor that kubectl made, and takes it as the guide of observability says', async () => {
    const env = { KUBECONFIG: kubernetes.adminKubeconfig }
    const monitor = `${ROOT}/deploy/observability/servicemonitor.yaml`
    const install = () => withValues(['install', 'mandate', CHART, '--namespace', 'mandate'], { serviceMonitor: { enabled: true } }, env)
    const ok = ({ code: ended, stderr: why }: Finished) => assert.equal(ended, 0, why)
    ok(await kubernetes.kubectl(['apply', '--filename', monitor]))
    const { code, stderr } = await install()
    assert.notEqual(code, 0)
    assert.match(stderr, /ServiceMonitor "mandate" in namespace "mandate" exists and cannot be imported into the current release/)
    ok(await kubernetes.kubectl(['--namespace', 'mandate', 'delete', 'servicemonitor', 'mandate']))
    ok(await install())
    // The other half of the folder does not touch it.
    ok(await kubernetes.kubectl(['apply', '--filename', `${ROOT}/deploy/observability/rules`]))
    const { body } = await kubernetes.ask('/apis/monitoring.coreos.com/v1/namespaces/mandate/servicemonitors/mandate')
    assert.equal(at(JSON.parse(body), 'metadata', 'labels', 'app.kubernetes.io/managed-by'), 'Helm')
    await uninstall()
  })

  async function uninstall(): Promise<void> {
    const env = { KUBECONFIG: kubernetes.adminKubeconfig }
    const { code, stderr } = await run(await locateHelm(), ['uninstall', 'mandate', '--namespace', 'mandate', '--wait=false'], { env })
    assert.equal(code, 0, stderr)
  }
})

/** Loads the configuration of a rendered chart as the container would: with its environment, secrets made up. */
function loadConfiguration(objects: readonly KubernetesObject[]) {
  const configMap = objects.find(({ kind }) => kind === 'ConfigMap')
  for (const entry of asArray(at(containerOf(podOf(objects)), 'env'))) {
    process.env[asText(at(entry, 'name'))] = asText(at(entry, 'value')) || 'made-up'
  }
  return parseConfig(asText(at(configMap, 'data', 'mandate.yaml')))
}

const deploymentOf = (objects: readonly KubernetesObject[]) => objects.find(({ kind }) => kind === 'Deployment')
const podTemplateOf = (objects: readonly KubernetesObject[]) => at(deploymentOf(objects), 'spec', 'template')
const podOf = (objects: readonly KubernetesObject[]) => at(podTemplateOf(objects), 'spec')
const containerOf = (pod: Json | undefined) => asArray(at(pod, 'containers'))[0]
const portsOf = (service: KubernetesObject) => asArray(at(service, 'spec', 'ports')).map((port) => asText(at(port, 'name')))
const stringifyAll = (objects: readonly KubernetesObject[]) => objects.map((object) => stringify(object)).join('---\n')

/** How the ports of an oauth2-proxy's Service may have been written. */
const PROXY_PORTS: Readonly<Record<string, Json[]>> = {
  short: [{ name: 'http', port: 4_180, targetPort: 4_180 }],
  long: [{ name: 'http', port: 4_180, targetPort: 4_180, protocol: 'TCP' }],
  named: [{ name: 'http', port: 4_180, targetPort: 'http' }],
}

function proxy(ports: Json[]): KubernetesObject[] {
  const labels = { 'app.kubernetes.io/name': 'oauth2-proxy' }
  const metadata = { name: 'oauth2-proxy', namespace: 'auth' }
  const container = { name: 'oauth2-proxy', image: 'registry.example/oauth2-proxy', args: ['--provider=oidc'] }
  return [
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata,
      spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers: [container] } } },
    },
    { apiVersion: 'v1', kind: 'Service', metadata, spec: { selector: labels, ports } },
  ]
}
