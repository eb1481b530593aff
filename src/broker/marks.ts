/**
 * What every object that is written carries: who asked, in which attempt, and to whom it belongs.
 *
 * Labels hold digests, because labels are listed, indexed and shown widely; the text of issuer and subject is an annotation,
 * and left out where the configuration says so. Whoever may write the kind with their own rights can write these marks as
 * well: they tell what this broker has done, and prove nothing against such a user.
 */
import { Refusal } from '../errors.ts'
import { isRecord, type KubernetesObject } from '../kubernetes/kubernetes-object.ts'
import type { Json } from '../template/json.ts'
import type { Asked } from './asked.ts'
import type { Kind } from './operation.ts'

/** No template may write keys below it. */
export const MARK = 'mandate/'

/** An object that others belong to: read as the user, or written before. */
export interface Owner {
  readonly kind: Kind
  readonly object: KubernetesObject
}

/** Objects by their names, as expressions see them. They came as JSON. */
export function objectsOf(objects: ReadonlyMap<string, Owner>): Json {
  return Object.fromEntries([...objects].map(([name, { object }]) => [name, object as unknown as Json]))
}

type Fields = Readonly<Record<string, Json>>

/** The whole object: what the template gave, under this kind and these names, with the marks. */
export function markedObject(
  kind: Kind,
  namespace: string,
  name: string,
  template: Fields,
  asked: Asked,
  owner: Owner | undefined,
  callerText: boolean,
): KubernetesObject {
  const given = isRecord(template['metadata']) ? template['metadata'] : {}
  const ownerReference = owner && referenceTo(owner, namespace)
  return {
    ...template,
    apiVersion: kind.group === '' ? kind.version : `${kind.group}/${kind.version}`,
    kind: kind.kind,
    metadata: {
      ...given,
      name,
      ...(namespace === '' ? {} : { namespace }),
      labels: { ...unmarked(given['labels']), ...labelsOf(asked, owner) },
      annotations: { ...unmarked(given['annotations']), ...annotationsOf(asked, owner, callerText) },
      ...(ownerReference === undefined ? {} : { ownerReferences: [ownerReference] }),
    },
  }
}

/** A merge patch with the marks of a change. It does not claim the object: what somebody else made stays theirs. */
export function markedPatch(template: Fields, asked: Asked, callerText: boolean): Record<string, unknown> {
  const given = isRecord(template['metadata']) ? template['metadata'] : {}
  return {
    ...template,
    metadata: {
      ...given,
      ...(given['labels'] === undefined ? {} : { labels: unmarked(given['labels']) }),
      annotations: {
        ...unmarked(given['annotations']),
        [`${MARK}changed-in`]: asked.attempt,
        [`${MARK}changed-by`]: asked.caller,
        ...(callerText
          ? { [`${MARK}changed-by-subject`]: asked.principal.subject, [`${MARK}changed-by-issuer`]: asked.principal.issuer }
          : {}),
      },
    },
  }
}

function labelsOf({ broker, caller }: Asked, owner: Owner | undefined): Record<string, string> {
  const uid = owner?.object.metadata.uid
  return { [`${MARK}broker`]: broker, [`${MARK}caller`]: caller, ...(uid === undefined ? {} : { [`${MARK}owner`]: uid }) }
}

function annotationsOf({ attempt, principal, key, request }: Asked, owner: Owner | undefined, callerText: boolean): Record<string, string> {
  return {
    [`${MARK}attempt`]: attempt,
    ...(callerText ? { [`${MARK}issuer`]: principal.issuer, [`${MARK}subject`]: principal.subject } : {}),
    ...(key === undefined ? {} : { [`${MARK}idempotency-key`]: key, [`${MARK}request`]: request }),
    ...(owner === undefined ? {} : { [`${MARK}owner`]: JSON.stringify(ownerText(owner)) }),
  }
}

function ownerText({ kind: { group, version, resource }, object: { metadata } }: Owner) {
  const { namespace = '', name = '', uid = '' } = metadata
  return { group, version, resource, namespace, name, uid }
}

/** For Kubernetes' own garbage collection, which knows owners of the same namespace and of none. */
function referenceTo({ object: { apiVersion, kind, metadata } }: Owner, namespace: string): object | undefined {
  const { name, uid, namespace: at = '' } = metadata
  if (at !== '' && at !== namespace) return undefined
  return { apiVersion, kind, name, uid, controller: false, blockOwnerDeletion: false }
}

/** A computed map of labels or annotations without keys of ours; whole ones in the file are refused when it is loaded. */
function unmarked(given: unknown): Record<string, string> {
  if (given === undefined) return {}
  if (!isRecord(given)) throw new Refusal('template_failed', { detail: 'labels or annotations are not a map' })
  const kept: Record<string, string> = {}
  for (const [key, value] of Object.entries(given)) {
    if (typeof value !== 'string') throw new Refusal('template_failed', { detail: 'a label or annotation is not text' })
    if (!key.startsWith(MARK)) kept[key] = value
  }
  return kept
}

/** Refuses keys of ours anywhere else: what is made of a template, such as the pods of a Job, would bear them as if written here. */
export function refuseMarks(filled: Readonly<Record<string, unknown>>): void {
  const { metadata, ...rest } = filled
  const within = isRecord(metadata) ? { ...metadata, labels: undefined, annotations: undefined } : metadata
  if (holdsMark([rest, within])) throw new Refusal('template_failed', { detail: `a key begins with ${MARK}` })
}

function holdsMark(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(holdsMark)
  return isRecord(value) && Object.entries(value).some(([key, inner]) => key.startsWith(MARK) || holdsMark(inner))
}

/** True for an object that this broker wrote, as far as its marks say. */
export function isOf(broker: string, { metadata }: KubernetesObject): boolean {
  return metadata.labels?.[`${MARK}broker`] === broker
}

/**
 * How an object that was found relates to a request: written by it, by an earlier one of the same key, or by neither. One that
 * is being deleted, or belongs to another owner than the one now, is no result of this request: it goes with what it is of.
 */
export function relationOf(
  { metadata }: KubernetesObject,
  asked: Asked,
  ownerUid: string | undefined,
): 'this-attempt' | 'same-request' | 'same-key' | 'another' {
  const { labels = {}, annotations = {}, deletionTimestamp } = metadata
  if (labels[`${MARK}broker`] !== asked.broker || labels[`${MARK}caller`] !== asked.caller) return 'another'
  if (deletionTimestamp !== undefined || labels[`${MARK}owner`] !== ownerUid) return 'another'
  if (annotations[`${MARK}attempt`] === asked.attempt) return 'this-attempt'
  if (asked.key === undefined || annotations[`${MARK}idempotency-key`] !== asked.key) return 'another'
  return annotations[`${MARK}request`] === asked.request ? 'same-request' : 'same-key'
}
