import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ask } from './ask.ts'
import { type BenchProgram, locateForBench } from './bench-programs.ts'
import { startPinned } from './pinned-child.ts'
import { temporaryFolder } from './process.ts'

/** A server that stands before an upstream, at an address of loopback. */
export interface FrontServer {
  /** `http://127.0.0.1:<port>`, without a slash at the end. */
  readonly url: string
  readonly pid: number
  /** Where it writes one line for each request. */
  readonly accessLog: string
  /** Ends it and removes its files. */
  stop(): Promise<void>
}

/** What a front server is started with. */
export interface FrontServerOptions {
  /** Origin of what it stands before. */
  readonly upstream: string
  /** The one core on which it may run; any of them if not given. */
  readonly core?: number
}

/** How one program is told what to do. It answers GET /ready with 200 once it serves, and logs to `access.log` of its folder. */
export interface FrontServerKind {
  readonly program: BenchProgram
  /** What the configuration's file is called, for a program that goes by its ending; `configuration` by default. */
  readonly file?: string
  readonly configuration: (folder: string) => string
  /** Given the path of the configuration, and the folder. */
  readonly args: (file: string, folder: string) => readonly string[]
  readonly env?: (folder: string) => Readonly<Record<string, string>>
}

/** Starts it on that port; its files are gone when it is, also when it does not start. */
export async function startFrontServer(kind: FrontServerKind, port: number, core: number | undefined): Promise<FrontServer> {
  const program = await locateForBench(kind.program)
  const folder = await temporaryFolder(kind.program)
  const at = (name: string): string => join(folder.path, name)
  try {
    const file = at(kind.file ?? 'configuration')
    await writeFile(file, kind.configuration(folder.path), { mode: 0o600 })
    const url = `http://127.0.0.1:${port}`
    const child = await startPinned(core, {
      name: kind.program,
      program,
      args: kind.args(file, folder.path),
      ...(kind.env === undefined ? {} : { env: kind.env(folder.path) }),
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
  } catch (error) {
    await folder.remove()
    throw error
  }
}
