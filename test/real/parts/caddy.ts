import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ask } from './ask.ts'
import { locateForBench } from './bench-programs.ts'
import { type FrontServer, type FrontServerOptions, startPinned } from './pinned-child.ts'
import { temporaryFolder, withFreePorts } from './process.ts'

/** Starts Caddy with `reverse_proxy` on one processor: connections kept on both sides, and its usual access log in JSON. */
export async function startCaddy({ upstream, core }: FrontServerOptions): Promise<FrontServer> {
  const program = await locateForBench('caddy')
  const folder = await temporaryFolder('caddy')
  const at = (name: string): string => join(folder.path, name)
  try {
    return await withFreePorts(1, async ([port = 0]) => {
      await writeFile(at('Caddyfile'), configuration(folder.path, port, new URL(upstream).host))
      const url = `http://127.0.0.1:${port}`
      const child = await startPinned(core, {
        name: 'caddy',
        program,
        args: ['run', '--config', at('Caddyfile'), '--adapter', 'caddyfile'],
        env: { GOMAXPROCS: '1', HOME: folder.path, XDG_DATA_HOME: folder.path, XDG_CONFIG_HOME: folder.path },
        ready: async () => (await ask(`${url}/ready`)).status === 200,
        readyWithin: 20_000,
      })
      return {
        url,
        pid: child.pid,
        accessLog: at('access.log'),
        async stop() {
          await child.stop()
          await folder.remove()
        },
      }
    })
  } catch (error) {
    await folder.remove()
    throw error
  }
}

// 32 idle connections are its default: fewer than the callers, so that it would connect again and again.
const configuration = (folder: string, port: number, upstream: string): string => `
{
  admin off
  auto_https off
  persist_config off
}
http://:${port} {
  bind 127.0.0.1
  log {
    output file ${folder}/access.log {
      roll_disabled
    }
  }
  respond /ready 200
  reverse_proxy ${upstream} {
    transport http {
      keepalive_idle_conns_per_host 64
    }
  }
}
`
