/** deploy/observability as a real API server takes it, with the operator's own definitions of what its kinds may say. */
import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { DASHBOARDS } from '../../scripts/observability.ts'
import { eventually } from './eventually.ts'
import { type Kubernetes, startKubernetes } from './parts/kube-apiserver.ts'
import { cacheFolder, pinned } from './parts/locate.ts'
import { apply } from './seeding.ts'

const FOLDER = join(import.meta.dirname, '../../deploy/observability')
const KINDS = '/apis/monitoring.coreos.com/v1/namespaces/mandate'

describe('on a real kube-apiserver', () => {
  let kubernetes: Kubernetes

  before(async () => {
    kubernetes = await startKubernetes()
    const definitions = cacheFolder('operator-crds', await pinned('OPERATOR_VERSION'))
    for (const file of await readdir(definitions)) {
      // Too long for the annotation of a client-side apply.
      const { code, stderr } = await kubernetes.kubectl(['apply', '--server-side', '-f', join(definitions, file)])
      assert.equal(code, 0, stderr)
    }
    await apply(
      kubernetes.ask,
      ['mandate', 'observability'].map((name) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })),
    )
    for (const kind of ['servicemonitors', 'prometheusrules'])
      await eventually(`${kind} are served`, async () => (await kubernetes.ask(`${KINDS}/${kind}`)).status === 200)
  })
  after(() => kubernetes?.stop())

  test('the whole folder is taken strictly: a field that nobody knows would be refused', async () => {
    const { code, stdout, stderr } = await kubernetes.kubectl([
      'apply',
      '-k',
      FOLDER,
      '--dry-run=server',
      '--validate=strict',
      '-o',
      'name',
    ])
    assert.deepEqual([code, stderr], [0, ''])
    assert.deepEqual(
      stdout.trim().split('\n').sort(),
      [
        ...DASHBOARDS.map(({ uid }) => `configmap/dashboard-${uid}`),
        'prometheusrule.monitoring.coreos.com/mandate',
        'servicemonitor.monitoring.coreos.com/mandate',
      ].sort(),
    )
  })

  test('folder by folder as well, without what is for promtool alone', async () => {
    for (const part of ['servicemonitor.yaml', 'rules', 'configmaps']) {
      const { code, stderr } = await kubernetes.kubectl(['apply', '-f', join(FOLDER, part), '--dry-run=server', '--validate=strict'])
      assert.deepEqual([code, stderr], [0, ''], part)
    }
  })

  test('a misspelled field of a rule is refused', async () => {
    const body = {
      apiVersion: 'monitoring.coreos.com/v1',
      kind: 'PrometheusRule',
      metadata: { name: 'misspelled' },
      spec: { groups: [{ name: 'one', rules: [{ alert: 'One', expression: 'up' }] }] },
    }
    const answer = await kubernetes.ask(`${KINDS}/prometheusrules?dryRun=All&fieldValidation=Strict`, { body })
    assert.ok(answer.status >= 400 && answer.status < 500, answer.body)
  })
})
