import { execFile } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { type Child, type ChildOptions, startChild } from './process.ts'

/** A network namespace that one cable joins to this machine. It needs root and Linux, and is gone with this process at the latest. */
export interface FarNetwork {
  /** The address of this machine's end of the cable; what listens there is reached from the far side. */
  readonly address: string
  /** That of the far end. */
  readonly farAddress: string
  /** As `startChild`, on the far side. */
  start(options: ChildOptions): Promise<Child>
  /** Takes the cable down at its far end: nothing passes any more in either direction, and nobody is told. */
  unplug(): Promise<void>
  /** Ends what runs there, and removes the namespace with its cable. */
  remove(): Promise<void>
}

/** Makes one. Throws an Error that says what is lacking when this machine cannot. */
export async function makeFarNetwork(): Promise<FarNetwork> {
  if (process.getuid?.() !== 0) throw new Error('a network namespace needs root: run this as root')
  // A namespace without a name lives as long as the processes in it: nothing is left when this one is killed.
  const keeper = await startChild({
    name: 'network namespace',
    program: 'unshare',
    args: ['--net', 'sh', '-c', 'ip link set lo up && echo ready && exec sleep infinity'],
    ready: async (logs) => logs.includes('ready'),
    readyWithin: 10_000,
  }).catch((error: unknown) => {
    throw new Error('this machine cannot make a network namespace: it needs CAP_SYS_ADMIN, util-linux and iproute2', { cause: error })
  })
  const children: Child[] = []
  const inside = ['--target', String(keeper.pid), '--net', '--']
  const remove = async (): Promise<void> => {
    await Promise.all(children.map((child) => child.kill()))
    // Removed by hand as well: the kernel takes its time with a namespace that nobody uses any more.
    await run('ip', 'link', 'delete', near).catch(() => undefined)
    await keeper.kill()
  }
  const [near, far] = [`md${keeper.pid}n`, `md${keeper.pid}f`]
  try {
    const network = await freeNetwork()
    const [address, farAddress] = [`${network}.1`, `${network}.2`]
    await run('ip', 'link', 'add', near, 'type', 'veth', 'peer', 'name', far, 'netns', String(keeper.pid))
    await run('ip', 'address', 'add', `${address}/30`, 'dev', near)
    await run('nsenter', ...inside, 'ip', 'address', 'add', `${farAddress}/30`, 'dev', far)
    await run('nsenter', ...inside, 'ip', 'link', 'set', far, 'up')
    await run('ip', 'link', 'set', near, 'up')
    return {
      address,
      farAddress,
      async start(options) {
        const child = await startChild({ ...options, program: 'nsenter', args: [...inside, options.program, ...options.args] })
        children.push(child)
        return child
      },
      unplug: () => run('nsenter', ...inside, 'ip', 'link', 'set', far, 'down').then(() => undefined),
      remove,
    }
  } catch (error) {
    await remove()
    throw error
  }
}

/** The first three numbers of a network that is set aside for tests of networks (RFC 2544) and that no interface here is in. */
async function freeNetwork(): Promise<string> {
  for (let tries = 0; tries < 20; tries++) {
    const network = `198.${18 + randomInt(2)}.${randomInt(256)}`
    if ((await run('ip', '-oneline', 'address', 'show', 'to', `${network}.0/24`)) === '') return network
  }
  throw new Error('no network of 198.18.0.0/15 is free')
}

function run(program: string, ...args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, args, { timeout: 10_000 }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout)
      else reject(new Error(`${program} ${args.join(' ')}: ${stderr || error.message}`, { cause: error }))
    })
  })
}
