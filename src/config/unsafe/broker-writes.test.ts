import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { broker, creates, mints, operated, problemsOf, reading, writing } from '../broker.fake.ts'

const HERE = 'operations.0.writes.0'
const stepOf = (step: unknown, ofBroker: Readonly<Record<string, unknown>> = {}) => problemsOf(writing([step], ofBroker))
const deletes = (changes: object = {}) => ({ do: 'delete', kind: 'thing', namespace: 'one', name: 'it', ...changes })
const kindOf = (group: string, resource: string, more: object = {}) => ({
  kinds: { it: { group, version: 'v1', resource, kind: 'It', ...more } },
})

describe('refuses a place', () => {
  test('of a kind that is not configured', () => {
    assert.deepEqual(stepOf(creates({ kind: 'constructor' })), [`${HERE}.kind | is not one of kinds`])
    assert.deepEqual(problemsOf(broker({ operations: [reading({ do: 'list', kind: 'no' })] })), [
      'operations.0.asUser.kind | is not one of kinds',
    ])
    const given = { owner: { kind: 'no', namespace: 'one', name: 'a' } }
    assert.deepEqual(problemsOf(operated({ given })), ['operations.0.given.owner.kind | is not one of kinds'])
  })
  test('without a namespace for a kind in namespaces, and with one for another', () => {
    assert.deepEqual(stepOf(creates({ namespace: undefined })), [`${HERE}.namespace | is missing`])
    assert.deepEqual(stepOf(creates({ kind: 'global' })), [`${HERE}.namespace | stands by a kind that is in no namespace`])
    assert.deepEqual(problemsOf(broker({ operations: [reading({ do: 'list', namespace: undefined })] })), [
      'operations.0.asUser.namespace | is missing',
    ])
    assert.deepEqual(stepOf(creates({ kind: 'global', namespace: undefined })), [])
  })
  test('in a namespace that is not listed, or is none', () => {
    assert.deepEqual(stepOf(creates({ namespace: 'three' })), [`${HERE}.namespace | is not one of namespaces`])
    assert.deepEqual(stepOf(mints({ namespace: 'three' }))[0], `${HERE}.namespace | is not one of namespaces`)
    assert.deepEqual(stepOf(creates({ namespace: 'One' })), [`${HERE}.namespace | is no name that a namespace can have`])
    assert.deepEqual(stepOf(creates({ namespace: 'three' }), { namespaces: '*' }), [])
  })
  test("in a namespace of the cluster's own parts", () => {
    const system = `${HERE}.namespace | is a namespace of the cluster's own parts, which is on the deny-list`
    for (const namespace of ['kube-system', 'kube-public', 'openshift-etcd'])
      assert.deepEqual(stepOf(creates({ namespace }), { namespaces: '*' }), [system])
    assert.deepEqual(stepOf(creates({ namespace: 'kube-system' }), { namespaces: '*', deniedOpen: ['system-namespaces'] }), [])
    assert.deepEqual(stepOf(creates({ namespace: 'kube-system' }), { deniedOpen: ['system-namespaces'] }), [
      `${HERE}.namespace | is not one of namespaces`,
    ])
    const namespaces = kindOf('', 'namespaces', { namespaced: false })
    assert.deepEqual(stepOf(deletes({ kind: 'it', namespace: undefined, name: 'kube-system' }), namespaces), [
      `${HERE}.name | is a namespace of the cluster's own parts, which is on the deny-list`,
    ])
  })
  test('that is a namespace as an object, and is not listed', () => {
    for (const [group, resource] of [
      ['', 'namespaces'],
      ['project.openshift.io', 'projects'],
    ] as const) {
      const kinds = kindOf(group, resource, { namespaced: false })
      const named = (name: unknown, more: object = {}) => stepOf(deletes({ kind: 'it', namespace: undefined, name }), { ...kinds, ...more })
      assert.deepEqual(named('three'), [`${HERE}.name | is not one of namespaces`])
      assert.deepEqual(named('openshift'), [`${HERE}.name | is a namespace of the cluster's own parts, which is on the deny-list`])
      assert.deepEqual(named('three', { namespaces: '*' }), [])
      for (const name of ['one', { cel: 'path.thing' }]) assert.deepEqual(named(name), [])
      const asUser = { do: 'get', kind: 'it', namespace: undefined, name: 'three' }
      assert.deepEqual(problemsOf(broker({ ...kinds, operations: [reading(asUser)] })), [
        'operations.0.asUser.name | is not one of namespaces',
      ])
    }
  })
  test('with a name that no object can have', () => {
    for (const name of ['a/b', '..', 'A', 'a b', 'a'.repeat(254), 'a\u202e'])
      assert.deepEqual(stepOf(creates({ name })), [`${HERE}.name | is no name that an object can have`])
  })
})

describe('refuses a review', () => {
  const reviewed = (review: object, step: object = creates()) => stepOf({ ...step, review: { verb: 'create', kind: 'thing', ...review } })
  test('of a kind that is not configured, or lies elsewhere than the write', () => {
    assert.deepEqual(reviewed({ kind: 'no' }), [`${HERE}.review.kind | is not one of kinds`])
    assert.deepEqual(reviewed({ kind: 'global' }), [`${HERE}.review.kind | is in no namespace and what is written is in one`])
    assert.deepEqual(reviewed({}, creates({ kind: 'global', namespace: undefined })), [
      `${HERE}.review.kind | is in namespaces and what is written is not`,
    ])
    assert.deepEqual(reviewed({ kind: 'global' }, mints()), [`${HERE}.review.kind | is in no namespace and what is written is in one`])
    const into = { secret: 'token', key: 'token', ownedBy: 'owner', review: { verb: 'create', kind: 'global' } }
    assert.deepEqual(stepOf(mints({ into })), [`${HERE}.into.review.kind | is in no namespace and what is written is in one`])
  })
  test('of one object that is not named', () => {
    for (const verb of ['get', 'update', 'patch', 'delete']) assert.deepEqual(reviewed({ verb }), [`${HERE}.review.name | is missing`])
    assert.deepEqual(reviewed({ subresource: 'scale' }), [`${HERE}.review.name | is missing`])
  })
  test('with a name that nobody looks at', () => {
    for (const verb of ['create', 'list', 'watch', 'deletecollection'])
      assert.deepEqual(reviewed({ verb, name: 'it' }), [`${HERE}.review.name | is looked at by no review of ${verb}`])
  })
  test('of nodes/proxy', () => {
    const nodes = { kinds: { node: { version: 'v1', resource: 'nodes', kind: 'Node', namespaced: false } } }
    const review = { verb: 'get', kind: 'node', subresource: 'proxy', name: 'a' }
    const step = creates({ kind: 'global', namespace: undefined, review })
    assert.deepEqual(stepOf(step, nodes), [`${HERE}.review.subresource | is nodes/proxy, which is on the deny-list`])
    assert.deepEqual(stepOf(step, { ...nodes, deniedOpen: ['nodes/proxy'] }), [])
  })
  test('of what is granted to everybody', () => {
    for (const group of ['authorization.k8s.io', 'authentication.k8s.io']) {
      const step = creates({ kind: 'global', namespace: undefined, review: { verb: 'create', kind: 'it' } })
      assert.deepEqual(stepOf(step, kindOf(group, 'selfsubjectreviews', { namespaced: false })), [
        `${HERE}.review.kind | is of ${group}, which is granted to everybody`,
      ])
    }
  })
  test('and takes verbs of any name, with an object or without', () => {
    for (const review of [
      {},
      { verb: 'bind' },
      { verb: 'escalate', name: 'it' },
      { verb: 'launch' },
      { verb: 'update', name: { cel: 'path.thing' } },
    ])
      assert.deepEqual(reviewed(review), [])
    assert.deepEqual(reviewed({ subresource: 'scale', name: 'it' }), [])
  })
})

describe('refuses a step', () => {
  test('by the name of another, or of what was read', () => {
    const steps = [creates({ as: 'one' }), creates({ as: 'one', name: 'b' }), creates({ as: 'owner', name: 'c' })]
    assert.deepEqual(problemsOf(writing(steps)), [
      'operations.0.writes.1.as | is the name of an earlier step as well',
      'operations.0.writes.2.as | is the name of one of given as well',
    ])
  })
  test('owned by what is not there, or leaves no object', () => {
    const neither = 'ownedBy | names neither an earlier step nor one of given'
    assert.deepEqual(stepOf(creates({ ownedBy: 'no' })), [`${HERE}.${neither}`])
    assert.deepEqual(stepOf(creates({ as: 'it', ownedBy: 'it' })), [`${HERE}.${neither}`])
    assert.deepEqual(stepOf(mints({ into: { secret: 's', key: 'k', ownedBy: 'no' } })), [`${HERE}.into.${neither}`])
    const leavesNone = 'operations.0.writes.1.ownedBy | names a step that leaves no object'
    for (const first of [mints({ as: 'first' }), deletes({ as: 'first' })])
      assert.deepEqual(problemsOf(writing([first, creates({ ownedBy: 'first' })])), [leavesNone])
  })
  test('that mints a token for nobody', () => {
    assert.deepEqual(stepOf(mints({ into: undefined })), [`${HERE} | is a token that goes nowhere`])
    assert.deepEqual(stepOf(mints({ into: undefined, inAnswerOpen: true })), [])
    assert.deepEqual(stepOf(mints()), [])
  })
  test('whose Secret outlives an owner in another namespace', () => {
    const elsewhere = 'ownedBy | is in another namespace, so that cleaning up after it would read Secrets, which is on the deny-list'
    assert.deepEqual(stepOf(mints({ namespace: 'two' })), [`${HERE}.into.${elsewhere}`])
    assert.deepEqual(stepOf(mints({ namespace: { cel: 'path.thing' } })), [`${HERE}.into.${elsewhere}`])
    assert.deepEqual(stepOf(mints({ namespace: 'two' }), { deniedOpen: ['secrets'] }), [])
  })
  test('and takes owners that came before', () => {
    assert.deepEqual(
      problemsOf(writing([creates({ as: 'a', ownedBy: 'owner' }), creates({ name: 'b', namespace: 'two', ownedBy: 'a' })])),
      [],
    )
  })
})

describe('refuses what is on the deny-list', () => {
  const secret = { kind: 'secret', name: 'it' }
  test('Secrets that are read as the user, or deleted, which may answer with them', () => {
    const read = 'operations.0.asUser.kind | is a read of Secrets, which is on the deny-list'
    for (const [asUser, method] of [
      [{ ...secret, do: 'get' }, 'GET'],
      [{ kind: 'secret', do: 'list' }, 'GET'],
      [{ ...secret, do: 'delete' }, 'DELETE'],
    ] as const) {
      assert.deepEqual(problemsOf(broker({ operations: [reading(asUser, method)] })), [read])
      assert.deepEqual(problemsOf(broker({ operations: [reading(asUser, method)], deniedOpen: ['secrets'] })), [])
    }
    const given = { owner: { ...secret, namespace: 'one' } }
    assert.deepEqual(problemsOf(operated({ given })), ['operations.0.given.owner.kind | is a read of Secrets, which is on the deny-list'])
  })
  test('Secrets that a change would answer with', () => {
    const shown = `${HERE}.kind | is of Secrets, and the answer to a change is a read of the whole, which is on the deny-list`
    const rightsOpen = ['secrets']
    const patch = { ...deletes(secret), do: 'patch', patch: {} }
    assert.deepEqual(stepOf(patch, { rightsOpen }), [shown])
    assert.deepEqual(stepOf(creates({ ...secret, do: 'apply' }), { rightsOpen }), [shown])
    assert.deepEqual(stepOf(patch, { rightsOpen, deniedOpen: ['secrets'] }), [])
    assert.deepEqual(stepOf(creates(secret), { rightsOpen }), [])
  })
  test('Secrets that are deleted, and so looked at before', () => {
    const rightsOpen = ['secrets']
    assert.deepEqual(stepOf(deletes(secret), { rightsOpen }), [
      `${HERE}.kind | is of Secrets, and what is deleted is read before, which is on the deny-list`,
    ])
    assert.deepEqual(stepOf(deletes(secret), { rightsOpen, deniedOpen: ['secrets'] }), [])
  })
  test('roles and bindings by the names of OpenShift', () => {
    for (const resource of ['roles', 'rolebindings']) {
      const [first] = stepOf(creates({ kind: 'it' }), kindOf('authorization.openshift.io', resource))
      assert.equal(first, `${HERE}.kind | is of authorization.openshift.io, which is on the deny-list`)
    }
  })
  test('roles and bindings, lifted and opened both', () => {
    const role = kindOf('rbac.authorization.k8s.io', 'roles')
    const denied = `${HERE}.kind | is of rbac.authorization.k8s.io, which is on the deny-list`
    const away = `${HERE}.kind | gives rights or secrets away to whoever has it written`
    const step = creates({ kind: 'it' })
    assert.deepEqual(stepOf(step, role), [denied, away])
    assert.deepEqual(stepOf(step, { ...role, deniedOpen: ['rbac'] }), [away])
    assert.deepEqual(stepOf(step, { ...role, rightsOpen: ['roles.rbac.authorization.k8s.io'] }), [denied])
    assert.deepEqual(stepOf(step, { ...role, deniedOpen: ['rbac'], rightsOpen: ['roles.rbac.authorization.k8s.io'] }), [])
  })
})

describe('refuses a kind that gives rights or secrets away', () => {
  const away = `${HERE}.kind | gives rights or secrets away to whoever has it written`
  const requests = kindOf('certificates.k8s.io', 'certificatesigningrequests', { namespaced: false })
  test('unless it is opened by its name', () => {
    assert.deepEqual(stepOf(creates({ kind: 'secret' })), [away])
    assert.deepEqual(stepOf(deletes({ kind: 'secret' }), { deniedOpen: ['secrets'] }), [away])
    assert.deepEqual(stepOf(creates({ kind: 'it', namespace: undefined }), requests), [away])
  })
  test('and its status unless that is opened', () => {
    const step = { do: 'status', kind: 'it', name: 'a', status: {} }
    assert.deepEqual(stepOf(step, requests), [away])
    const [whole, status] = ['certificatesigningrequests.certificates.k8s.io', 'certificatesigningrequests.certificates.k8s.io/status']
    assert.deepEqual(stepOf(step, { ...requests, rightsOpen: [whole] }), ['rightsOpen.0 | is written by no operation', away])
    assert.deepEqual(stepOf(step, { ...requests, rightsOpen: [status] }), [])
  })
  test('but no token step, which says so by itself', () => {
    assert.deepEqual(stepOf(mints()), [])
    assert.deepEqual(stepOf(mints(), { rightsOpen: ['serviceaccounts/token', 'secrets'] }), [])
    assert.deepEqual(stepOf(mints({ into: undefined, inAnswerOpen: true }), { rightsOpen: ['secrets'] }), [
      'rightsOpen.0 | is written by no operation',
    ])
  })
})
