import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { ask } from './ask.ts'
import { locate } from './locate.ts'
import { startChild, temporaryFolder, withFreePorts } from './process.ts'

/** An etcd server on loopback, without TLS, for one API server. */
export interface Etcd {
  /** `http://127.0.0.1:<port>` */
  readonly url: string
  /** Ends it and removes its data. */
  stop(): Promise<void>
}

/** Starts etcd and resolves when it is healthy. Throws an Error with its output when it does not start. */
export async function startEtcd(): Promise<Etcd> {
  const program = await locate('etcd')
  return withFreePorts(2, async ([client = 0, peer = 0]) => {
    const data = await temporaryFolder('etcd')
    const url = `http://127.0.0.1:${client}`
    const name = randomUUID()
    const peerUrl = `http://127.0.0.1:${peer}`
    try {
      const child = await startChild({
        name: 'etcd',
        program,
        args: [
          `--name=${name}`,
          `--data-dir=${join(data.path, 'etcd')}`,
          `--listen-client-urls=${url}`,
          `--advertise-client-urls=${url}`,
          `--listen-peer-urls=${peerUrl}`,
          `--initial-advertise-peer-urls=${peerUrl}`,
          `--initial-cluster=${name}=${peerUrl}`,
          // The data end with the test; waiting for the disk buys nothing.
          '--unsafe-no-fsync',
          '--log-level=warn',
        ],
        ready: async () => {
          const members = await ask(`${url}/v3/cluster/member/list`, { body: {} })
          return members.body.includes(name) && (await ask(`${url}/health`)).body.includes('"true"')
        },
        readyWithin: 30_000,
      })
      return {
        url,
        async stop() {
          await child.stop()
          await data.remove()
        },
      }
    } catch (error) {
      await data.remove()
      throw error
    }
  })
}
