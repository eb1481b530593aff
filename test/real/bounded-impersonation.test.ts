/**
 * The broker's account bounded by constrained impersonation (KEP-5284, Kubernetes 1.36) and resourceNames: what it may do
 * as whom is less than what they may do themselves.
 */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setStage } from '../journeys/stage.ts'
import { ALICE, BOB, type StartWorld } from '../journeys/world.ts'
import { temporaryFolder } from './parts/process.ts'
import { apply, tokenOf } from './seeding.ts'
import { realParts } from './world.ts'

const RBAC = 'rbac.authorization.k8s.io'
const ACCOUNT = { namespace: 'mandate', name: 'bounded' }

const role = (name: string, rules: readonly object[]) => [
  { apiVersion: `${RBAC}/v1`, kind: 'ClusterRole', metadata: { name }, rules },
  {
    apiVersion: `${RBAC}/v1`,
    kind: 'ClusterRoleBinding',
    metadata: { name },
    roleRef: { apiGroup: RBAC, kind: 'ClusterRole', name },
    subjects: [{ kind: 'ServiceAccount', ...ACCOUNT }],
  },
]

const named = (resource: string, ...resourceNames: string[]) => ({
  apiGroups: ['authentication.k8s.io'],
  resources: [resource],
  ...(resourceNames.length === 0 ? {} : { resourceNames }),
  verbs: ['impersonate:user-info'],
})

/** Alice in her team, or dora in hers; pods and config maps, and only to look at them. */
const RIGHTS = [
  { apiVersion: 'v1', kind: 'ServiceAccount', metadata: ACCOUNT },
  ...role('bounded-who', [
    named('users', 'corp:alice', 'corp:dora'),
    named('groups', 'corp:team-a'),
    named('uids'),
    named('userextras/mandate.dev/provider'),
    named('userextras/mandate.dev/subject'),
  ]),
  ...role('bounded-what', [
    {
      apiGroups: [''],
      resources: ['pods', 'configmaps'],
      verbs: ['get', 'list', 'watch'].map((verb) => `impersonate-on:user-info:${verb}`),
    },
  ]),
]

test('an account that may impersonate little carries those rights and no more', { timeout: 120_000 }, async (t) => {
  const folder = await temporaryFolder('bounded')
  t.after(() => folder.remove())
  const token = join(folder.path, 'token')
  const start: StartWorld = async (options) => {
    const world = await realParts(options)
    const { ask } = world.parts.kubernetes
    await apply(ask, RIGHTS)
    await writeFile(token, await tokenOf(ask, ACCOUNT), { mode: 0o600 })
    return world
  }
  // Dora is in a group that the account may not name.
  const dora = { ...ALICE, name: 'dora', sub: 'dora', groups: ['team-a', 'admins'] }
  const stage = await setStage(t, start, {
    issuer: { users: [ALICE, BOB, dora] },
    configure({ clusters }) {
      clusters['bounded'] = { ...clusters['named'], as: { kind: 'impersonate', token: { file: token } } }
    },
  })
  const asked = async (who: string, path: string) =>
    (await stage.browser(who)).get(`${stage.origin}/clusters/bounded/api/v1/namespaces/${path}`)

  assert.equal((await asked('alice', 'team-a/pods')).status, 200)
  assert.equal((await asked('alice', 'team-a/configmaps/settings')).status, 200)
  const refusals: ReadonlyArray<readonly [who: string, path: string, words: RegExp]> = [
    ['alice', 'team-b/pods', /User \\"corp:alice\\" cannot list resource \\"pods\\"/],
    ['alice', 'team-a/secrets', /cannot impersonate-on:user-info:list resource \\"secrets\\"/],
    ['bob', 'team-b/pods', /\\"corp:bob\\" is forbidden/],
    ['dora', 'team-a/pods', /\\"corp:admins\\" is forbidden/],
  ]
  for (const [who, path, words] of refusals) {
    const { status, body } = await asked(who, path)
    assert.equal(status, 403, body)
    assert.match(body, words)
  }
})
