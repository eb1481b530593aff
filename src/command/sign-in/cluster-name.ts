/**
 * Whether a gateway has a cluster of a name, before anybody has signed in.
 *
 * Security: no credential is sent. A gateway says `cluster_unknown` before it asks who somebody is, so this tells nobody
 * anything that they could not ask themselves.
 */
import { Complaint } from '../../complaint.ts'
import { askGateway } from './gateway-document.ts'

/** True where the gateway says that there is one, false where it cannot be told. Throws Complaint when it says that there is none. */
export async function requireCluster(gateway: string, ca: string | undefined, name: string): Promise<boolean> {
  const { status, text } = await askGateway(gateway, `/clusters/${name}/version`, ca).catch(() => ({ status: 0, text: '' }))
  if (status === 404 && text.includes('cluster_unknown'))
    throw new Complaint(`${gateway} has no cluster ${name}; ask its operator for the name, which stands in the section clusters`)
  return status === 401
}
