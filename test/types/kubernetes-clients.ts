/**
 * Code that must not compile: who acts, and with whose rights, is a matter of types. Each line below a
 * `@ts-expect-error` is one mistake; the compiler fails when it finds nothing wrong there. The number beside it is the
 * error that is meant, and test/house/forbidden-code.test.ts looks that it is that one.
 */

import type * as kubernetes from '../../src/kubernetes/index.ts'
import {
  type ApiServer,
  type BearerCredential,
  createOwnWork,
  type KubernetesObject,
  OWN_TASKS,
  type OwnWork,
  type ReviewedAction,
  type ServiceAccountClient,
  type ServiceAccountOptions,
  serviceAccountClient,
  type UserClient,
  userClient,
} from '../../src/kubernetes/index.ts'

declare const server: ApiServer
declare const credential: BearerCredential
declare const options: ServiceAccountOptions
declare const user: UserClient
declare const perhaps: UserClient | undefined
declare const account: ServiceAccountClient
declare const proof: ReviewedAction
declare const object: KubernetesObject
declare const made: typeof kubernetes

const pods = { group: '', version: 'v1', resource: 'pods', namespace: 'team-a' }
const asUser = (client: UserClient) => client
const asAccount = (client: ServiceAccountClient) => client
const own = createOwnWork(server, { ...options, tasks: OWN_TASKS })
const isOwn = (work: OwnWork<(typeof OWN_TASKS)['lease'][number]>) => work

/** What is right does compile. */
export async function right(): Promise<void> {
  const client = asUser(userClient(server, credential))
  await client.list(pods)
  const review = await client.review({ verb: 'create', ...pods, name: 'web' })
  if (review.allowed) await asAccount(account).create(review.proof, object)
  const other = await client.review({ verb: 'create', ...pods, name: 'web' }, { write: { verb: 'patch', ...pods, name: 'web' } })
  if (other.allowed) await asAccount(account).patch(other.proof, {})
  await isOwn(own('lease')).act('update', 'leases', { namespace: 'mandate', name: 'sweep', body: { ...object } })
}

/** What is wrong does not. */
export async function wrong(): Promise<void> {
  // One client for the other.
  // @ts-expect-error TS2345
  asAccount(user)
  // @ts-expect-error TS2345
  asUser(account)
  // @ts-expect-error TS2345
  asUser(own('lease'))
  // @ts-expect-error TS2345
  asUser(own)
  // @ts-expect-error TS2345
  asAccount(own('lease'))
  // @ts-expect-error TS2345
  isOwn(account)
  // A client that falls from one to the other.
  // @ts-expect-error TS2345
  asUser(perhaps ?? account)

  // A client that nobody's credential made.
  // @ts-expect-error TS2345
  userClient(server, undefined)
  // @ts-expect-error TS2322
  userClient(server, { kind: 'identity', expiresAt: 0 })
  // @ts-expect-error TS2554
  userClient(server)
  // @ts-expect-error TS2551
  new made.UserClient(server, credential)
  // @ts-expect-error TS2551
  new made.ServiceAccountClient(server, options)
  // @ts-expect-error TS2740
  asUser({ ...user, list: async () => ({ items: [], resourceVersion: '' }) })
  // @ts-expect-error TS2740
  asAccount({ ...account })

  // Reading with the service account.
  // @ts-expect-error TS2339
  await account.list(pods)
  // @ts-expect-error TS2339
  await account.get({ ...pods, name: 'web' })
  // @ts-expect-error TS2551
  account.watch(pods)
  // @ts-expect-error TS2339
  await account.review(proof.action)

  // Writing with it, unproven.
  // @ts-expect-error TS2554
  await account.create(object)
  // @ts-expect-error TS2554
  await account.apply(proof, object)
  // @ts-expect-error TS2345
  await account.apply(proof, true, object)
  // @ts-expect-error TS2739
  await account.apply(proof, { action: proof.action, reviewed: proof.reviewed }, object)
  // @ts-expect-error TS2345
  await account.create(undefined, object)
  // @ts-expect-error TS2739
  await account.create({ action: proof.action }, object)
  // @ts-expect-error TS2739
  await account.delete({ ...proof })
  // @ts-expect-error TS2345
  await account.update(true, object)
  // @ts-expect-error TS2339
  await account.create((await user.review(proof.action)).proof, object)
  // @ts-expect-error TS2339
  new made.ReviewedAction()
  // @ts-expect-error TS2540
  proof.action.name = 'another'
  // @ts-expect-error TS2540
  proof.reviewed = proof.action

  // Writing what nobody listed, or a version that nobody reviewed.
  // @ts-expect-error TS2741
  serviceAccountClient(server, { token: options.token, audit: options.audit, resource: 'cluster/here' })
  // @ts-expect-error TS2322
  serviceAccountClient(server, { ...options, mayWrite: 'secrets' })
  // @ts-expect-error TS2353
  serviceAccountClient(server, { ...options, alsoFor: ['secrets'] })
  // @ts-expect-error TS2322
  serviceAccountClient(server, { ...options, onReviewOf: ['create pods'] })
  // @ts-expect-error TS2741
  serviceAccountClient(server, { ...options, onReviewOf: [{ reviewed: 'create pods' }] })
  // @ts-expect-error TS2322
  serviceAccountClient(server, { ...options, fieldManager: 7 })
  // @ts-expect-error TS2741
  await user.review({ verb: 'create', group: '', resource: 'pods' })
  // @ts-expect-error TS2353
  await user.review(proof.action, { instead: proof.action })
  // @ts-expect-error TS2559
  await user.review(proof.action, proof.action.verb)
  // @ts-expect-error TS2554
  await account.patch(proof, 'v2', {})

  // Own work beyond its table.
  // @ts-expect-error TS2345
  own('unknown')
  // @ts-expect-error TS2345
  await own('lease').act('delete', 'leases')
  // @ts-expect-error TS2345
  await own('lease').act('get', 'secrets')
  // @ts-expect-error TS2345
  await own('event').act('create', 'leases')
  // @ts-expect-error TS2345
  await own('lease').act(proof, 'leases')

  // Sending by hand: the package exports what a client is made with, not the way to send.
  // @ts-expect-error TS2339
  await made.ask(server, credential, { method: 'GET', path: '/api/v1/secrets' })
  // @ts-expect-error TS2339
  await server.ask(credential, { method: 'GET', path: '/api/v1/secrets' })
  // @ts-expect-error TS2339
  await made.ApiServer.ask(server, credential, { method: 'GET', path: '/api/v1/secrets' })
}
