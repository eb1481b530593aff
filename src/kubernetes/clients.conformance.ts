/** What the clients are on anything that calls itself a Kubernetes API: rights of users, proofs, the service account. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type MemorySink, memorySink } from '../audit/audit-sink.fake.ts'
import { bearerCredential, impersonationCredential } from '../credential.ts'
import { Api, type ConformanceTarget, configMaps } from '../dev/kubernetes/conformance/api-client.ts'
import { at, type JsonObject } from '../dev/kubernetes/object.ts'
import { Secret } from '../secret.ts'
import { type ApiServer, createApiServer } from './api-server.ts'
import { ApiStatus } from './api-status.ts'
import type { KubernetesObject } from './kubernetes-object.ts'
import { createOwnWork } from './own-work.ts'
import type { Action, ReviewedAction } from './reviewed-action.ts'
import { type ServiceAccountClient, type ServiceAccountOptions, serviceAccountClient } from './service-account-client.ts'
import { type UserClient, userClient, userClientFromAuthorization } from './user-client.ts'

const RBAC = '/apis/rbac.authorization.k8s.io/v1'
const roles = (namespace: string) => `${RBAC}/namespaces/${namespace}/roles`
const bindings = (namespace: string) => `${RBAC}/namespaces/${namespace}/rolebindings`

/** A refusal of ours by its code; every failed assertion about rights goes through here, and looks for tokens. */
const refusal =
  (code: string, ...tokens: readonly string[]) =>
  (error: unknown) => {
    assert.ok(error instanceof Error && 'code' in error, String(error))
    assert.equal(error.code, code, error.message)
    const said = `${error.stack}${JSON.stringify(error)}`
    for (const token of tokens) assert.ok(!said.includes(token), 'a refusal quotes a token')
    return true
  }
const status = (wanted: number) => (error: unknown) => {
  assert.ok(error instanceof ApiStatus, String(error))
  assert.equal(error.status, wanted, error.said)
  return true
}

/** Makes a deployment, which somebody else's status is about. */
async function deploymentOf(api: Api, namespace: string): Promise<string> {
  const [name, labels] = [api.name('deployment'), { app: 'example' }]
  const template = { metadata: { labels }, spec: { containers: [{ name: 'main', image: 'example' }] } }
  const spec = { selector: { matchLabels: labels }, template }
  const { status, text } = await api.post(`/apis/apps/v1/namespaces/${namespace}/deployments`, { metadata: { name }, spec })
  assert.equal(status, 201, text)
  return name
}

export interface Extent {
  /** Whether the server has admission policies, and holds who binds one to their own right to read its parameters. */
  readonly holdsAuthors: boolean
}

export function clientsConformance(name: string, start: () => Promise<ConformanceTarget>, { holdsAuthors }: Extent): void {
  describe(name, { concurrency: 2 }, () => {
    let api: Api
    let server: ApiServer
    let audit: MemorySink
    let account: ServiceAccountClient
    let accountOptions: ServiceAccountOptions
    let accountToken = ''
    /** Alice may work with config maps of the namespace, Bob may only look at them. */
    let namespace = ''
    let elsewhere = ''
    let alice: UserClient
    let aliceToken = ''
    let bob: UserClient

    const bearer = (token: string) => userClient(server, bearerCredential(new Secret(token), Number.POSITIVE_INFINITY))
    const grant = async (where: string, user: string, rules: JsonObject[]) => {
      const role = api.name('role')
      const [made, bound] = [
        await api.post(roles(where), { metadata: { name: role }, rules }),
        await api.post(bindings(where), {
          metadata: { name: role },
          roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: role },
          subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: user }],
        }),
      ]
      assert.deepEqual([made.status, bound.status], [201, 201], made.text + bound.text)
    }
    const configMap = (configMapName: string, changes: object = {}): KubernetesObject => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: configMapName, ...changes },
      data: { k: 'v' },
    })
    const maps = (where = namespace) => ({ group: '', version: 'v1', resource: 'configmaps', namespace: where })
    const action = (verb: string, objectName: string, changes: Partial<Action> = {}): Action => ({
      verb,
      group: '',
      version: 'v1',
      resource: 'configmaps',
      namespace,
      name: objectName,
      ...changes,
    })
    const proofOf = async (user: UserClient, wanted: Action): Promise<ReviewedAction> => {
      const review = await user.review(wanted)
      assert.ok(review.allowed, JSON.stringify(wanted))
      return review.proof
    }
    /** Repeats until a real server has learned of new roles. */
    const untilAllowed = async (user: UserClient, wanted: Action) => {
      for (let tries = 0; !(await user.review(wanted)).allowed; tries += 1) {
        assert.ok(tries < 100, 'roles are not in force')
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    }

    before(async () => {
      api = new Api(await start())
      const { url, ca } = api.target
      server = createApiServer({ origin: url, ...(ca === undefined ? {} : { ca: () => ca }) })
      ;[namespace, elsewhere] = [await api.namespace(), await api.namespace()]
      const [aliceName, bobName, accountName] = [api.name('alice'), api.name('bob'), api.name('backend')]
      aliceToken = await api.target.userToken(aliceName, [])
      accountToken = await api.target.userToken(accountName, [])
      alice = bearer(aliceToken)
      bob = bearer(await api.target.userToken(bobName, []))
      const everything = { apiGroups: ['', 'rbac.authorization.k8s.io'], verbs: ['*'] }
      await grant(namespace, aliceName, [
        { apiGroups: [''], resources: ['configmaps'], verbs: ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete'] },
        { apiGroups: [''], resources: ['serviceaccounts/token', 'secrets'], verbs: ['create'] },
        { apiGroups: ['rbac.authorization.k8s.io'], resources: ['rolebindings'], verbs: ['create'] },
        { apiGroups: ['batch'], resources: ['jobs'], verbs: ['create'] },
        { apiGroups: ['apps'], resources: ['deployments/status'], verbs: ['update', 'patch'] },
        { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['update', 'patch'] },
      ])
      // A right to create that is bound to a name is none: the API server knows no name when it decides on a create.
      await grant(namespace, bobName, [
        { apiGroups: [''], resources: ['configmaps'], verbs: ['get', 'list'] },
        { apiGroups: [''], resources: ['configmaps'], resourceNames: ['named'], verbs: ['create', 'delete'] },
      ])
      for (const where of [namespace, elsewhere]) {
        await grant(where, accountName, [
          { ...everything, resources: ['configmaps', 'serviceaccounts/token', 'secrets', 'rolebindings'] },
          { apiGroups: ['batch', 'apps'], resources: ['jobs', 'deployments/status'], verbs: ['*'] },
          { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['*'] },
        ])
      }
      audit = memorySink()
      accountOptions = {
        token: { read: () => new Secret(accountToken) },
        audit,
        resource: 'cluster/test',
        mayWrite: ['configmaps', 'serviceaccounts/token', 'jobs.batch', 'deployments.apps/status', 'leases.coordination.k8s.io'],
        rightsOpen: ['serviceaccounts/token'],
      }
      account = serviceAccountClient(server, accountOptions)
      await untilAllowed(alice, { verb: 'update', group: 'coordination.k8s.io', version: 'v1', resource: 'leases', namespace, name: 'x' })
      await untilAllowed(bob, action('delete', 'named'))
      for (const where of [namespace, elsewhere]) {
        await untilAllowed(bearer(accountToken), {
          verb: 'create',
          group: 'coordination.k8s.io',
          version: 'v1',
          resource: 'leases',
          namespace: where,
        })
      }
    })
    after(async () => {
      if (api === undefined) return
      await server?.close()
      for (const where of [namespace, elsewhere]) if (where !== '') await api.drop(where)
      await api.target.close()
    })

    describe('a user', () => {
      test('refuses a token that nobody issued, and tells it to nobody', async () => {
        const stranger = userClientFromAuthorization(server, 'Bearer c3RyYW5nZXI.not-issued')
        for (const ask of [
          () => stranger.get({ ...maps(), name: 'x' }),
          () => stranger.list(maps()),
          () => stranger.selfReview(),
          () => stranger.review(action('create', 'x')),
          () => stranger.watch(maps()).next(),
        ]) {
          await assert.rejects(ask, refusal('credential_refused', 'c3RyYW5nZXI'))
        }
      })

      test('refuses what the user has no right to, whoever else has it', async () => {
        for (const ask of [
          () => alice.list(maps(elsewhere)),
          () => bob.delete({ ...maps(), name: 'other' }),
          () => bob.create(maps(), configMap('named')),
          () => alice.watch(maps(elsewhere)).next(),
        ]) {
          await assert.rejects(ask, refusal('not_permitted', aliceToken))
        }
      })

      test('reads, writes and deletes with their own rights, without any proof', async () => {
        const mapName = api.name('own')
        const made = await alice.create(maps(), configMap(mapName))
        assert.equal(made.metadata.name, mapName)
        await assert.rejects(() => alice.create(maps(), configMap(mapName)), status(409))
        const named = { ...maps(), name: mapName }
        assert.deepEqual((await alice.patch(named, { data: { k: 'w' } }))['data'], { k: 'w' })
        assert.deepEqual((await alice.patch(named, [{ op: 'add', path: '/data/l', value: 'x' }]))['data'], { k: 'w', l: 'x' })
        assert.deepEqual((await bob.get(named))['data'], { k: 'w', l: 'x' })
        const applied = await alice.apply(named, { ...configMap(mapName), data: { m: 'y' } }, 'test')
        assert.equal((applied['data'] as JsonObject)['m'], 'y')
        assert.deepEqual((await alice.update(named, { ...applied, data: {} }))['data'], undefined)
        await assert.rejects(() => alice.delete(named, { uid: '5d0c9a2e-0000-4000-8000-000000000000' }), status(409))
        await alice.delete(named, made.metadata.uid === undefined ? {} : { uid: made.metadata.uid })
        await assert.rejects(() => bob.get(named), status(404))
      })

      test('lists page by page, and watches from there', async () => {
        const label = api.name('page')
        for (let i = 0; i < 5; i += 1) await api.configMap(namespace, `${label}-${i}`, {}, { page: label })
        const labelSelector = `page=${label}`
        const page = await bob.list(maps(), { labelSelector, limit: 2 })
        assert.equal(page.items.length, 2)
        assert.equal(typeof page.continue, 'string')
        const names: unknown[] = []
        for await (const item of bob.items(maps(), { labelSelector, limit: 2 })) names.push([item.kind, item.metadata.name])
        assert.deepEqual(
          names,
          [0, 1, 2, 3, 4].map((i) => ['ConfigMap', `${label}-${i}`]),
        )
        const abort = new AbortController()
        const { resourceVersion } = await alice.list(maps(), { labelSelector })
        const watch = alice.watch(maps(), { labelSelector, resourceVersion, signal: abort.signal })
        const first = watch.next()
        await api.configMap(namespace, `${label}-5`, {}, { page: label })
        const { value } = await first
        assert.deepEqual([value?.type, value?.object.metadata.name], ['ADDED', `${label}-5`])
        const end = watch.next()
        abort.abort()
        await assert.rejects(end, { name: 'AbortError' })
      })

      test('is whom the credential names, with each group for itself', async () => {
        assert.match((await alice.selfReview()).username, /^alice-/)
        const as = impersonationCredential({
          broker: new Secret(api.target.adminToken),
          user: 'carol',
          uid: 'u-1',
          groups: ['dev', 'ops'],
          extra: [],
          expiresAt: Number.POSITIVE_INFINITY,
        })
        const { username, uid, groups } = await userClient(server, as).selfReview()
        assert.deepEqual([username, uid, groups], ['carol', 'u-1', ['dev', 'ops', 'system:authenticated']])
        assert.deepEqual((await userClient(server, as).review(action('get', 'x'))).allowed, false)
      })
    })

    describe('a review', () => {
      test('denies what the user may not do', async () => {
        for (const wanted of [
          action('create', 'x', { namespace: elsewhere }),
          action('update', 'x'),
          action('create', ''),
          action('delete', 'x'),
        ]) {
          const { allowed } = await bob.review(wanted)
          assert.equal(allowed, false, JSON.stringify(wanted))
        }
      })

      test('denies a create whose right is bound to a name, as the API server itself does', async () => {
        assert.equal((await bob.review(action('create', 'named'))).allowed, false)
        assert.equal((await bob.review(action('delete', 'named'))).allowed, true)
      })

      test('refuses a question that is two: a delete without a name, a list with one', async () => {
        for (const wanted of [action('delete', ''), action('list', 'x'), action('get', '../x'), action('update', 'a/b')]) {
          await assert.rejects(() => alice.review(wanted), refusal('path_ambiguous'))
        }
      })
    })

    describe('the service account', () => {
      /** What must not be done: a proof for something else, and what is asked for with it. */
      const absent = async (objectName: string, where = namespace) =>
        assert.equal((await api.get(configMaps(where, objectName))).status, 404, `${objectName} was made`)

      test('refuses an object with another name, namespace, group, version or no name', async () => {
        const mapName = api.name('exact')
        const wrong: ReadonlyArray<readonly [object: KubernetesObject, why: RegExp]> = [
          [configMap(`${mapName}-other`), /another name/],
          [configMap(mapName, { namespace: elsewhere }), /another namespace/],
          [{ ...configMap(mapName), apiVersion: 'apps/v1' }, /another group/],
          [{ ...configMap(mapName), apiVersion: 'v1/v1/v1' }, /another group/],
          [{ ...configMap(mapName), apiVersion: 'v2' }, /another group or version/],
          [{ ...configMap(mapName), apiVersion: '/v1' }, /another group or version/],
          [{ ...configMap(mapName), toJSON: () => configMap(`${mapName}-other`) }, /another name/],
          [{ ...configMap(''), metadata: { generateName: mapName } }, /another name/],
          [configMap(mapName, { generateName: 'x-' }), /no name of its own/],
          [{ ...configMap(mapName), apiVersion: '../v1' }, /another group/],
        ]
        for (const [object, why] of wrong) {
          const proof = await proofOf(alice, action('create', mapName))
          await assert.rejects(
            () => account.create(proof, object),
            (error) => refusal('proof_refused')(error) && why.test(String(error)),
          )
        }
        const proof = await proofOf(alice, action('create', ''))
        await assert.rejects(() => account.create(proof, configMap(mapName)), refusal('proof_refused'))
        await absent(mapName)
        await absent(mapName, elsewhere)
      })

      test('refuses a proof for another verb, resource, group or subresource', async () => {
        const made = await api.configMap(namespace, api.name('other'))
        const mapName = String(at(made, 'metadata', 'name'))
        const object = configMap(mapName, { uid: String(at(made, 'metadata', 'uid')) })
        const proof = () => proofOf(alice, action('create', mapName))
        await assert.rejects(async () => account.delete(await proof()), refusal('proof_refused'))
        await assert.rejects(async () => account.update(await proof(), object), refusal('proof_refused'))
        await assert.rejects(async () => account.patch(await proof(), {}), refusal('proof_refused'))
        await assert.rejects(async () => account.createToken(await proof(), ['x'], 600), refusal('proof_refused'))
        const read = await proofOf(bob, action('get', mapName))
        await assert.rejects(() => account.delete(read), refusal('proof_refused'))
        const token = await proofOf(alice, action('create', 'default', { resource: 'serviceaccounts', subresource: 'token' }))
        await assert.rejects(() => account.create(token, configMap('default')), refusal('proof_refused'))
        const lease = await proofOf(alice, {
          verb: 'update',
          group: 'coordination.k8s.io',
          version: 'v1',
          resource: 'leases',
          namespace,
          name: mapName,
        })
        await assert.rejects(() => account.update(lease, object), refusal('proof_refused'))
        assert.equal((await api.get(configMaps(namespace, mapName))).status, 200)
      })

      test('refuses a proof that was used, also when the first use failed', async () => {
        const mapName = api.name('once')
        const proof = await proofOf(alice, action('create', mapName))
        await account.create(proof, configMap(mapName))
        await alice.delete({ ...maps(), name: mapName })
        await assert.rejects(() => account.create(proof, configMap(mapName)), refusal('proof_refused'))
        const spoilt = await proofOf(alice, action('create', mapName))
        await assert.rejects(() => account.create(spoilt, configMap('another')), refusal('proof_refused'))
        await assert.rejects(() => account.create(spoilt, configMap(mapName)), refusal('proof_refused'))
        const twice = await proofOf(alice, action('create', mapName))
        const both = await Promise.allSettled([account.create(twice, configMap(mapName)), account.create(twice, configMap(mapName))])
        assert.deepEqual(both.map((end) => end.status).sort(), ['fulfilled', 'rejected'])
      })

      test('refuses to write kinds that are not on its list, although the user may', async () => {
        const secret = await proofOf(alice, action('create', 's', { resource: 'secrets' }))
        await assert.rejects(() => account.create(secret, { ...configMap('s'), kind: 'Secret' }), refusal('proof_refused'))
        const group = 'rbac.authorization.k8s.io'
        const binding = await proofOf(alice, action('create', 'b', { group, resource: 'rolebindings' }))
        await assert.rejects(
          () => account.create(binding, { apiVersion: `${group}/v1`, kind: 'RoleBinding', metadata: { name: 'b' } }),
          refusal('proof_refused'),
        )
      })

      test('refuses to create by an update: the object must be one that was read', async () => {
        const group = 'coordination.k8s.io'
        const leaseName = api.name('lease')
        const lease = { apiVersion: `${group}/v1`, kind: 'Lease', metadata: { name: leaseName }, spec: {} }
        const wanted = { verb: 'update', group, version: 'v1', resource: 'leases', namespace, name: leaseName }
        const bare = await proofOf(alice, wanted)
        await assert.rejects(() => account.update(bare, lease), refusal('proof_refused'))
        // Changed while the record is written: what was looked at is sent.
        const changing: KubernetesObject = { ...lease, metadata: { name: leaseName, uid: '5d0c9a2e-0000-4000-8000-000000000000' } }
        const writing = account.update(await proofOf(alice, wanted), changing)
        Object.assign(changing, { metadata: { name: leaseName } })
        await assert.rejects(writing, (error) => error instanceof ApiStatus && [404, 409].includes(error.status))
        const imagined = { ...lease, metadata: { name: leaseName, uid: '5d0c9a2e-0000-4000-8000-000000000000' } }
        const proof = await proofOf(alice, wanted)
        await assert.rejects(
          () => account.update(proof, imagined),
          (error) => error instanceof ApiStatus && [404, 409].includes(error.status),
        )
        assert.equal((await api.get(`/apis/${group}/v1/namespaces/${namespace}/leases/${leaseName}`)).status, 404)
        const patched = await proofOf(alice, { ...wanted, verb: 'patch' })
        await assert.rejects(() => account.patch(patched, { spec: {} }), status(404))
      })

      test('does what was reviewed: create, update, patch and delete, each recorded before it is sent', async () => {
        const mapName = api.name('done')
        const made = await account.create(await proofOf(alice, action('create', mapName)), configMap(mapName, { namespace }))
        const updated = await account.update(await proofOf(alice, action('update', mapName)), { ...made, data: { k: '2' } })
        assert.deepEqual(updated['data'], { k: '2' })
        assert.deepEqual((await account.patch(await proofOf(alice, action('patch', mapName)), { data: { k: '3' } }))['data'], {
          k: '3',
        })
        const moving = await proofOf(alice, action('patch', mapName))
        await assert.rejects(() => account.patch(moving, { metadata: { namespace: elsewhere } }), refusal('proof_refused'))
        await account.delete(await proofOf(alice, action('delete', mapName)), made.metadata.uid)
        await absent(mapName)
        const records = audit.recorded.filter((event) => event.event === 'escalated' && event.properties['name'] === mapName)
        const asker = `bearer:${new Secret(aliceToken).digest().slice(0, 16)}`
        assert.deepEqual(
          records,
          ['create', 'update', 'patch', 'delete'].map((verb) => {
            const properties = { group: '', version: 'v1', resource: 'configmaps', subresource: '', namespace, name: mapName }
            return { event: 'escalated', asker, action: verb, resource: 'cluster/test', properties, reviewed: { verb, ...properties } }
          }),
        )
      })

      test('applies for who may patch and create, once and not over the fields of another', async () => {
        const mapName = api.name('applied')
        const applied = (k: string) => ({ ...configMap(mapName), data: { k } })
        const both = async () => [await proofOf(alice, action('patch', mapName)), await proofOf(alice, action('create', mapName))] as const
        const [patching, creating] = await both()
        const made = await account.apply(patching, creating, applied('1'))
        await assert.rejects(() => account.apply(patching, creating, applied('2')), refusal('proof_refused'))
        const [owner] = made.metadata['managedFields'] as JsonObject[]
        assert.deepEqual([owner?.['manager'], owner?.['operation']], ['mandate', 'Apply'])
        assert.deepEqual((await account.apply(...(await both()), applied('2')))['data'], { k: '2' })
        const other = serviceAccountClient(server, { ...accountOptions, fieldManager: 'another' })
        await assert.rejects(async () => other.apply(...(await both()), applied('3')), status(409))
        assert.deepEqual((await alice.get({ ...maps(), name: mapName }))['data'], { k: '2' })
        const { metadata } = await other.patch(await proofOf(alice, action('patch', mapName)), { data: { l: 'x' } })
        assert.ok((metadata['managedFields'] as JsonObject[]).some((entry) => entry['manager'] === 'another'))
        assert.ok(!(await bob.review(action('patch', mapName))).allowed)
      })

      test('refuses a write on the review of another action, unless the client declares the pair', async () => {
        const jobName = api.name('session')
        const reviewed = action('create', jobName)
        const write = { verb: 'create', group: 'batch', version: 'v1', resource: 'jobs', namespace, name: jobName }
        const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'example' }] } }
        const job = { apiVersion: 'batch/v1', kind: 'Job', metadata: { name: jobName }, spec: { template } }
        const onReviewOf = [{ reviewed: 'create configmaps', write: 'create jobs.batch' }]
        const paired = serviceAccountClient(server, { ...accountOptions, onReviewOf })
        const standingFor = async () => {
          const review = await alice.review(reviewed, { write })
          assert.ok(review.allowed)
          return review.proof
        }
        await assert.rejects(() => alice.review(action('create', 'x', { namespace: elsewhere }), { write }), refusal('proof_refused'))
        assert.equal((await bob.review(reviewed, { write })).allowed, false)
        await assert.rejects(async () => account.create(await standingFor(), job), refusal('proof_refused'))
        const plain = await proofOf(alice, reviewed)
        await assert.rejects(() => paired.create(plain, job), refusal('proof_refused'))
        assert.equal((await api.get(`/apis/batch/v1/namespaces/${namespace}/jobs/${jobName}`)).status, 404)
        assert.equal((await paired.create(await standingFor(), job)).metadata.name, jobName)
        const record = audit.recorded.find((event) => event.event === 'escalated' && event.properties['name'] === jobName)
        assert.ok(record?.event === 'escalated')
        assert.deepEqual([record.properties['resource'], record.reviewed['resource']], ['jobs', 'configmaps'])
      })

      test('writes a status for who may write that status, and not the object beside it', async () => {
        const deploymentName = await deploymentOf(api, namespace)
        const wanted = {
          verb: 'patch',
          group: 'apps',
          version: 'v1',
          resource: 'deployments',
          subresource: 'status',
          namespace,
          name: deploymentName,
        }
        assert.equal((await alice.review({ ...wanted, subresource: '' })).allowed, false)
        assert.equal((await bob.review(wanted)).allowed, false)
        const patched = await account.patch(await proofOf(alice, wanted), {
          status: { observedGeneration: 7 },
          spec: { replicas: 9 },
        })
        assert.equal((patched['status'] as JsonObject)['observedGeneration'], 7)
        assert.equal((patched['spec'] as JsonObject)['replicas'], 1)
        const proof = await proofOf(alice, { ...wanted, verb: 'update' })
        const updated = await account.update(proof, { ...patched, status: { observedGeneration: 8 } })
        assert.equal((updated['status'] as JsonObject)['observedGeneration'], 8)
        const elsewhereToo = await proofOf(alice, { ...wanted, verb: 'update' })
        await assert.rejects(
          () => account.update(elsewhereToo, { ...patched, metadata: { ...patched.metadata, name: 'other' } }),
          refusal('proof_refused'),
        )
      })

      test('creates a job for who may create one', async () => {
        const wanted = { verb: 'create', group: 'batch', version: 'v1', resource: 'jobs', namespace, name: api.name('job') }
        assert.equal((await bob.review(wanted)).allowed, false)
        const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'example' }] } }
        const job = { apiVersion: 'batch/v1', kind: 'Job', metadata: { name: wanted.name }, spec: { template } }
        assert.equal((await account.create(await proofOf(alice, wanted), job)).metadata.name, wanted.name)
      })

      test('creates with a name that the API server makes, when none was reviewed', async () => {
        const proof = await proofOf(alice, action('create', ''))
        const made = await account.create(proof, { ...configMap(''), metadata: { generateName: 'made-' } })
        assert.match(String(made.metadata.name), /^made-./)
      })

      test('issues a token of a service account, for the one that was reviewed', async () => {
        const [mine, other] = [api.name('runner'), api.name('runner')]
        for (const runner of [mine, other]) {
          await api.post(`/api/v1/namespaces/${namespace}/serviceaccounts`, { metadata: { name: runner } })
        }
        const wanted = action('create', mine, { resource: 'serviceaccounts', subresource: 'token' })
        assert.equal((await bob.review(wanted)).allowed, false)
        const { status: issued } = await account.createToken(await proofOf(alice, wanted), [api.target.url], 600)
        const [, claims = ''] = String((issued as JsonObject)['token']).split('.')
        const { sub, aud } = JSON.parse(Buffer.from(claims, 'base64url').toString('utf8')) as JsonObject
        assert.deepEqual([sub, aud], [`system:serviceaccount:${namespace}:${mine}`, [api.target.url]])
      })

      if (holdsAuthors) {
        test('refuses a policy that would read a secret to the user: the API server holds the user back, and not the account', async () => {
          const group = 'admissionregistration.k8s.io'
          const role = api.name('policies')
          const rules = [{ apiGroups: [group], resources: ['validatingadmissionpolicybindings'], verbs: ['create'] }]
          const subjects = [alice, bearer(accountToken)].map(async (client) => {
            const { username: name } = await client.selfReview()
            return { apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name }
          })
          const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role }
          await api.post(`${RBAC}/clusterroles`, { metadata: { name: role }, rules })
          await api.post(`${RBAC}/clusterrolebindings`, { metadata: { name: role }, roleRef, subjects: await Promise.all(subjects) })
          const policyName = api.name('policy')
          const resourceRules = [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] }]
          const validations = [{ expression: 'true', messageExpression: 'string(params.data)' }]
          const paramKind = { apiVersion: 'v1', kind: 'Secret' }
          const made = await api.post(`/apis/${group}/v1/validatingadmissionpolicies`, {
            metadata: { name: policyName },
            spec: { paramKind, matchConstraints: { resourceRules }, validations },
          })
          assert.equal(made.status, 201, made.text)

          const kind = `validatingadmissionpolicybindings.${group}`
          const where = { group, version: 'v1', resource: 'validatingadmissionpolicybindings' }
          const paramRef = { name: 'secret', namespace, parameterNotFoundAction: 'Allow' }
          const binding = (name: string): KubernetesObject => ({
            apiVersion: `${group}/v1`,
            kind: 'ValidatingAdmissionPolicyBinding',
            metadata: { name },
            spec: { policyName, paramRef, validationActions: ['Audit'] },
          })
          const bindingName = api.name('binding')
          const wanted = { verb: 'create', ...where, name: bindingName }
          await untilAllowed(alice, wanted)
          await untilAllowed(bearer(accountToken), wanted)
          await assert.rejects(
            () => alice.create(where, binding(bindingName)),
            (error) => status(422)(error) && /paramRef: Forbidden/.test((error as ApiStatus).said),
          )
          const proof = await proofOf(alice, wanted)
          await assert.rejects(() => account.create(proof, binding(bindingName)), refusal('proof_refused'))
          assert.equal((await api.get(`/apis/${group}/v1/${where.resource}/${bindingName}`)).status, 404)
          assert.throws(() => serviceAccountClient(server, { ...accountOptions, mayWrite: [kind], rightsOpen: [] }), TypeError)
          // Why it is closed: the account may read the secret, so the API server lets it.
          const opened = serviceAccountClient(server, { ...accountOptions, mayWrite: [kind], rightsOpen: [kind] })
          assert.equal((await opened.create(await proofOf(alice, wanted), binding(bindingName))).metadata.name, bindingName)
        })
      }

      test('says of its own lack of rights that the operator must act, not that the user may not', async () => {
        const poor = await api.target.userToken(api.name('poor'), [])
        for (const token of [poor, 'bm90LWlzc3VlZA']) {
          const weak = serviceAccountClient(server, { ...accountOptions, token: { read: () => new Secret(token) } })
          const proof = await proofOf(alice, action('create', 'weak'))
          await assert.rejects(() => weak.create(proof, configMap('weak')), refusal('account_refused', token))
        }
        await absent('weak')
      })
    })

    test('own work does what its table says, and is recorded', async () => {
      const tasks = {
        sweep: [{ group: '', version: 'v1', resource: 'configmaps', verbs: ['list', 'delete', 'create'] }],
        lease: [{ group: 'coordination.k8s.io', version: 'v1', resource: 'leases', verbs: ['create', 'get', 'update'] }],
        status: [{ group: 'apps', version: 'v1', resource: 'deployments/status', verbs: ['patch'] }],
      } as const
      const records = memorySink()
      const own = createOwnWork(server, {
        token: { read: () => new Secret(accountToken) },
        audit: records,
        resource: 'cluster/test',
        tasks,
      })
      const orphan = api.name('orphan')
      await own('sweep').act('create', 'configmaps', { namespace, body: { ...configMap(orphan, { labels: { orphan } }) } })
      const { items } = await own('sweep').act('list', 'configmaps', { namespace, labelSelector: `orphan=${orphan}` })
      assert.equal((items as unknown[]).length, 1)
      await own('sweep').act('delete', 'configmaps', { namespace, name: orphan })
      await assert.rejects(() => own('lease').act('get', 'leases', { namespace, name: orphan }), status(404))
      const about = { namespace, name: await deploymentOf(api, namespace), body: { status: { observedGeneration: 3 } } }
      const patched = await own('status').act('patch', 'deployments/status', about)
      assert.equal((patched['status'] as JsonObject)['observedGeneration'], 3)
      assert.deepEqual(
        records.recorded.map((event) => (event.event === 'own-work' ? `${event.task} ${event.action}` : event.event)),
        ['sweep create', 'sweep list', 'sweep delete', 'lease get', 'status patch'],
      )
    })
  })
}
