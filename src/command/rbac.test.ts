/** `mandate rbac` as somebody types it: what it refuses, and the roles that it prints. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { parseAllDocuments } from 'yaml'
import { broker, creates, mints, reading, writing } from '../config/broker.fake.ts'
import { type Draft, draft } from '../config/config.fake.ts'
import { testFolder } from './sign-in/kept-tokens.fake.ts'

const MAIN = join(import.meta.dirname, '../main.ts')
const ACCOUNT = ['--service-account', 'mandate/app-writer']

interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

function mandateRbac(t: TestContext, change: (draft: Draft) => unknown, ...args: readonly string[]): Promise<Ended> {
  const path = join(testFolder(t), 'mandate.yaml')
  writeFileSync(path, JSON.stringify(draft(change)))
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, 'rbac', '-c', path, ...args], { timeout: 30_000 }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : -1, stdout, stderr }),
    )
  })
}

async function complaint(t: TestContext, change: (draft: Draft) => unknown, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await mandateRbac(t, change, ...args)
  assert.equal(code, /takes NAMESPACE|required option/.test(stderr) ? 2 : 1)
  assert.equal(stdout, '')
  assert.doesNotMatch(stderr, /\n\s+at /)
  return stderr
}

const two = (change: Draft) => {
  broker()(change)
  const { app } = change['brokered'] as Record<string, object>
  const operations = [reading({ do: 'list' })]
  change['brokered'] = { app, other: { ...app, operations } }
}

test('refuses a service account that is not named with its namespace', async (t) => {
  for (const name of ['writer', 'mandate/', '/writer', 'a/b/c', 'Mandate/writer', 'system:serviceaccount:a:b'])
    assert.match(await complaint(t, broker(), '--service-account', name), /^mandate: --service-account takes NAMESPACE\/NAME/)
  assert.match(await complaint(t, broker()), /required option '--service-account/)
})

test('refuses a configuration that brokers nothing, or is not right', async (t) => {
  assert.match(await complaint(t, () => undefined, ...ACCOUNT), /no brokered resources/)
  assert.match(await complaint(t, broker({ cluster: 'other' }), ...ACCOUNT), /config_faulty[\s\S]*brokered\.app\.cluster/)
})

test('refuses to choose among several brokers, and one that is not there', async (t) => {
  assert.match(await complaint(t, two, ...ACCOUNT), /name one of app, other by --broker/)
  for (const name of ['third', 'constructor'])
    assert.match(await complaint(t, two, ...ACCOUNT, '--broker', name), /--broker is none of the configuration: it has app, other/)
})

test('refuses a broker that writes nothing', async (t) => {
  assert.match(await complaint(t, two, ...ACCOUNT, '--broker', 'other'), /other writes nothing/)
})

const API = 'rbac.authorization.k8s.io'
const subjects = [{ kind: 'ServiceAccount', namespace: 'mandate', name: 'app-writer' }]
const pair = (scope: '' | 'Cluster', metadata: object, rules: readonly object[]) => [
  { apiVersion: `${API}/v1`, kind: `${scope}Role`, metadata, rules },
  {
    apiVersion: `${API}/v1`,
    kind: `${scope}RoleBinding`,
    metadata,
    roleRef: { apiGroup: API, kind: `${scope}Role`, name: 'mandate-app' },
    subjects,
  },
]
const rule = (group: string, resource: string, verbs: readonly string[], ...resourceNames: readonly string[]) => ({
  apiGroups: [group],
  resources: [resource],
  verbs,
  ...(resourceNames.length === 0 ? {} : { resourceNames }),
})

test('prints a role and its binding for each namespace, the lease among them, and says for what', async (t) => {
  const steps = [creates({ namespace: { cel: 'path.thing' } }), creates({ kind: 'job', ownedBy: 'owner' }), mints()]
  const change = writing(steps, { cleanup: { lease: { namespace: 'mandate' } } })
  const { code, stdout, stderr } = await mandateRbac(t, change, ...ACCOUNT)
  assert.equal(code, 0, stderr)
  assert.match(stdout, /^# What the service account mandate\/app-writer needs on the cluster prod as the account of brokered\.app, /)
  assert.match(stdout, /\n# For the operations: make; and for cleaning up\n/)
  const within = (namespace: string) => ({ name: 'mandate-app', namespace })
  assert.deepEqual(
    parseAllDocuments(stdout).map((each) => each.toJS() as unknown),
    [
      ...pair('', within('mandate'), [
        rule('coordination.k8s.io', 'leases', ['create']),
        rule('coordination.k8s.io', 'leases', ['get', 'update'], 'mandate-app'),
      ]),
      ...pair('', within('one'), [
        rule('', 'secrets', ['create']),
        rule('', 'serviceaccounts/token', ['create'], 'runner'),
        rule('batch', 'jobs', ['create', 'list']),
        rule('example.com', 'things', ['create']),
        rule('example.com', 'things', ['get'], 'owner'),
      ]),
      ...pair('', within('two'), [rule('example.com', 'things', ['create'])]),
    ],
  )
  const again = await mandateRbac(t, change, ...ACCOUNT, '--broker', 'app')
  assert.equal(again.stdout, stdout)
})

test('prints a role of the whole cluster for all namespaces and for kinds in none, as one list in JSON', async (t) => {
  const steps = [creates({ namespace: { cel: 'path.thing' } }), creates({ kind: 'global', namespace: undefined }), creates({ kind: 'job' })]
  const { code, stdout, stderr } = await mandateRbac(t, writing(steps, { namespaces: '*' }), ...ACCOUNT, '-o', 'json')
  assert.equal(code, 0, stderr)
  assert.deepEqual(JSON.parse(stdout), {
    apiVersion: 'v1',
    kind: 'List',
    items: [
      ...pair('Cluster', { name: 'mandate-app' }, [rule('example.com', 'globals', ['create']), rule('example.com', 'things', ['create'])]),
      ...pair('', { name: 'mandate-app', namespace: 'one' }, [rule('batch', 'jobs', ['create'])]),
    ],
  })
})

test('the completion completes it and its options', async () => {
  const script = await new Promise<string>((resolve, reject) =>
    execFile(process.execPath, [MAIN, 'completion', 'bash'], { timeout: 30_000 }, (error, stdout) =>
      error === null ? resolve(stdout) : reject(error),
    ),
  )
  assert.match(script, /\n {4}rbac\)[^)]*\n[\s\S]*--config -c --broker --service-account --output -o --help/)
})
