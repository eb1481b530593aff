/**
 * Finds what a broker wrote whose owner is gone.
 *
 * Security: what is found here may be deleted, and labels and annotations can be written by others. So a mark is believed
 * only when all of it agrees: label and annotation, a kind of owner that is configured, a namespace that the broker works
 * in, and every owner reference. An owner is gone only when the API server says that this very object is not there
 * (absence.ts), or that another one has its name: uids are never given twice. Whatever cannot be told keeps the object.
 */
import { Refusal } from '../errors.ts'
import { isRecord, type KubernetesObject, pageIn } from './kubernetes-object.ts'
import type { Right } from './own-tasks.ts'
import type { OwnWork } from './own-work.ts'

/** A kind as the API server names it. `group` is '' for the core group. */
export interface SweptKind {
  readonly group: string
  readonly version: string
  readonly resource: string
  readonly namespaced: boolean
}

/** What one broker wrote, and what it may have written it for. */
export interface Tended {
  readonly broker: string
  /** What it writes with an owner; `namespaces` where that is not in all of those below. */
  readonly kinds: ReadonlyArray<SweptKind & { readonly namespaces?: readonly string[] | '*' }>
  readonly ownerKinds: readonly SweptKind[]
  readonly namespaces: readonly string[] | '*'
  /** Namespaces in which nothing is looked at although `namespaces` is '*'. */
  readonly exceptNamespace?: (namespace: string) => boolean
}

/** The owner that is written on an object, in the annotation `mandate/owner`. */
export interface OwnerMark {
  readonly group: string
  readonly version: string
  readonly resource: string
  readonly namespace: string
  readonly name: string
  readonly uid: string
}

export interface Orphan {
  readonly kind: SweptKind
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly resourceVersion: string
  readonly ownerUid: string
}

export interface Findings {
  readonly orphans: readonly Orphan[]
  /** Objects that were looked at. */
  readonly seen: number
  /** Of these, how many are kept because nobody can tell about their owner. */
  readonly unknown: number
  /** Whether all there is was looked at. */
  readonly whole: boolean
}

/** The capability for the task that `sweepRights` describes. */
export type SweepWork = Pick<OwnWork<Right>, 'act' | 'look'>

const PAGE = 500
// A hundred thousand objects a list: what is beyond is looked at once there are fewer.
const MOST_PAGES = 200
// An API server that is not there, or hangs for one kind, is not asked about each of a thousand owners.
const MOST_FAILURES = 3
const LONGEST_MARK = 4_096
const MARKED = ['group', 'name', 'namespace', 'resource', 'uid', 'version']

/** The table of a sweep's task: it lists and deletes these kinds, and gets owners. Reads are summed in the audit log. */
export function sweepRights({ kinds, ownerKinds, mode }: Pick<Tended, 'kinds' | 'ownerKinds'> & { mode: 'report' | 'delete' }): Right[] {
  const kindOf = ({ group, version, resource }: SweptKind) => ({ group, version, resource })
  return [
    ...kinds.map((kind) => ({ ...kindOf(kind), verbs: ['list'] as const, summed: true as const })),
    ...(mode === 'delete' ? kinds.map((kind) => ({ ...kindOf(kind), verbs: ['delete'] as const })) : []),
    ...ownerKinds.map((kind) => ({ ...kindOf(kind), verbs: ['get'] as const, summed: true as const })),
  ]
}

/** The owner of an object of this broker, or `undefined` where anything about the mark does not agree. */
export function ownerOf({ metadata }: KubernetesObject, { broker, ownerKinds, namespaces }: Tended): OwnerMark | undefined {
  const { labels, annotations, ownerReferences = [], namespace: own = '', uid } = metadata
  const mark = markIn(annotations?.['mandate/owner'])
  if (mark === undefined || labels?.['mandate/broker'] !== broker || labels['mandate/owner'] !== mark.uid || mark.uid === uid)
    return undefined
  const kind = ownerKinds.find(({ group, resource }) => group === mark.group && resource === mark.resource)
  if (kind === undefined || kind.namespaced !== (mark.namespace !== '')) return undefined
  if (kind.namespaced && namespaces !== '*' && !namespaces.includes(mark.namespace)) return undefined
  // Whoever else owns it keeps it, and a reference reaches no other namespace.
  if (!Array.isArray(ownerReferences)) return undefined
  const agrees = (reference: unknown) =>
    isRecord(reference) &&
    reference['uid'] === mark.uid &&
    reference['name'] === mark.name &&
    (mark.namespace === '' || mark.namespace === own)
  return ownerReferences.every(agrees) ? { ...mark, version: kind.version } : undefined
}

function markIn(text: unknown): OwnerMark | undefined {
  if (typeof text !== 'string' || text.length > LONGEST_MARK) return undefined
  try {
    const said: unknown = JSON.parse(text)
    if (!isRecord(said) || Object.keys(said).sort().join() !== MARKED.join()) return undefined
    const { group, version, resource, namespace, name, uid } = said
    if (typeof group !== 'string' || typeof version !== 'string' || typeof resource !== 'string') return undefined
    if (typeof namespace !== 'string' || typeof name !== 'string' || typeof uid !== 'string') return undefined
    return name === '' || uid === '' ? undefined : { group, version, resource, namespace, name, uid }
  } catch {
    return undefined
  }
}

/** Looks at all that the broker marked. Throws only when the signal fires; what fails otherwise leaves objects unknown or unseen. */
export async function findOrphans(own: SweepWork, tended: Tended, signal: AbortSignal): Promise<Findings> {
  const orphans: Orphan[] = []
  const owners = new Map<string, string | undefined | 'unknown'>()
  const failures = new Map<string, number>()
  const uids = new Set<string>()
  let [unknown, whole] = [0, true]

  /** What is asked of a kind, or `undefined` when it failed, or too much of that kind has failed before. */
  const asked = async <T>(about: string, question: () => Promise<T>): Promise<{ readonly said: T } | undefined> => {
    signal.throwIfAborted()
    const before = failures.get(about) ?? 0
    if (before >= MOST_FAILURES) {
      whole = false
      return undefined
    }
    try {
      const said = await question()
      failures.set(about, 0)
      return { said }
    } catch (error) {
      signal.throwIfAborted()
      // An answer about this one, or a right that is missing here, says nothing about the next.
      const none = error instanceof Refusal && error.code !== 'account_refused' && error.code !== 'path_ambiguous'
      failures.set(about, none ? before + 1 : 0)
      return undefined
    }
  }
  /** The uid that has the owner's name now, `undefined` for none. Each owner is asked for once. */
  const uidAt = async ({ group, version, resource, namespace, name }: OwnerMark): Promise<string | undefined | 'unknown'> => {
    const key = JSON.stringify([group, resource, namespace, name])
    if (owners.has(key)) return owners.get(key)
    const answer = await asked(`owners ${resource}.${group}`, () => own.look(resource, { group, version, namespace, name, signal }))
    const metadata = answer?.said?.['metadata']
    const uid = isRecord(metadata) && typeof metadata['uid'] === 'string' && metadata['uid'] !== '' ? metadata['uid'] : 'unknown'
    owners.set(key, answer !== undefined && answer.said === undefined ? undefined : uid)
    return owners.get(key)
  }
  const look = async (object: KubernetesObject, kind: SweptKind): Promise<void> => {
    const { name = '', namespace = '', uid = '', resourceVersion = '', deletionTimestamp } = object.metadata
    // Between two pages an object may move from one to the other.
    if (deletionTimestamp !== undefined || tended.exceptNamespace?.(namespace) === true || uids.has(uid)) return
    uids.add(uid)
    const mark = ownerOf(object, tended)
    const complete = name !== '' && uid !== '' && resourceVersion !== '' && kind.namespaced === (namespace !== '')
    const now = mark === undefined || !complete ? 'unknown' : await uidAt(mark)
    if (now === 'unknown' || mark === undefined) unknown += 1
    else if (now !== mark.uid) orphans.push({ kind, namespace, name, uid, resourceVersion, ownerUid: mark.uid })
  }
  const list = async (kind: SweptKind, namespace: string): Promise<void> => {
    const { group, version, resource } = kind
    const about = { group, version, namespace, labelSelector: `mandate/broker=${tended.broker},mandate/owner`, limit: PAGE, signal }
    let next: string | undefined
    for (let pages = 0; pages < MOST_PAGES; pages += 1) {
      const from = next === undefined ? {} : { continue: next }
      const answer = await asked(`lists ${resource}.${group}`, async () => pageIn(await own.act('list', resource, { ...about, ...from })))
      if (answer === undefined) break
      // Who answers with what was not asked for is not believed.
      const fitting = answer.said.items.filter(({ metadata }) => namespace === '' || metadata.namespace === namespace)
      for (const object of fitting) await look(object, kind)
      next = answer.said.continue
      if (next === undefined) return
    }
    whole = false
  }

  for (const kind of tended.kinds) {
    const { namespaces = tended.namespaces } = kind
    for (const namespace of kind.namespaced && namespaces !== '*' ? namespaces : ['']) await list(kind, namespace)
  }
  return { orphans, seen: uids.size, unknown, whole }
}
