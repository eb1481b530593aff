/**
 * Which kinds the service account writes for users: a positive list, closed when the client is made.
 *
 * Security: a review tells what RBAC allows the user. For some kinds the API server looks at whoever sends the write as
 * well (a role may hold no more than its author has; an admission policy is made only by who may read its parameters),
 * and that would be the account. Nobody can list all such kinds, so a client writes none but those it is given, and of
 * the ones known to give rights or secrets away it is given none without a second key that says so.
 */

/** A kind as it is looked up; no part of it can hold a slash. */
interface Kind {
  readonly group: string
  readonly resource: string
  readonly subresource: string
}

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

// A resource has no dot: "a.b" of the group "c" would read like "a" of the group "b.c".
const KIND = /^[a-z][a-z0-9-]{0,62}(?:\.[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)?(?:\/[a-z][a-z0-9-]{0,62})?$/

/**
 * Whether a kind is on the list. Throws a TypeError for a list that is missing or names something that is no kind, for a
 * kind that gives rights away and is not open, and for one that is open and not on the list.
 */
export function writtenKinds(mayWrite: readonly string[], rightsOpen: readonly string[] = []): (kind: Kind) => boolean {
  if (!Array.isArray(mayWrite))
    throw new TypeError("mayWrite is missing: list the kinds that are written for users, such as ['jobs.batch']")
  if (!Array.isArray(rightsOpen)) throw new TypeError('rightsOpen is not a list of kinds')
  const [written, open] = [new Set<string>(mayWrite), new Set<string>(rightsOpen)]
  for (const kind of written) {
    if (typeof kind !== 'string' || !KIND.test(kind)) {
      throw new TypeError(`mayWrite: ${JSON.stringify(kind)} is not a kind: write resource.group or resource.group/subresource`)
    }
    if (givesAway(kind) && !open.has(kind)) {
      throw new TypeError(`mayWrite: ${kind} gives rights or secrets away: remove it, or name it in rightsOpen as well`)
    }
  }
  for (const kind of open) {
    if (!written.has(kind)) throw new TypeError(`rightsOpen: ${JSON.stringify(kind)} is not in mayWrite`)
  }
  return ({ group, resource, subresource }) => {
    const kind = `${resource}${group === '' ? '' : `.${group}`}${subresource === '' ? '' : `/${subresource}`}`
    return !resource.includes('.') && written.has(kind)
  }
}

/** An entry without a subresource stands for all of them: approving a certificate is an update of `/approval`. */
function givesAway(kind: string): boolean {
  const [whole = ''] = kind.split('/')
  return GIVES_AWAY.includes(kind) || GIVES_AWAY.includes(whole)
}
