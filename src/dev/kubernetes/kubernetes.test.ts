import { kubernetesConformance } from './kubernetes.conformance.ts'
import { startKubernetes } from './server.ts'
import type { UserInfo } from './user-info.ts'

kubernetesConformance('the stand-in is a Kubernetes API', async () => {
  const tokens = new Map<string, UserInfo>([['admin-token', { username: 'admin', groups: ['system:masters'] }]])
  const server = await startKubernetes({ authenticate: async (bearer) => tokens.get(bearer) })
  return {
    url: server.url,
    adminToken: 'admin-token',
    userToken: async (username, groups) => {
      const token = `token-${tokens.size}`
      tokens.set(token, { username, groups })
      return token
    },
    close: () => server.close(),
  }
})
