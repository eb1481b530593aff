/** What `deploy/` and the release have, as far as it can be judged by reading: the real programs are asked in test/real. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { BlockList, isIP } from 'node:net'
import { describe, test } from 'node:test'
import { parseAllDocuments, parseDocument } from 'yaml'
import { type Config, checkConfig, parseConfig } from '../../src/config/config.ts'
import { serviceOrigin } from '../../src/config/route-upstream.ts'
import { asArray, asObject, asText, at, type Json, type KubernetesObject } from '../../src/dev/kubernetes/object.ts'
import { contentOf, filesOf, ROOT } from './files.ts'

const MANIFESTS = 'deploy/manifests'
const WORKFLOW = '.github/workflows/release.yaml'

/** Where clouds tell a machine its credentials; the last two are how IPv6 reaches the first. */
const METADATA = [
  '169.254.169.254',
  '169.254.170.2',
  '100.100.100.200',
  '168.63.129.16',
  '192.0.0.192',
  'fd00:ec2::254',
  'fd20:ce::254',
].concat(['fe80::a9fe:a9fe', '64:ff9b::a9fe:a9fe'])

describe('the manifests', () => {
  test('let the gateway reach no address by which a cloud tells a machine its credentials', () => {
    for (const peers of [outside(read(`${MANIFESTS}/networkpolicy.yaml`)), chartDefault()]) {
      const except = new BlockList()
      for (const range of peers.flatMap((peer) => asArray(at(peer, 'except')).map(asText))) {
        const [address = '', bits] = range.split('/')
        except.addSubnet(address, Number(bits), isIP(address) === 4 ? 'ipv4' : 'ipv6')
      }
      for (const address of METADATA) {
        assert.ok(except.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6'), address)
        // What no route may lead to, no connection of another kind should either.
        assert.equal(serviceOrigin.safeParse(`http://${isIP(address) === 4 ? address : `[${address}]`}`).success, false, address)
      }
    }
  })

  test('hold no Secret, and no place for one', () => {
    const objects = filesOf(`${MANIFESTS}/*.yaml`).map(read)
    assert.ok(objects.length >= 9)
    assert.deepEqual(
      objects.filter(({ kind }) => kind === 'Secret'),
      [],
    )
  })

  test('have a configuration that loads, with the environment that the Deployment names and no other', () => {
    const config = loadManifests()
    assert.equal(config.providers['cognito']?.issuer, 'https://cognito-idp.us-east-1.amazonaws.com/us-east-1_aBcDeFgHi')
    assert.deepEqual(config.providers['cognito']?.machineClients, ['client-now', 'client-before'])
    assert.deepEqual(
      config.routes.map(({ name, match, upstream }) => [name, match.host, upstream?.servers]),
      ['read', 'write'].map((name) => [name, 'api.lab.example', ['http://otel-demo.otel-demo.svc.cluster.local:8080']]),
    )
  })

  test('take the ids that the seed of a user pool has from the Secret cognito-config', () => {
    const from = (name: string) => asArray(at(container(), 'env')).find((entry) => at(entry, 'name') === name)
    const ref = (name: string) => at(from(name), 'valueFrom', 'secretKeyRef')
    assert.deepEqual(ref('COGNITO_USER_POOL_ID'), { name: 'cognito-config', key: 'user-pool-id' })
    assert.equal(at(from('COGNITO_REGION'), 'value'), 'us-east-1')
    assert.equal(at(from('UPSTREAM_URL'), 'value'), 'http://otel-demo.otel-demo.svc.cluster.local:8080')
  })

  test('have the limits of the seed, within which it was measured, and time to start within them', () => {
    assert.deepEqual(at(container(), 'resources'), {
      requests: { cpu: '50m', memory: '64Mi' },
      limits: { cpu: '200m', memory: '128Mi' },
    })
    const { periodSeconds = 0, failureThreshold = 0 } = asObject(at(container(), 'startupProbe')) ?? {}
    // Ten times what a start took within these limits.
    assert.ok(Number(periodSeconds) * Number(failureThreshold) >= 58)
  })

  test('serve the API host with a certificate of its own and let no ingress controller authenticate', () => {
    const ingress = read(`${MANIFESTS}/ingress.yaml`)
    assert.deepEqual(
      asArray(at(ingress, 'spec', 'rules')).map((rule) => at(rule, 'host')),
      ['api.lab.example'],
    )
    const annotations = asObject(ingress.metadata['annotations']) ?? {}
    assert.equal(annotations['cert-manager.io/cluster-issuer'], 'letsencrypt-dns01-production')
    assert.deepEqual(
      Object.keys(annotations).filter((key) => /auth/.test(key)),
      [],
    )
  })
})

describe('the guide', () => {
  const guide = contentOf('docs/guides/deployment.md')

  test('explains every value of the chart', () => {
    const values = asObject(yaml('deploy/helm/mandate/values.yaml')) ?? {}
    const table = guide.slice(guide.indexOf('| value |'), guide.indexOf('\n\n', guide.indexOf('| value |')))
    assert.deepEqual(
      Object.keys(values).filter((name) => !table.includes(`\`${name}\``)),
      [],
    )
  })

  test('says what the chart asks for and allows, as values.yaml has it', () => {
    const { requests, limits } = asObject(at(yaml('deploy/helm/mandate/values.yaml'), 'resources')) ?? {}
    assert.deepEqual([requests, limits], [{ cpu: '100m', memory: '128Mi' }, { memory: '256Mi' }])
    assert.match(guide, /^\| `resources` \| 100m and 128Mi asked for, at most 256Mi \|/m)
  })

  test('begins with values whose configuration loads', () => {
    const [, first = ''] = /^```yaml\n(image:[\s\S]*?)^```/m.exec(guide) ?? []
    const listen = { http: { host: '0.0.0.0', port: 8080 }, operations: { host: '0.0.0.0', port: 9090 } }
    const config = asObject(at(parseDocument(first).toJS() as Json, 'config')) ?? {}
    assert.equal(checkConfig({ ...config, listen: { ...listen, ...asObject(config['listen']) } }).publicUrl, 'https://mandate.example')
  })
})

describe('the release', () => {
  test('gives package, chart and manifests one version', () => {
    const { version } = JSON.parse(contentOf('package.json')) as { version: string }
    const chart = yaml('deploy/helm/mandate/Chart.yaml')
    assert.deepEqual([at(chart, 'version'), at(chart, 'appVersion')], [version, version])
    assert.equal(at(asArray(at(yaml(`${MANIFESTS}/kustomization.yaml`), 'images'))[0], 'newTag'), version)
    assert.ok(contentOf(`${MANIFESTS}/deployment.yaml`).includes(`image: registry.example/mandate:${version}\n`))
  })

  test('runs for tags of versions alone, and each job has the rights it needs and no other', () => {
    const workflow = yaml(WORKFLOW)
    assert.deepEqual(at(workflow, 'on'), { push: { tags: ['v*'] } })
    assert.deepEqual(at(workflow, 'permissions'), {})
    assert.deepEqual(at(workflow, 'jobs', 'test', 'permissions'), { contents: 'read' })
    assert.deepEqual(at(workflow, 'jobs', 'image', 'permissions'), { contents: 'read', packages: 'write' })
    assert.equal(at(workflow, 'jobs', 'image', 'needs'), 'test')
  })

  test('runs no action of others but by the commit it was read at', () => {
    const used = [...contentOf(WORKFLOW).matchAll(/uses: (\S+)/g)].map(([, action = '']) => action)
    assert.ok(used.length > 0)
    for (const action of used) assert.match(action, /^actions\/checkout@[0-9a-f]{40}$/)
  })

  test('tests before it builds, and builds for both platforms with provenance and a list of parts', () => {
    const steps = (job: string) => asArray(at(yaml(WORKFLOW), 'jobs', job, 'steps')).map((step) => asText(at(step, 'run')))
    assert.ok(steps('test').includes('npm test'))
    const build = steps('image').find((step) => step.includes('buildx build'))
    for (const flag of ['--platform linux/amd64,linux/arm64', '--provenance mode=max', '--sbom true', '--file deploy/image/Dockerfile'])
      assert.ok(build?.includes(flag), flag)
    // What a tag is called reaches the shell as a variable, never as part of the script.
    for (const step of [...steps('test'), ...steps('image')]) assert.doesNotMatch(step, /\$\{\{/)
  })

  test('sends the build what it is made of, which is there', () => {
    const sent: readonly string[] = contentOf('deploy/image/Dockerfile.dockerignore').match(/(?<=^!).+$/gm) ?? []
    assert.deepEqual(
      sent.filter((path) => !existsSync(`${ROOT}/${path}`)),
      [],
    )
    const packed = (JSON.parse(contentOf('package.json')) as { files: string[] }).files.filter((path) => path !== 'dist')
    assert.deepEqual(
      packed.filter((path) => !sent.includes(path)),
      [],
    )
  })

  test('makes an image that is nobody special, has no shell in its entry, and writes nothing', () => {
    const last =
      contentOf('deploy/image/Dockerfile')
        .split(/^FROM /m)
        .at(-1) ?? ''
    assert.match(last, /^USER 65532:65532$/m)
    assert.match(last, /^ENTRYPOINT \["node", "\/opt\/mandate\/dist\/main\.js"\]$/m)
    // Only files are copied: nothing runs, so no platform is emulated.
    assert.doesNotMatch(last, /^(RUN|VOLUME|ADD) /m)
    assert.doesNotMatch(contentOf('deploy/image/Dockerfile'), /:latest/)
  })
})

function yaml(path: string): Json {
  const document = parseDocument(contentOf(path))
  assert.deepEqual(document.errors, [], path)
  return document.toJS() as Json
}

function read(path: string): KubernetesObject {
  const [document, ...more] = parseAllDocuments(contentOf(path))
  assert.deepEqual([document?.errors, more], [[], []], path)
  return document?.toJS() as KubernetesObject
}

function container(): Json | undefined {
  return asArray(at(read(`${MANIFESTS}/deployment.yaml`), 'spec', 'template', 'spec', 'containers'))[0]
}

/** The address ranges beyond the cluster that a policy lets through. */
function outside(policy: Json): Json[] {
  const rules = asArray(at(policy, 'spec', 'egress')).flatMap((rule) => asArray(at(rule, 'to')))
  return rules.flatMap((peer) => at(peer, 'ipBlock') ?? [])
}

function chartDefault(): Json[] {
  return asArray(at(yaml('deploy/helm/mandate/values.yaml'), 'networkPolicy', 'outside', 'to'))
}

/** Loads the configuration as the container would, with made-up values for what comes out of Secrets. */
function loadManifests(): Config {
  const made: Readonly<Record<string, string>> = {
    COGNITO_USER_POOL_ID: 'us-east-1_aBcDeFgHi',
    M2M_CLIENT_ID: 'client-now',
    M2M_CLIENT_ID_BEFORE: 'client-before',
    REDIS_URL: 'rediss://redis.example',
    SEALING_KEY: 'sealing-key',
  }
  const before = { ...process.env }
  try {
    for (const entry of asArray(at(container(), 'env'))) {
      const name = asText(at(entry, 'name'))
      process.env[name] = asText(at(entry, 'value')) || made[name]
    }
    return parseConfig(asText(at(read(`${MANIFESTS}/configmap.yaml`), 'data', 'mandate.yaml')))
  } finally {
    process.env = before
  }
}
