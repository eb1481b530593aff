import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from 'yaml'
import { type FrontServer, startFrontServer } from './front-server.ts'
import { temporaryFolder, withFreePorts } from './process.ts'

/** Answers GET /ready, from the same folder as the configuration: it serves once that does. */
const READY = { http: { routers: { ready: { rule: 'Path(`/ready`)', entryPoints: ['ready'], service: 'ping@internal' } } } }

/**
 * Starts Traefik with a dynamic and a static configuration as an operator would write them: in a folder of its own, without
 * asking anybody for newer releases, and with one more entry point, which answers GET /ready at `url`.
 */
export async function startTraefikAs(written: string, fixed: string): Promise<FrontServer> {
  const folder = await temporaryFolder('traefik-files')
  const { entryPoints, ...more } = parse(fixed) as { readonly entryPoints: Readonly<Record<string, object>> }
  const kind = (port: number) => ({
    program: 'traefik' as const,
    file: 'static.yaml',
    configuration: (own: string) =>
      JSON.stringify({
        ...more,
        global: { checkNewVersion: false, sendAnonymousUsage: false },
        // Connections that go on would hold it for ten seconds.
        entryPoints: {
          ...Object.fromEntries(Object.entries(entryPoints).map(([name, point]) => [name, { ...point, transport: AT_ONCE }])),
          ready: { address: `127.0.0.1:${port}`, transport: AT_ONCE },
        },
        providers: { file: { directory: folder.path, watch: false } },
        ping: { manualRouting: true },
        accessLog: { filePath: join(own, 'access.log') },
      }),
    args: (file: string) => [`--configFile=${file}`],
    env: (own: string) => ({ HOME: own }),
  })
  try {
    await writeFile(join(folder.path, 'written.yaml'), written, { mode: 0o600 })
    await writeFile(join(folder.path, 'ready.yaml'), JSON.stringify(READY))
    const front = await withFreePorts(1, ([port = 0]) => startFrontServer(kind(port), port, undefined))
    return {
      ...front,
      async stop() {
        await front.stop()
        await folder.remove()
      },
    }
  } catch (error) {
    await folder.remove()
    throw error
  }
}

const AT_ONCE = { lifeCycle: { graceTimeOut: '100ms' } }
