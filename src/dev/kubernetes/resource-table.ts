/** One row of the table below: a resource, its names, what may be done with it, and how it is stored. */
export type ResourceType = {
  group: string
  version: string
  /** Plural, as in the URL. */
  resource: string
  singular: string
  kind: string
  namespaced: boolean
  shortNames: readonly string[]
  categories: readonly string[]
  verbs: readonly string[]
  subresources: readonly string[]
  /** The main resource ignores status, and a change of spec raises metadata.generation. */
  hasStatus: boolean
  counted: boolean
  /** Names obey: a DNS subdomain, a DNS label, or only what a URL segment allows. */
  names: 'subdomain' | 'label' | 'segment'
  /** Field selectors beyond metadata.name and metadata.namespace. */
  selectable: readonly string[]
}

const stored = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'] as const

type Row = Partial<ResourceType> & Pick<ResourceType, 'resource' | 'singular' | 'kind'>

function row(group: string, entry: Row): ResourceType {
  return {
    group,
    version: 'v1',
    namespaced: true,
    shortNames: [],
    categories: [],
    verbs: stored,
    subresources: [],
    hasStatus: entry.subresources?.includes('status') ?? false,
    counted: false,
    names: 'subdomain',
    selectable: [],
    ...entry,
  }
}

const eventFields = ['kind', 'namespace', 'name', 'uid', 'apiVersion', 'resourceVersion', 'fieldPath']
const podFields = ['spec.nodeName', 'spec.restartPolicy', 'spec.schedulerName', 'spec.serviceAccountName']
const review = { verbs: ['create'], namespaced: false } as const

/** Every resource this server has. Discovery, routing, validation and storage all read this one table. */
export const resourceTypes: readonly ResourceType[] = [
  row('', { resource: 'configmaps', singular: 'configmap', kind: 'ConfigMap', shortNames: ['cm'] }),
  row('', {
    resource: 'events',
    singular: 'event',
    kind: 'Event',
    shortNames: ['ev'],
    selectable: [...eventFields.map((field) => `involvedObject.${field}`), 'reason', 'reportingComponent', 'type'],
  }),
  row('', {
    resource: 'namespaces',
    singular: 'namespace',
    kind: 'Namespace',
    shortNames: ['ns'],
    namespaced: false,
    verbs: stored.filter((verb) => verb !== 'deletecollection'),
    subresources: ['finalize', 'status'],
    names: 'label',
    selectable: ['status.phase'],
  }),
  row('', {
    resource: 'nodes',
    singular: 'node',
    kind: 'Node',
    shortNames: ['no'],
    namespaced: false,
    subresources: ['status'],
    selectable: ['spec.unschedulable'],
  }),
  row('', {
    resource: 'pods',
    singular: 'pod',
    kind: 'Pod',
    shortNames: ['po'],
    categories: ['all'],
    subresources: ['attach', 'exec', 'log', 'portforward', 'status'],
    counted: true,
    selectable: [...podFields, 'spec.hostNetwork', 'status.phase', 'status.podIP', 'status.nominatedNodeName'],
  }),
  row('', { resource: 'secrets', singular: 'secret', kind: 'Secret', selectable: ['type'] }),
  row('', {
    resource: 'serviceaccounts',
    singular: 'serviceaccount',
    kind: 'ServiceAccount',
    shortNames: ['sa'],
    subresources: ['token'],
  }),
  row('', {
    resource: 'services',
    singular: 'service',
    kind: 'Service',
    shortNames: ['svc'],
    categories: ['all'],
    subresources: ['status'],
    names: 'label',
    selectable: ['spec.clusterIP', 'spec.type'],
  }),
  row('apps', {
    resource: 'deployments',
    singular: 'deployment',
    kind: 'Deployment',
    shortNames: ['deploy'],
    categories: ['all'],
    subresources: ['status'],
    counted: true,
  }),
  row('apps', {
    resource: 'replicasets',
    singular: 'replicaset',
    kind: 'ReplicaSet',
    shortNames: ['rs'],
    categories: ['all'],
    subresources: ['status'],
    counted: true,
    selectable: ['status.replicas'],
  }),
  row('authentication.k8s.io', {
    ...review,
    resource: 'selfsubjectreviews',
    singular: 'selfsubjectreview',
    kind: 'SelfSubjectReview',
  }),
  row('authorization.k8s.io', {
    ...review,
    resource: 'selfsubjectaccessreviews',
    singular: 'selfsubjectaccessreview',
    kind: 'SelfSubjectAccessReview',
  }),
  row('authorization.k8s.io', {
    ...review,
    resource: 'selfsubjectrulesreviews',
    singular: 'selfsubjectrulesreview',
    kind: 'SelfSubjectRulesReview',
  }),
  row('authorization.k8s.io', {
    ...review,
    resource: 'subjectaccessreviews',
    singular: 'subjectaccessreview',
    kind: 'SubjectAccessReview',
  }),
  row('batch', {
    resource: 'jobs',
    singular: 'job',
    kind: 'Job',
    categories: ['all'],
    subresources: ['status'],
    counted: true,
    selectable: ['status.successful'],
  }),
  row('coordination.k8s.io', { resource: 'leases', singular: 'lease', kind: 'Lease' }),
  ...[
    { resource: 'clusterrolebindings', singular: 'clusterrolebinding', kind: 'ClusterRoleBinding', namespaced: false },
    { resource: 'clusterroles', singular: 'clusterrole', kind: 'ClusterRole', namespaced: false },
    { resource: 'rolebindings', singular: 'rolebinding', kind: 'RoleBinding' },
    { resource: 'roles', singular: 'role', kind: 'Role' },
  ].map((entry) => row('rbac.authorization.k8s.io', { ...entry, names: 'segment' })),
]

/** What is posted to `serviceaccounts/NAME/token`: a kind without a path of its own. */
export const tokenRequestType: ResourceType = row('authentication.k8s.io', {
  resource: 'tokenrequests',
  singular: 'tokenrequest',
  kind: 'TokenRequest',
  verbs: ['create'],
})

/** The resource a path names, or undefined: the server answers that with a plain 404. */
export function findResource(group: string, version: string, resource: string): ResourceType | undefined {
  return resourceTypes.find((type) => type.group === group && type.version === version && type.resource === resource)
}

/** The resource of a kind, for objects that come without a path (the seed). */
export function findKind(apiVersion: string, kind: string): ResourceType | undefined {
  return resourceTypes.find((type) => apiVersionOf(type) === apiVersion && type.kind === kind)
}

/** `v1` or `apps/v1`. */
export function apiVersionOf(type: ResourceType): string {
  return type.group === '' ? type.version : `${type.group}/${type.version}`
}
