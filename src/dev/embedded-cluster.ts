/** The embedded Kubernetes of `mandate dev`, where the gateway may impersonate the issuer's people and nothing else. */

import { devSeed } from './kubernetes/seed.ts'
import { startKubernetes } from './kubernetes/server.ts'
import { type GatewayAccount, PREFIX } from './people.ts'

export interface DevCluster {
  readonly url: string
  close(): Promise<void>
}

const RBAC = 'rbac.authorization.k8s.io'

/** Starts it, seeded with two teams. */
export async function embeddedCluster({ username, token }: GatewayAccount): Promise<DevCluster> {
  const serviceAccounts = new Map([[token, { username, groups: ['system:serviceaccounts', 'system:serviceaccounts:mandate'] }]])
  return startKubernetes({
    authenticate: async () => undefined,
    serviceAccounts,
    seed: [...devSeed(PREFIX), ...impersonationRights(username)],
  })
}

function impersonationRights(username: string) {
  const [, , namespace = '', name = ''] = username.split(':')
  return [
    {
      apiVersion: `${RBAC}/v1`,
      kind: 'ClusterRole',
      metadata: { name: 'mandate-impersonate' },
      rules: [
        { apiGroups: [''], resources: ['users', 'groups'], verbs: ['impersonate'] },
        {
          apiGroups: ['authentication.k8s.io'],
          resources: ['uids', 'userextras/mandate.dev/provider', 'userextras/mandate.dev/subject'],
          verbs: ['impersonate'],
        },
      ],
    },
    {
      apiVersion: `${RBAC}/v1`,
      kind: 'ClusterRoleBinding',
      metadata: { name: 'mandate-impersonate' },
      roleRef: { apiGroup: RBAC, kind: 'ClusterRole', name: 'mandate-impersonate' },
      subjects: [{ kind: 'ServiceAccount', namespace, name }],
    },
  ]
}
