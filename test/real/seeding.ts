/** Puts objects into a real API server that has no controllers, as its administrator. */
import type { Ask } from './parts/trusted-issuers.ts'

/** An object to create; the kinds are those of `PLURALS`. */
export interface Seed {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string }
}

const PLURALS: Readonly<Record<string, string>> = {
  Namespace: 'namespaces',
  ServiceAccount: 'serviceaccounts',
  ConfigMap: 'configmaps',
  Pod: 'pods',
  ClusterRole: 'clusterroles',
  ClusterRoleBinding: 'clusterrolebindings',
  Role: 'roles',
  RoleBinding: 'rolebindings',
}

const CLUSTER_WIDE = ['Namespace', 'ClusterRole', 'ClusterRoleBinding']

/** Creates the objects, namespaces first. One that is there already stays as it is; any other refusal throws. */
export async function apply(ask: Ask, objects: readonly object[]): Promise<void> {
  const seeds = objects as readonly Seed[]
  const wide = seeds.filter(({ kind }) => CLUSTER_WIDE.includes(kind))
  const narrow = seeds.filter(({ kind }) => !CLUSTER_WIDE.includes(kind))
  for (const group of [wide, narrow]) await Promise.all(group.map((seed) => create(ask, seed)))
}

async function create(ask: Ask, seed: Seed): Promise<void> {
  const { apiVersion, kind, metadata } = seed
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`
  const within = metadata.namespace === undefined ? '' : `/namespaces/${metadata.namespace}`
  const { status, body } = await ask(`${root}${within}/${PLURALS[kind]}`, { body: seed })
  if (status !== 201 && status !== 409) throw new Error(`${kind} ${metadata.name} cannot be created: ${status} ${body}`)
}

/** A token of a service account, good for a day. */
export async function tokenOf(ask: Ask, { namespace, name }: { readonly namespace: string; readonly name: string }): Promise<string> {
  const { status, body } = await ask(`/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`, {
    body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 86_400 } },
  })
  if (status !== 201) throw new Error(`${namespace}/${name} cannot be given a token: ${status} ${body}`)
  return (JSON.parse(body) as { status: { token: string } }).status.token
}

/** Collections that tests write to. */
const COLLECTIONS = ['/api/v1|configmaps', '/api/v1|pods', '/api/v1|secrets', '/api/v1|services', '/apis/apps/v1|deployments']

/** Deletes everything of the kinds that tests write to, and returns when it is gone. */
export async function clear(ask: Ask, namespaces: readonly string[]): Promise<void> {
  const all = namespaces.flatMap((namespace) => COLLECTIONS.map((collection) => collection.replace('|', `/namespaces/${namespace}/`)))
  await Promise.all(
    all.map(async (path) => {
      const { status, body } = await ask(`${path}?gracePeriodSeconds=0`, { method: 'DELETE' })
      if (status !== 200) throw new Error(`${path} cannot be emptied: ${status} ${body}`)
    }),
  )
}

interface ClusterRole {
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> }
  readonly rules: readonly object[] | null
}

/**
 * Gives the roles view, edit and admin their rules. They are made of other roles by the controller-manager, which a test
 * cluster does not have; without it they allow nothing.
 */
export async function aggregateRoles(ask: Ask): Promise<void> {
  const path = '/apis/rbac.authorization.k8s.io/v1/clusterroles'
  for (const name of ['view', 'edit', 'admin']) {
    const roles = (JSON.parse((await ask(path)).body) as { items: readonly ClusterRole[] }).items
    const label = `rbac.authorization.k8s.io/aggregate-to-${name}`
    const rules = roles.filter(({ metadata }) => metadata.labels?.[label] === 'true').flatMap((role) => role.rules ?? [])
    const { status, body } = await ask(`${path}/${name}`, {
      method: 'PATCH',
      headers: { 'content-type': 'application/merge-patch+json' },
      body: { rules },
    })
    if (status !== 200) throw new Error(`the role ${name} cannot be given its rules: ${status} ${body}`)
  }
}
