/** The places where the Kubernetes API of a real cluster is: at the API server itself, and through Mandate in each way of carrying the caller's rights. */
import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { AUDIENCE, CLIENT } from '../journeys/world.ts'
import { eventually } from './eventually.ts'
import { setHttpsStage, worldWithNode } from './https-stage.ts'
import { writeKubeconfig } from './parts/kubectl.ts'

export const PLACES = ['direct', 'impersonating', 'forwarding'] as const
export type Place = (typeof PLACES)[number]

/** A stage over https whose pod team-a/web runs. `kubeconfigs` writes them for a bearer, in namespace default; alice's are there. */
export async function setPlaces(t: TestContext) {
  const { start, kwok, parts } = worldWithNode()
  const { stage, origin, authority, folder } = await setHttpsStage(t, start, ({ clusters }) => {
    // A bearer is passed on only when it names both Mandate and the cluster, and only with this key.
    clusters['prod'] = { ...clusters['prod'], as: { kind: 'forward-token', audience: CLIENT, passThroughOpen: true } }
  })
  const { kubernetes, podsServe } = parts()
  const kubeconfigs = async (bearer: string): Promise<Readonly<Record<Place, string>>> => {
    const own = await mkdtemp(join(folder, 'places-'))
    const write = async (place: Place, url: string, ca: string) => {
      const path = join(own, place)
      await writeKubeconfig(path, url, ca, { token: bearer })
      return path
    }
    return {
      direct: await write('direct', kubernetes.url, kubernetes.caPem),
      impersonating: await write('impersonating', `${origin}/clusters/named`, authority.certificatePem),
      forwarding: await write('forwarding', `${origin}/clusters/prod`, authority.certificatePem),
    }
  }
  const claims = { aud: [AUDIENCE, CLIENT], groups: ['team-a', 'on-call'] }
  const alice = await kubeconfigs(stage.world.issuer.mintAccessToken('alice', { claims }))
  await eventually('the pod runs', async () =>
    (await kubernetes.ask('/api/v1/namespaces/team-a/pods/web')).body.includes('"phase":"Running"'),
  )
  return { stage, kwok: kwok(), kubernetes, podsServe, alice, kubeconfigs }
}
