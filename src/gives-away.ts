/**
 * Kinds by which rights or secrets are given away: a leaf, because the configuration asks for them before anything runs and
 * the client that writes asks again.
 *
 * Security: for these the API server looks at whoever sends the write, or whoever may write them gets more than a review of
 * the write tells (`kubernetes/written-kinds.ts`). The list is of what is known; it is not all there are.
 */

const RBAC = ['roles', 'rolebindings', 'clusterroles', 'clusterrolebindings']
const ADMISSION = ['validatingadmissionpolic', 'mutatingadmissionpolic'].flatMap((stem) => [`${stem}ies`, `${stem}ybindings`])
const inGroup = (group: string, resources: readonly string[]) => resources.map((resource) => `${resource}.${group}`)

/**
 * Kinds that give rights or secrets away, or open a stream into what runs: each with its subresources, or one
 * subresource alone. A client writes them for users when `rightsOpen` names them, too. It is not all there are.
 */
export const GIVES_AWAY: readonly string[] = Object.freeze([
  'secrets',
  'serviceaccounts/token',
  ...['attach', 'ephemeralcontainers', 'exec', 'portforward', 'proxy'].map((subresource) => `pods/${subresource}`),
  'services/proxy',
  'nodes/proxy',
  ...inGroup('rbac.authorization.k8s.io', RBAC),
  ...inGroup('authorization.openshift.io', RBAC),
  ...inGroup('admissionregistration.k8s.io', [...ADMISSION, 'mutatingwebhookconfigurations', 'validatingwebhookconfigurations']),
  ...inGroup('certificates.k8s.io', ['certificatesigningrequests', 'clustertrustbundles', 'podcertificaterequests']),
  ...inGroup('apiregistration.k8s.io', ['apiservices']),
  // Their conversion webhooks are sent every object of the kind.
  ...inGroup('apiextensions.k8s.io', ['customresourcedefinitions']),
  ...inGroup('security.openshift.io', ['securitycontextconstraints']),
  ...inGroup('oauth.openshift.io', ['oauthclients', 'oauthaccesstokens', 'oauthauthorizetokens']),
  ...inGroup('user.openshift.io', ['users', 'groups', 'identities', 'useridentitymappings']),
])

/** An entry without a subresource stands for all of them: approving a certificate is an update of `/approval`. */
export function givesAway(kind: string): boolean {
  const [whole = ''] = kind.split('/')
  return GIVES_AWAY.includes(kind) || GIVES_AWAY.includes(whole)
}
