/**
 * `mandate/kubernetes`: the clients for programs that act on a cluster for their users.
 *
 * What makes proofs and what sends requests is not exported: a proof comes from a review and a request from a client.
 */

export type { AuditEvent } from '../audit/audit-event.ts'
export { type BearerCredential, bearerCredential, type ImpersonationCredential, impersonationCredential } from '../credential.ts'
export { Refusal } from '../errors.ts'
export { GIVES_AWAY } from '../gives-away.ts'
export type { RefusalCode } from '../refusal-codes.ts'
export { Secret } from '../secret.ts'
export type { Recording, TokenSource } from './account.ts'
export { type ApiServer, type ApiServerOptions, createApiServer } from './api-server.ts'
export { ApiStatus } from './api-status.ts'
export type { DeleteOptions, KubernetesObject, Metadata, Page, Patch } from './kubernetes-object.ts'
export { OWN_TASKS, type OwnVerb, type Right, type TaskTable } from './own-tasks.ts'
export { type Act, createOwnWork, type Own, type OwnWork, type OwnWorkOptions } from './own-work.ts'
export type { Collection, Named } from './resource-path.ts'
export type { ReviewPair } from './review-pairs.ts'
export type { Action, Review, ReviewedAction, ReviewOptions } from './reviewed-action.ts'
export { type ServiceAccountClient, type ServiceAccountOptions, serviceAccountClient } from './service-account-client.ts'
export {
  type ListOptions,
  type UserClient,
  type UserInfo,
  userClient,
  userClientFromAuthorization,
  type WatchOptions,
} from './user-client.ts'
export type { WatchEvent } from './watch-events.ts'
