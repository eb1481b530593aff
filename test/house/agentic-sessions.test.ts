/** The example of brokered resources hangs together: configuration, CRD, users, account, and what the pages show of it. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { describe, test } from 'node:test'
import { parse, parseAllDocuments } from 'yaml'
import { advice } from '../../src/config/advice/advice.ts'
import { loadConfig, parseConfig } from '../../src/config/config.ts'
import { contentOf, ROOT } from './files.ts'

const FOLDER = 'examples/agentic-sessions'
const GUIDE = 'docs/guides/brokered-resources.md'

interface Rule {
  readonly apiGroups: readonly string[]
  readonly resources: readonly string[]
  readonly verbs: readonly string[]
}
interface Seed {
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string }
  readonly rules?: readonly Rule[]
}

const seedsOf = (file: string) => parseAllDocuments(contentOf(`${FOLDER}/${file}`)).map((document): Seed => document.toJS())
const load = async () => {
  const { brokered } = await loadConfig(`${ROOT}/${FOLDER}/mandate.yaml`)
  return brokered['sessions'] ?? assert.fail()
}

/** What a role allows, as `create agenticsessions`. */
function allowedBy(seeds: readonly Seed[], name: string): string[] {
  const rules = seeds.flatMap(({ kind, metadata, rules = [] }) => (kind === 'Role' && metadata.name === name ? rules : []))
  return rules.flatMap(({ resources, verbs }) => resources.flatMap((resource) => verbs.map((verb) => `${verb} ${resource}`))).sort()
}

describe('examples/agentic-sessions', () => {
  test('mandate.yaml loads, and is unwise where it means to be', async () => {
    const found = advice(await loadConfig(`${ROOT}/${FOLDER}/mandate.yaml`))
    const at = 'brokered.sessions.operations'
    assert.deepEqual(
      found.map(({ path }) => path),
      [
        'store.memory',
        'clusters.prod.as.passThroughOpen',
        `${at}.3.writes.1.review`,
        `${at}.3.writes.2.review`,
        `${at}.3.writes.2.into.review`,
        `${at}.4.writes.0.review`,
        `${at}.5.writes.0.review`,
      ],
    )
  })

  test('mandate.yaml is about a page', () => {
    assert.ok(contentOf(`${FOLDER}/mandate.yaml`).split('\n').length <= 125)
  })

  test('mandate-account.yaml ends with what the command prints', () => {
    const [, command = ''] = /^# {3}(mandate rbac .*)$/m.exec(contentOf(`${FOLDER}/mandate-account.yaml`)) ?? []
    const args = command.split(' ').slice(1)
    const printed = execFileSync(process.execPath, [`${ROOT}/src/main.ts`, ...args], {
      cwd: `${ROOT}/${FOLDER}`,
      encoding: 'utf8',
      timeout: 30_000,
    })
    assert.ok(printed.length > 500)
    assert.ok(contentOf(`${FOLDER}/mandate-account.yaml`).endsWith(`---\n${printed}`), 'run the command that its first lines name')
  })

  test('mandate-account.yaml has the namespaces of the configuration, and of the account', async () => {
    const { namespaces, cleanup } = await load()
    const made = seedsOf('mandate-account.yaml').flatMap(({ kind, metadata }) => (kind === 'Namespace' ? [metadata.name] : []))
    assert.deepEqual(made, [cleanup?.lease.namespace, ...namespaces])
  })

  test('users.yaml gives each right that an operation reviews, and no right to what the service writes for them', async () => {
    const { kinds, operations } = await load()
    const resourceOf = (kind: string) => kinds[kind]?.resource ?? assert.fail()
    const reviewed = operations.flatMap(({ asUser, writes = [] }) => [
      ...(asUser === undefined
        ? []
        : [`${asUser.do} ${resourceOf(asUser.kind)}`, ...(asUser.watch ? [`watch ${resourceOf(asUser.kind)}`] : [])]),
      ...writes.flatMap((step) => {
        const own = step.do === 'token' ? undefined : `${step.do} ${resourceOf(step.kind)}`
        const reviews = [step.review, ...(step.do === 'token' ? [step.into?.review] : [])]
        return reviews.map((review) => (review === undefined ? own : `${review.verb} ${resourceOf(review.kind)}`))
      }),
    ])
    const seeds = seedsOf('users.yaml')
    assert.deepEqual(allowedBy(seeds, 'sessions-use'), [...new Set([...reviewed, 'get jobs'])].sort())
    assert.deepEqual(allowedBy(seeds, 'sessions-view'), ['get agenticsessions', 'list agenticsessions', 'watch agenticsessions'])
    assert.deepEqual(allowedBy(seeds, 'runner'), ['get agenticsessions', 'patch agenticsessions/status'])
  })

  test('crd.yaml takes what the body may hold', async () => {
    const { kinds, operations } = await load()
    const crd = parse(contentOf(`${FOLDER}/crd.yaml`))
    const { group, version, resource, kind } = kinds['session'] ?? assert.fail()
    assert.deepEqual([crd.spec.group, crd.spec.names.plural, crd.spec.names.kind], [group, resource, kind])
    assert.equal(crd.spec.versions[0].name, version)
    const { properties } = crd.spec.versions[0].schema.openAPIV3Schema.properties.spec
    const body = operations.find(({ name }) => name === 'create')?.body?.['properties'] as Record<string, Record<string, unknown>>
    for (const [name, { pattern: _pattern, ...bounds }] of Object.entries(body)) assert.deepEqual(bounds, properties[name], name)
  })

  test('what the walk-through asks for is an operation', async () => {
    const { operations } = await load()
    const asked = [...contentOf(`${FOLDER}/README.md`).matchAll(/https:\/\/mandate\.example(\/[^"\s]*)/g)].map(([, path = '']) => path)
    const declared = operations.map(({ match }) => new RegExp(`^${match.path.replaceAll(/\{\w+\}/g, '[^/]+')}$`))
    assert.ok(asked.length >= 15)
    for (const path of asked)
      assert.ok(
        declared.some((operation) => operation.test(path)),
        path,
      )
  })
})

describe('the guide to brokered resources', () => {
  const blocks = [...contentOf(GUIDE).matchAll(/^```yaml\n([\s\S]*?)^```/gm)].map(([, block = '']) => parse(block))

  test('shows brokers and operations that load', () => {
    assert.ok(blocks.length >= 6)
    const whole = parse(contentOf(`${FOLDER}/mandate.yaml`))
    const { sessions } = whole.brokered
    for (const block of blocks) {
      const operations = Array.isArray(block) ? block : undefined
      const broker = operations === undefined ? { ...sessions, ...block } : { ...sessions, cleanup: undefined, operations }
      const brokered = 'brokered' in block ? block.brokered : { sessions: broker }
      assert.doesNotThrow(() => parseConfig(JSON.stringify({ ...whole, brokered })), JSON.stringify(block))
    }
  })

  test('names each key of a broker', async () => {
    const guide = contentOf(GUIDE)
    for (const key of Object.keys(await load())) {
      if (key !== 'name') assert.match(guide, new RegExp(`\\b${key}\\b`), key)
    }
  })
})
