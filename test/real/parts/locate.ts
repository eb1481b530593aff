import { execFile } from 'node:child_process'
import { constants } from 'node:fs'
import { access, readFile, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

/** A program of a real part, by the name it has on disk. */
export type Program = 'kube-apiserver' | 'kubectl' | 'etcd' | 'kwok' | 'redis-server' | 'chromium' | 'prometheus' | 'promtool'

interface Place {
  /** Folder of the parts cache, and the name in versions.env that gives its version; absent for Debian's programs. */
  readonly built?: { readonly part: string; readonly version: string }
  /** Other names under which PATH may hold it. */
  readonly aliases?: readonly string[]
  /** What prints its version, and the name in versions.env of the oldest release taken from PATH. */
  readonly minimum?: { readonly args: readonly string[]; readonly version: string }
  /** Whether a KUBEBUILDER_ASSETS folder may hold it. */
  readonly asset?: boolean
}

const kubernetes = { part: 'kubernetes', version: 'KUBERNETES_VERSION' }
const places: Readonly<Record<Program, Place>> = {
  'kube-apiserver': {
    built: kubernetes,
    minimum: { args: ['--version'], version: 'KUBERNETES_MINIMUM' },
    asset: true,
  },
  kubectl: {
    built: kubernetes,
    minimum: { args: ['version', '--client'], version: 'KUBERNETES_MINIMUM' },
    asset: true,
  },
  etcd: {
    built: { part: 'etcd', version: 'ETCD_VERSION' },
    minimum: { args: ['--version'], version: 'ETCD_MINIMUM' },
    asset: true,
  },
  kwok: { built: { part: 'kwok', version: 'KWOK_VERSION' } },
  'redis-server': { minimum: { args: ['--version'], version: 'REDIS_MINIMUM' } },
  prometheus: { minimum: { args: ['--version'], version: 'PROMETHEUS_MINIMUM' } },
  promtool: { minimum: { args: ['--version'], version: 'PROMETHEUS_MINIMUM' } },
  chromium: { aliases: ['chromium-browser', 'google-chrome'] },
}

const run = promisify(execFile)
const found = new Map<Program, Promise<string>>()
let pins: Promise<ReadonlyMap<string, string>> | undefined

/** The value that versions.env gives a name, such as `KUBERNETES_VERSION`. Throws if it names no such thing. */
export async function pinned(name: string): Promise<string> {
  pins ??= readFile(new URL('versions.env', import.meta.url), 'utf8').then(
    (text) => new Map([...text.matchAll(/^([A-Z_]+)=(\S+)$/gm)].map(([, key = '', value = '']) => [key, value] as const)),
  )
  const value = (await pins).get(name)
  if (value === undefined) throw new Error(`versions.env has no ${name}`)
  return value
}

/** The folder in which test/real/install keeps what it built of `part` at `version`. It need not exist. */
export function cacheFolder(part: string, version: string): string {
  const cache = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache')
  return join(process.env['MANDATE_PARTS'] || join(cache, 'mandate', 'parts'), part, version)
}

/** The Keycloak distribution that test/real/install unpacked and prepared. Throws if it is not there. */
export async function locateKeycloak(): Promise<string> {
  const folder = cacheFolder('keycloak', await pinned('KEYCLOAK_VERSION'))
  if (!(await executable(join(folder, 'bin', 'kc.sh')))) throw missing('keycloak')
  return folder
}

/**
 * The path of a program: from `KUBEBUILDER_ASSETS` if that folder holds it, else the pinned version that
 * test/real/install built, else PATH when what lies there is not older than versions.env allows. The answer is kept for
 * the life of the process. Throws an Error that says to run test/real/install when there is none.
 */
export function locate(program: Program): Promise<string> {
  const known = found.get(program) ?? search(program)
  found.set(program, known)
  return known
}

async function search(program: Program): Promise<string> {
  const place = places[program]
  const assets = process.env['KUBEBUILDER_ASSETS']
  if (place.asset === true && assets && (await executable(join(assets, program)))) return join(assets, program)
  if (place.built) {
    const path = join(cacheFolder(place.built.part, await pinned(place.built.version)), program)
    if (await executable(path)) return path
  }
  // kwok is of use only with the files that lie beside the built one.
  for (const name of program === 'kwok' ? [] : [program, ...(place.aliases ?? [])]) {
    for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
      const path = join(folder, name)
      if (folder !== '' && (await executable(path)) && (await recent(path, place))) return path
    }
  }
  throw missing(program)
}

async function recent(path: string, { minimum }: Place): Promise<boolean> {
  if (!minimum) return true
  const wanted = numbers(await pinned(minimum.version))
  const printed = await run(path, minimum.args, { timeout: 20_000 }).catch(() => undefined)
  const version = /\d+\.\d+(\.\d+)?/.exec(printed?.stdout ?? '')
  if (!version) return false
  const has = numbers(version[0])
  for (const [index, want] of wanted.entries()) {
    const have = has[index] ?? 0
    if (have !== want) return have > want
  }
  return true
}

function numbers(version: string): number[] {
  return version.split('.').map(Number)
}

async function executable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK)
    return (await stat(path)).isFile()
  } catch {
    return false
  }
}

function missing(what: string): Error {
  return new Error(`${what} is not on this machine, or only in a release that is too old: run test/real/install`)
}
