/**
 * What a broker's service account must be allowed: as much as its declared operations write, and nothing else.
 *
 * Security: it reads for nobody, so there is no `get` and no `list` but those of cleaning up, and those see the kinds alone
 * that are written with an owner, and the kinds of owners; never Secrets, unless the deny-list is lifted for them. What has
 * a fixed name is allowed by that name.
 */
import { type BrokerConfig, type Computed, type KindConfig, leaseOf, type OperationConfig, type WriteConfig } from '../config/broker.ts'
import { isSecret } from '../config/deny-list.ts'

export interface AccountRight {
  /** A namespace; `*` for every one; '' for kinds that are in none. */
  readonly namespace: string
  /** '' for the core group. */
  readonly group: string
  /** With its subresource: `jobs`, `serviceaccounts/token`. */
  readonly resource: string
  /** Sorted. */
  readonly verbs: readonly string[]
  /** The only objects; empty for all. Sorted. */
  readonly resourceNames: readonly string[]
}

type Kind = Pick<KindConfig, 'group' | 'resource' | 'namespaced'>
type Right = Omit<AccountRight, 'namespace'>

const SECRETS: Kind = { group: '', resource: 'secrets', namespaced: true }

/** The rights in a fixed order, each kind of a namespace once for all its objects and once for named ones. */
export function accountRights(broker: BrokerConfig): readonly AccountRight[] {
  const rights = broker.operations.flatMap((operation) =>
    (operation.writes ?? []).flatMap((step) => [...ofStep(broker, step), ...ofCleanup(broker, operation, step)]),
  )
  // Nobody but a sweep lists: where there is nothing to sweep, nobody is elected for it.
  const sweeps = rights.some(({ verbs }) => verbs.includes('list'))
  return merged(sweeps ? [...rights, ...ofLease(broker)] : rights)
}

function ofStep(broker: BrokerConfig, step: WriteConfig): AccountRight[] {
  if (step.do === 'token') {
    const minting: Right = { group: '', resource: 'serviceaccounts/token', verbs: ['create'], resourceNames: [step.serviceAccount] }
    return placed(broker, step.namespace, [minting, ...(step.into === undefined ? [] : [right(SECRETS, ['create'])])])
  }
  const kind = kindOf(broker, step.kind)
  const where = kind.namespaced ? step.namespace : NOWHERE
  switch (step.do) {
    case 'create':
      return placed(broker, where, [right(kind, ['create'])])
    case 'apply':
      // A create is asked about without a name, as far as RBAC can tell.
      return placed(broker, where, [right(kind, ['create']), right(kind, ['patch'], step.name)])
    case 'patch':
    case 'delete':
      return placed(broker, where, [right(kind, [step.do], step.name)])
    case 'status':
      return placed(broker, where, [right({ ...kind, resource: `${kind.resource}/status` }, ['patch'], step.name)])
  }
}

/** What has an owner is looked for and deleted when that is gone; for the report alone it is only looked for. */
function ofCleanup(broker: BrokerConfig, operation: OperationConfig, step: WriteConfig): AccountRight[] {
  const owned = ownedBy(broker, step)
  const owner = owned && ownerOf(operation, owned.by)
  if (broker.cleanup === undefined || owned === undefined || owner === undefined) return []
  const ownerKind = kindOf(broker, owner.kind)
  const sweeping = right(owned.kind, ['list', ...(broker.cleanup.mode === 'delete' ? ['delete'] : [])])
  const mayRead = (kind: Kind) => !isSecret(kind) || broker.deniedOpen.includes('secrets')
  return [
    ...(mayRead(owned.kind) ? placed(broker, owned.kind.namespaced ? step.namespace : NOWHERE, [sweeping]) : []),
    ...(mayRead(owned.kind) && mayRead(ownerKind)
      ? placed(broker, ownerKind.namespaced ? owner.namespace : NOWHERE, [right(ownerKind, ['get'], owner.name)])
      : []),
  ]
}

function ownedBy(broker: BrokerConfig, step: WriteConfig): { readonly kind: Kind; readonly by: string } | undefined {
  if (step.do === 'token') return step.into && { kind: SECRETS, by: step.into.ownedBy }
  if ((step.do !== 'create' && step.do !== 'apply') || step.ownedBy === undefined) return undefined
  return { kind: kindOf(broker, step.kind), by: step.ownedBy }
}

function ownerOf(
  { given, writes = [] }: OperationConfig,
  by: string,
): Exclude<WriteConfig, { do: 'token' }> | OperationConfig['given'][string] | undefined {
  const step = writes.find(({ as }) => as === by)
  if (step === undefined) return Object.hasOwn(given, by) ? given[by] : undefined
  return step.do === 'token' ? undefined : step
}

function ofLease(broker: BrokerConfig): AccountRight[] {
  const lease = leaseOf(broker)
  if (lease === undefined) return []
  const kind = { group: 'coordination.k8s.io', resource: 'leases', namespaced: true }
  return [right(kind, ['create']), right(kind, ['get', 'update'], lease.name)].map((each) => ({ ...each, namespace: lease.namespace }))
}

function right({ group, resource }: Kind, verbs: readonly string[], name?: Computed): Right {
  return { group, resource, verbs, resourceNames: typeof name === 'string' ? [name] : [] }
}

const NOWHERE = Symbol('in no namespace')

function placed(broker: BrokerConfig, where: Computed | typeof NOWHERE | undefined, rights: readonly Right[]): AccountRight[] {
  const namespaces = where === NOWHERE ? [''] : typeof where === 'string' ? [where] : broker.namespaces === '*' ? ['*'] : broker.namespaces
  return namespaces.flatMap((namespace) => rights.map((each) => ({ ...each, namespace })))
}

function kindOf({ kinds }: BrokerConfig, name: string): KindConfig {
  const found = Object.hasOwn(kinds, name) ? kinds[name] : undefined
  if (found === undefined) throw new Error('a kind that the check of the configuration should have missed')
  return found
}

/** A right on one kind, for one verb, and for one object or (undefined) for all. */
interface Atom extends Pick<AccountRight, 'namespace' | 'group' | 'resource'> {
  readonly verb: string
  readonly name: string | undefined
}

/** One entry for the same verbs on the same kind, without what a wider entry has already. */
function merged(rights: readonly AccountRight[]): AccountRight[] {
  const atoms = rights.flatMap(({ verbs, resourceNames, ...kind }) =>
    verbs.map((verb): Atom => ({ ...kind, verb, name: resourceNames[0] })),
  )
  const needed = atoms.filter((atom) => !atoms.some((other) => isWider(other, atom)))
  const ofObjects = grouped(needed, ({ namespace, group, resource, name }) => [namespace, group, resource, name ?? null])
  const same = ofObjects.map((all) => ({ ...all[0], verbs: sorted(all.map(({ verb }) => verb)) }))
  return grouped(same, ({ namespace, group, resource, verbs, name }) => [namespace, group, resource, verbs, name === undefined])
    .map(([{ namespace, group, resource, verbs, name }, ...more]) => ({
      namespace,
      group,
      resource,
      verbs,
      resourceNames: sorted([name, ...more.map((each) => each.name)].filter((each) => each !== undefined)),
    }))
    .toSorted((one, other) => (orderOf(one) < orderOf(other) ? -1 : 1))
}

function isWider(wide: Atom, narrow: Atom): boolean {
  const sameKind = wide.group === narrow.group && wide.resource === narrow.resource && wide.verb === narrow.verb
  const everywhere = wide.namespace === '*' && narrow.namespace !== '*' && narrow.namespace !== ''
  const allObjects = wide.name === undefined && narrow.name !== undefined
  const covers = (everywhere || wide.namespace === narrow.namespace) && (allObjects || wide.name === narrow.name)
  return sameKind && covers && (everywhere || allObjects)
}

function grouped<T>(all: readonly T[], by: (each: T) => unknown): [T, ...T[]][] {
  const groups = new Map<string, [T, ...T[]]>()
  for (const each of all) {
    const key = JSON.stringify(by(each))
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [each])
    else group.push(each)
  }
  return [...groups.values()]
}

function sorted(values: readonly string[]): string[] {
  return [...new Set(values)].toSorted()
}

function orderOf(right: AccountRight): string {
  return [right.namespace, right.group, right.resource, ...right.resourceNames, '', ...right.verbs].join('\0')
}
