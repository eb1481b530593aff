import { type FrontServer, type FrontServerOptions, startFrontServer } from './front-server.ts'
import { withFreePorts } from './process.ts'

/** Starts Caddy with `reverse_proxy` on one processor: connections kept on both sides, and its usual access log in JSON. */
export function startCaddy({ upstream, core }: FrontServerOptions): Promise<FrontServer> {
  const kind = (port: number) => ({
    program: 'caddy' as const,
    configuration: (folder: string) => configuration(folder, port, new URL(upstream).host),
    args: (file: string) => ['run', '--config', file, '--adapter', 'caddyfile'],
    env: (folder: string) => ({ GOMAXPROCS: '1', HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder }),
  })
  return withFreePorts(1, ([port = 0]) => startFrontServer(kind(port), port, core))
}

/**
 * Starts Caddy with a whole Caddyfile as an operator would write it: on loopback, without asking anybody for certificates,
 * and with one more site, which answers GET /ready at `url`.
 */
export function startCaddyAs(written: string): Promise<FrontServer> {
  const kind = (port: number) => ({
    program: 'caddy' as const,
    configuration: () => `{
  admin off
  auto_https off
  persist_config off
  default_bind 127.0.0.1
}
http://:${port} {
  respond /ready 200
}
${written}`,
    args: (file: string) => ['run', '--config', file, '--adapter', 'caddyfile'],
    env: (folder: string) => ({ HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder }),
  })
  return withFreePorts(1, ([port = 0]) => startFrontServer(kind(port), port, undefined))
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
