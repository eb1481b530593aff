import { startKubernetes } from '../dev/kubernetes/server.ts'
import type { UserInfo } from '../dev/kubernetes/user-info.ts'
import { clientsConformance } from './clients.conformance.ts'

clientsConformance(
  'the clients, on the stand-in',
  async () => {
    const tokens = new Map<string, UserInfo>([['admin-token', { username: 'admin', groups: ['system:masters'] }]])
    const server = await startKubernetes({ authenticate: async (bearer) => tokens.get(bearer) })
    return {
      url: server.url,
      adminToken: 'admin-token',
      userToken: async (username, groups) => {
        const token = `token-of-somebody-${tokens.size}`
        tokens.set(token, { username, groups })
        return token
      },
      close: () => server.close(),
    }
  },
  { holdsAuthors: false },
)
