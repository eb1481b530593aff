import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { cacheFolder, pinned } from './locate.ts'

/** Programs of the benches, apart from those of `locate.ts`. A default install brings those that the suites need as well. */
export type BenchProgram = 'nginx' | 'caddy' | 'traefik' | 'oauth2-proxy' | 'wrk' | 'vegeta'

/** The names in versions.env of those that are built; the others are Debian's. */
const built: Readonly<Partial<Record<BenchProgram, string>>> = {
  caddy: 'CADDY_VERSION',
  traefik: 'TRAEFIK_VERSION',
  'oauth2-proxy': 'OAUTH_PROXY_VERSION',
  vegeta: 'VEGETA_VERSION',
}

/** The path of a program. Throws an Error that says what to run when it is not there. */
export async function locateForBench(program: BenchProgram): Promise<string> {
  const version = built[program]
  // Debian keeps servers where an ordinary user's PATH does not look.
  const onPath = [...(process.env['PATH'] ?? '').split(delimiter).filter(Boolean), '/usr/sbin']
  const folders = version === undefined ? onPath : [cacheFolder(program, await pinned(version))]
  for (const folder of folders) {
    const path = join(folder, program)
    if (await executable(path)) return path
  }
  throw new Error(`${program} is not on this machine: run test/real/install ${program}`)
}

function executable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  )
}
