/** kubectl before a gateway that is served over https, as alice, on a world with a node. */
import assert from 'node:assert/strict'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { ConfigDraft } from '../journeys/stage.ts'
import { AUDIENCE, CLIENT } from '../journeys/world.ts'
import { setHttpsStage, worldWithNode } from './https-stage.ts'
import { type Finished, kubectl } from './parts/kubectl.ts'
import { locate } from './parts/locate.ts'
import { type Child, startChild } from './parts/process.ts'

export interface Tool {
  /** Runs kubectl to its end, in the namespace team-a. */
  run(args: readonly string[], input?: string): Promise<Finished>
  /** The same, and it must succeed; gives what it printed. */
  ok(args: readonly string[], input?: string): Promise<string>
  /** Starts kubectl and resolves when it has printed `first`. */
  follow(args: readonly string[], first: string): Promise<Child>
}

/** kubectl as alice before one cluster of the gateway: its https, its CA, and a bearer in a file. */
async function createTool(
  folder: string,
  server: string,
  ca: string,
  token: string,
  more: Readonly<Record<string, string>>,
): Promise<Tool> {
  const at = (name: string) => join(folder, name)
  await Promise.all([writeFile(at('token'), token, { mode: 0o600 }), writeFile(at('ca.pem'), ca)])
  const kubeconfig = at('kubeconfig')
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'c', cluster: { server, 'certificate-authority': at('ca.pem') } }],
    users: [{ name: 'u', user: { tokenFile: at('token') } }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u', namespace: 'team-a' } }],
    'current-context': 'x',
  }
  await writeFile(kubeconfig, JSON.stringify(config), { mode: 0o600 })
  const run: Tool['run'] = (args, input) => kubectl(args, { kubeconfig, env: more, ...(input === undefined ? {} : { input }) })
  return {
    run,
    async ok(args, input) {
      const { code, stdout, stderr } = await run(args, input)
      assert.equal(code, 0, `kubectl ${args.join(' ')}: ${stderr}`)
      return stdout
    },
    async follow(args, first) {
      const env = { ...more, HOME: folder, KUBECONFIG: kubeconfig }
      return startChild({ name: 'kubectl', program: await locate('kubectl'), args, env, ready: async (logs) => logs.includes(first) })
    },
  }
}

/** A stage for kubectl, on a world with a node. */
export async function setKubectlStage(t: TestContext, configure: (config: ConfigDraft) => void = () => {}) {
  const { start, kwok, parts } = worldWithNode()
  const { stage, origin, authority, folder } = await setHttpsStage(t, start, (config) => {
    const { clusters } = config
    // A bearer is passed on only when it names both Mandate and the cluster, and only with this key.
    clusters['prod'] = { ...clusters['prod'], as: { kind: 'forward-token', audience: CLIENT, passThroughOpen: true } }
    configure(config)
  })
  const claims = { aud: [AUDIENCE, CLIENT], groups: ['team-a', 'on-call', 'Ops, Night'] }
  const token = stage.world.issuer.mintAccessToken('alice', { claims })
  const tool = async (cluster: string, env: Readonly<Record<string, string>> = {}) => {
    const own = await mkdtemp(join(folder, `${cluster}-`))
    return createTool(own, `${origin}/clusters/${cluster}`, authority.certificatePem, token, env)
  }
  return { stage, origin, ca: authority.certificatePem, token, kwok: kwok(), podsServe: parts().podsServe, tool }
}

export type KubectlStage = Awaited<ReturnType<typeof setKubectlStage>>
