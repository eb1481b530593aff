/**
 * One write of the service account after the other, each under the proof that the user may have it.
 *
 * Security: the object that is sent is put together here, from the step's kind, the namespace and name that were reviewed and
 * the template for the rest; the ServiceAccountClient then compares it with the proof once more. A token goes from the API
 * server's answer into the Secret and nowhere else, unless the operator's key says so.
 */
import { Refusal } from '../errors.ts'
import { ApiStatus } from '../kubernetes/api-status.ts'
import { isRecord, type KubernetesObject } from '../kubernetes/kubernetes-object.ts'
import type { ReviewedAction } from '../kubernetes/reviewed-action.ts'
import type { ServiceAccountClient } from '../kubernetes/service-account-client.ts'
import type { UserClient } from '../kubernetes/user-client.ts'
import { Secret } from '../secret.ts'
import type { Json } from '../template/json.ts'
import type { Template } from '../template/template.ts'
import type { Asked } from './asked.ts'
import { isOf, markedObject, markedPatch, type Owner, objectsOf, refuseMarks } from './marks.ts'
import type { ChangeStep, Kind, ObjectStep, StandIn, TokenStep } from './operation.ts'
import { isOpen, isTaken, type Made, madeBefore, refusalOf } from './outcome.ts'
import type { Located, Planned, Variables } from './plan.ts'

export interface Writing {
  readonly user: UserClient
  readonly account: ServiceAccountClient
  readonly asked: Asked
  readonly callerText: boolean
  readonly variables: Variables
  /** What was read as the user or written before, by its name in the operation. */
  readonly objects: ReadonlyMap<string, Owner>
  /** The proof for the nth write of this step; reviewed anew when it has grown old. */
  readonly proof: (nth: number) => Promise<ReviewedAction>
}

/** What came of a step. */
export interface Wrote {
  readonly kind: Kind
  /** Absent for what was deleted. */
  readonly object: KubernetesObject | undefined
  readonly token?: { readonly value: Secret; readonly expires: string }
}

/** Throws a Refusal for whatever the API server did not do, an ExpressionFailed for an expression without a value. */
export async function carryOut(planned: Planned, writing: Writing): Promise<Wrote> {
  const { step } = planned
  switch (step.do) {
    case 'create':
    case 'apply':
      return { kind: step.kind, object: await writeObject(planned, step, writing) }
    case 'patch':
    case 'status':
      return { kind: step.kind, object: await change(step, writing) }
    case 'delete':
      await remove(planned, isTheirs(step), writing)
      return { kind: step.kind, object: undefined }
    case 'token':
      return mint(planned, step, writing)
  }
}

async function writeObject(at: Located, step: ObjectStep, writing: Writing): Promise<KubernetesObject> {
  const { account, asked, proof, callerText } = writing
  const { kind, namespace, name } = at
  const owner = ownerOf(step.ownedBy, writing)
  const object = markedObject(kind, namespace, name, filled(step.object, writing), asked, owner, callerText)
  if (step.do === 'create') return create(at, object, await proof(0), writing, { ownerUid: uidOf(owner), isTheirs: isTheirs(step) })
  const uid = await uidToApplyTo(at, writing)
  const bound = uid === undefined ? object : { ...object, metadata: { ...object.metadata, uid } }
  try {
    return await account.apply(await proof(0), await proof(1), bound)
  } catch (error) {
    throw refusalOf(error, isTheirs(step))
  }
}

/**
 * The marks would claim whatever is applied to, so nothing is applied to what this broker did not write: looked at as the user,
 * and bound to that very object. What is not there yet cannot be bound to: an object that somebody makes in between is applied
 * to, without force. A 404 that is no API server's word about this object says nothing.
 */
async function uidToApplyTo({ kind: { group, version, resource }, namespace, name }: Located, { user, asked }: Writing) {
  try {
    const found = await user.get({ group, version, resource, namespace, name })
    if (!isOf(asked.broker, found)) throw new Refusal('object_not_ours')
    return found.metadata.uid
  } catch (error) {
    if (error instanceof ApiStatus && error.status === 404 && error.reason === 'NotFound') return undefined
    throw refusalOf(error, true)
  }
}

/** The user was reviewed for that very write, and would hear the API server's answer to it. */
function isTheirs({ review }: { readonly review: StandIn | undefined }): boolean {
  return review === undefined
}

/** Creates, and where it cannot be known whether that was done looks, so that a retry makes no second object. */
async function create(at: Located, object: KubernetesObject, proof: ReviewedAction, { user, account, asked }: Writing, of: Made) {
  try {
    return await account.create(proof, object)
  } catch (error) {
    if (!isTaken(error) && !isOpen(error)) throw refusalOf(error, of.isTheirs)
    return madeBefore(user, at, asked, of, error)
  }
}

async function change(step: ChangeStep, writing: Writing): Promise<KubernetesObject> {
  const { account, asked, proof, callerText } = writing
  const said = filled(step.change, writing)
  const patch = step.do === 'status' ? { status: said } : markedPatch(said, asked, callerText)
  try {
    return await account.patch(await proof(0), patch)
  } catch (error) {
    throw refusalOf(error, isTheirs(step))
  }
}

/** Deletes what this broker wrote, and that very object: looked at as the user, who must be able to see what they have deleted. */
async function remove(
  { kind: { group, version, resource }, namespace, name }: Located,
  theirs: boolean,
  { user, account, asked, proof }: Writing,
): Promise<void> {
  try {
    const found = await user.get({ group, version, resource, namespace, name })
    if (!isOf(asked.broker, found) || found.metadata.uid === undefined) throw new Refusal('object_not_ours')
    await account.delete(await proof(0), found.metadata.uid)
  } catch (error) {
    throw refusalOf(error, theirs)
  }
}

async function mint(planned: Planned, step: TokenStep, writing: Writing): Promise<Wrote> {
  const { account, proof, asked, callerText } = writing
  const { into } = planned
  // Before there is a token: one that cannot be kept is not to be made.
  const owner = ownerOf(step.into?.ownedBy, writing)
  let answer: KubernetesObject
  try {
    answer = await account.createToken(await proof(0), step.audiences, step.expirationSeconds)
  } catch (error) {
    throw refusalOf(error, isTheirs(step))
  }
  const { token, expires } = tokenIn(answer)
  if (into !== undefined && step.into !== undefined) {
    const { key } = step.into
    // A Secret's type cannot be changed later, and this one means nothing to Kubernetes itself.
    const holding = { type: 'Opaque', stringData: { [key]: token.expose() } }
    const object = markedObject(into.kind, into.namespace, into.name, holding, asked, owner, callerText)
    await create(into, object, await proof(1), writing, { ownerUid: uidOf(owner), isTheirs: isTheirs(step.into) })
  }
  return { kind: step.kind, object: undefined, token: { value: token, expires } }
}

function tokenIn({ status }: KubernetesObject): { readonly token: Secret; readonly expires: string } {
  const { token, expirationTimestamp } = isRecord(status) ? status : {}
  if (typeof token !== 'string' || token === '' || typeof expirationTimestamp !== 'string') {
    throw new Refusal('upstream_broke', { detail: 'it answered without a token' })
  }
  return { token: new Secret(token), expires: expirationTimestamp }
}

function filled(template: Template, { variables, objects }: Writing): Readonly<Record<string, Json>> {
  const value = template.fill({ ...variables, written: objectsOf(objects) })
  if (!isRecord(value)) throw new Refusal('template_failed')
  refuseMarks(value)
  return value as Readonly<Record<string, Json>>
}

function uidOf(owner: Owner | undefined): string | undefined {
  return owner?.object.metadata.uid
}

function ownerOf(name: string | undefined, { objects }: Writing): Owner | undefined {
  if (name === undefined) return undefined
  const owner = objects.get(name)
  // Nothing may be left without its owner: what could not be read back has no uid.
  if (owner?.object.metadata.uid === undefined) throw new Refusal('object_unknown', { detail: 'its owner cannot be read by the caller' })
  return owner
}
