/**
 * What a service account that writes for users is looked at for, right by right, as questions for the API server.
 *
 * Security: these lists are examples that tell, not all there is: RBAC cannot list what somebody may do without leaving
 * things out (SelfSubjectRulesReview), so each right is asked for by itself. A right in one namespace shows only to a
 * question about that namespace. So besides the declared ones, those are looked at where a denied right is worst, whatever
 * is declared: kube-system, and where Mandate lives itself (`besides`). Where a broker works everywhere ("*"), only rights
 * in all namespaces and in those are seen.
 */
import type { Denied } from '../config/deny-list.ts'

/** What a SelfSubjectAccessReview asks about. */
export interface ResourceAttributes {
  readonly verb: string
  /** '' for the core group. */
  readonly group: string
  readonly resource: string
  readonly subresource?: string
  /** Absent for all namespaces, or for kinds that are in none. */
  readonly namespace?: string
  readonly name?: string
}

export interface Probe {
  /** The right in words, for the operator. */
  readonly reads: string
  readonly attributes: ResourceAttributes
}

/** A right of the account as it is declared. */
export interface DeclaredRight {
  /** '*' for every one; '' for kinds that are in none. */
  readonly namespace: string
  readonly group: string
  /** With its subresource, as in `pods/exec`. */
  readonly resource: string
  readonly verbs: readonly string[]
  /** The only objects; empty for all. */
  readonly resourceNames: readonly string[]
}

export interface DeniedProbesOptions {
  readonly namespaces: readonly string[] | '*'
  /** What of the deny-list the configuration allows all the same. */
  readonly lifted: readonly Denied[]
  /** Where Mandate and its account live: looked at like declared ones. At most `MOST_BESIDES`. */
  readonly besides: readonly string[]
  /** Where a declared right is one in all namespaces, it cannot but reach the system's: that is not reported. */
  readonly declared?: readonly DeclaredRight[]
}

/** More declared namespaces are not looked at one by one: 17 questions each, as for those of `besides`, and 91 more. */
export const MOST_NAMESPACES = 100
/** That of the lease, and that of the account. */
export const MOST_BESIDES = 2
/** Excess is advice: it is looked for in so many namespaces, 12 questions each, and 8 besides. */
export const EXCESS_NAMESPACES = 10

const RBAC = 'rbac.authorization.k8s.io'
const ROLES = ['roles', 'rolebindings']
const CLUSTER_ROLES = ['clusterroles', 'clusterrolebindings']
const RBAC_WRITES = ['create', 'update', 'patch', 'delete', 'deletecollection']
const WRITES = ['create', 'update', 'patch', 'delete']

type Kind = readonly [group: string, resource: string]

const SYSTEM_KINDS: readonly Kind[] = [
  ['', 'pods'],
  ['', 'configmaps'],
  ['', 'secrets'],
  ['', 'serviceaccounts'],
  ['apps', 'daemonsets'],
  ['apps', 'deployments'],
  ['batch', 'jobs'],
]

/**
 * Each item of the deny-list as questions, at most (`MOST_NAMESPACES` + `MOST_BESIDES`) * 17 + 91. Throws a RangeError for more
 * namespaces.
 */
export function deniedProbes({ namespaces, lifted, besides, declared = [] }: DeniedProbesOptions): readonly Probe[] {
  if (namespaces !== '*' && namespaces.length > MOST_NAMESPACES) throw new RangeError(`more than ${MOST_NAMESPACES} namespaces`)
  if (besides.length > MOST_BESIDES) throw new RangeError(`more than ${MOST_BESIDES} namespaces besides`)
  const system = lifted.includes('system-namespaces') ? [] : ['kube-system']
  const everywhere = [undefined, ...new Set([...(namespaces === '*' ? [] : namespaces), ...system, ...besides])]
  const lists: Readonly<Record<Denied, () => readonly Probe[]>> = {
    'nodes/proxy': () => probes(['get', 'create'], [['', 'nodes/proxy']], [undefined]),
    secrets: () => probes(['get', 'list', 'watch', 'deletecollection'], [['', 'secrets']], everywhere),
    impersonate: () => [
      ...probes(
        ['impersonate'],
        [
          ['', 'users'],
          ['', 'groups'],
          ['authentication.k8s.io', 'uids'],
          ['authentication.k8s.io', 'userextras/scopes'],
        ],
        [undefined],
      ),
      ...probes(['impersonate'], [['', 'serviceaccounts']], everywhere),
    ],
    escalate: () => [
      ...probes(['escalate'], [[RBAC, 'clusterroles']], [undefined]),
      ...probes(['escalate'], [[RBAC, 'roles']], everywhere),
    ],
    bind: () => [...probes(['bind'], [[RBAC, 'clusterroles']], [undefined]), ...probes(['bind'], [[RBAC, 'roles']], everywhere)],
    rbac: () => [...probes(RBAC_WRITES, kindsOf(CLUSTER_ROLES), [undefined]), ...probes(RBAC_WRITES, kindsOf(ROLES), everywhere)],
    'system-namespaces': () =>
      [
        ...probes(WRITES, SYSTEM_KINDS, ['kube-system']),
        ...probes(
          ['create'],
          [
            ['', 'pods/exec'],
            ['', 'serviceaccounts/token'],
          ],
          ['kube-system'],
        ),
        ...probes(WRITES, [['', 'configmaps']], ['kube-public']),
        ...probes(WRITES, [['coordination.k8s.io', 'leases']], ['kube-node-lease']),
      ].filter(({ attributes }) => !declared.some((right) => right.namespace === '*' && covers(right, attributes))),
  }
  const open = new Set<string>(lifted)
  const asked = Object.entries(lists).flatMap(([denied, probesOf]) => (open.has(denied) ? [] : probesOf()))
  return [{ reads: 'do everything', attributes: { verb: '*', group: '*', resource: '*' } }, ...asked]
}

/** What a broker seldom needs, in the declared namespaces and beyond what is declared: at most 12 * `EXCESS_NAMESPACES` + 8. */
export function excessProbes(namespaces: readonly string[] | '*', declared: readonly DeclaredRight[]): readonly Probe[] {
  const within = namespaces === '*' ? [undefined] : namespaces.slice(0, EXCESS_NAMESPACES)
  return [
    ...probes(['create', 'delete'], [['', 'namespaces']], [undefined]),
    ...probes(['create', 'delete'], [['apiextensions.k8s.io', 'customresourcedefinitions']], [undefined]),
    ...probes(['create'], [['admissionregistration.k8s.io', 'mutatingwebhookconfigurations']], [undefined]),
    ...probes(['create'], [['admissionregistration.k8s.io', 'validatingadmissionpolicybindings']], [undefined]),
    ...probes(['update'], [['certificates.k8s.io', 'certificatesigningrequests/approval']], [undefined]),
    ...probes(['patch'], [['', 'nodes']], [undefined]),
    ...probes(['create', 'delete'], [['', 'pods']], within),
    ...probes(
      ['create'],
      [
        ['', 'pods/exec'],
        ['', 'pods/portforward'],
        ['', 'serviceaccounts/token'],
      ],
      within,
    ),
    ...probes(['get', 'list', 'delete'], [['', 'configmaps']], within),
    ...probes(['create', 'delete'], [['apps', 'deployments']], within),
    ...probes(['create', 'delete'], [['batch', 'jobs']], within),
  ].filter(({ attributes }) => !declared.some((right) => covers(right, attributes)))
}

/** Every declared right as a question, to find those that the account lacks. */
export function neededProbes(declared: readonly DeclaredRight[]): readonly Probe[] {
  return declared.flatMap(({ group, resource, verbs, namespace, resourceNames }) =>
    probes(verbs, [[group, resource]], [namespace === '*' || namespace === '' ? undefined : namespace]).flatMap((probe) =>
      resourceNames.length === 0 ? [probe] : resourceNames.map((name) => named(probe, name)),
    ),
  )
}

function named({ reads, attributes }: Probe, name: string): Probe {
  return { reads: `${reads} named ${name}`, attributes: { ...attributes, name } }
}

/** Whether a right that is declared includes what is asked about; one that is bound to names does not. */
function covers({ group, resource, verbs, namespace, resourceNames }: DeclaredRight, asked: ResourceAttributes): boolean {
  const { subresource } = asked
  return (
    group === asked.group &&
    resource === (subresource === undefined ? asked.resource : `${asked.resource}/${subresource}`) &&
    verbs.includes(asked.verb) &&
    resourceNames.length === 0 &&
    (namespace === '*' || namespace === (asked.namespace ?? ''))
  )
}

function kindsOf(resources: readonly string[]): readonly Kind[] {
  return resources.map((resource) => [RBAC, resource])
}

function probes(verbs: readonly string[], kinds: readonly Kind[], namespaces: ReadonlyArray<string | undefined>): Probe[] {
  return namespaces.flatMap((namespace) =>
    kinds.flatMap(([group, path]) => {
      const [resource = '', subresource] = path.split('/')
      return verbs.map((verb) => ({
        reads: `${verb} ${path}${group === '' ? '' : `.${group}`}${namespace === undefined ? '' : ` in ${namespace}`}`,
        attributes: {
          verb,
          group,
          resource,
          ...(subresource === undefined ? {} : { subresource }),
          ...(namespace === undefined ? {} : { namespace }),
        },
      }))
    }),
  )
}
