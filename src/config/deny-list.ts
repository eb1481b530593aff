/**
 * What Mandate does for nobody unless the configuration names it: rights by which one becomes somebody else, or reads what
 * was given to somebody else.
 */

/** The entries of the deny-list, by the names by which `deniedOpen` lifts them. */
export const DENIED = ['nodes/proxy', 'secrets', 'impersonate', 'escalate', 'bind', 'rbac', 'system-namespaces'] as const

export type Denied = (typeof DENIED)[number]
