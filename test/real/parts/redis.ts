import { connect } from 'node:net'
import { locate } from './locate.ts'
import { type Child, startChild, temporaryFolder, withFreePorts } from './process.ts'

/** What a test Redis is started with. */
export interface RedisOptions {
  /** Whether its data outlive `stop()` and `kill()`; false by default. */
  readonly keepsData?: boolean
}

/** A Redis server on loopback that keeps nothing on disk unless it is told to. */
export interface Redis {
  /** `redis://127.0.0.1:<port>`, the same after `start()`. */
  readonly url: string
  readonly port: number
  /** Stops it in its tracks (SIGSTOP): connections stay open and nothing answers. */
  pause(): void
  /** Lets a paused server go on. */
  resume(): void
  /** Ends it; connections are closed, new ones refused. Its data are lost unless it keeps them. */
  stop(): Promise<void>
  /** Ends it as a crash would (SIGKILL). */
  kill(): Promise<void>
  /** Starts it again on the same port, after `stop()` or `kill()`. Throws if the port was taken meanwhile. */
  start(): Promise<void>
}

/** Starts a Redis server and resolves when it answers PING. Throws an Error with its output when it does not start. */
export async function startRedis({ keepsData = false }: RedisOptions = {}): Promise<Redis> {
  const program = await locate('redis-server')
  const folder = await temporaryFolder('redis')
  const launch = async (port: number): Promise<Child> => {
    const args = ['--bind', '127.0.0.1', '--port', String(port), '--dir', folder.path, '--save', '', '--daemonize', 'no']
    // Every write is handed to the kernel before it is answered, so that even a killed server loses none.
    args.push('--appendonly', keepsData ? 'yes' : 'no')
    const ready = async (logs: string): Promise<boolean> => logs.includes('Ready to accept connections') && (await ping(port)) === '+PONG'
    return startChild({ name: 'redis-server', program, args, ready, readyWithin: 20_000 })
  }
  const first = await withFreePorts(1, async ([port = 0]) => ({ port, child: await launch(port) })).catch(async (error: unknown) => {
    await folder.remove()
    throw error
  })
  const { port } = first
  let child = first.child
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    pause: () => child.signal('SIGSTOP'),
    resume: () => child.signal('SIGCONT'),
    stop: () => child.stop(),
    kill: () => child.kill(),
    async start() {
      if (!child.running) child = await launch(port)
    },
  }
}

/** What a Redis server at that port of 127.0.0.1 answers to PING, without the line end. Rejects after 2 s. */
export function ping(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' }, () => socket.write('PING\r\n'))
    socket.setTimeout(2_000, () => socket.destroy(new Error('no answer to PING')))
    socket.once('error', reject)
    socket.once('data', (data) => {
      socket.destroy()
      resolve(data.toString('utf8').trimEnd())
    })
  })
}
