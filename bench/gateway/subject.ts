/** The gateway under measurement: a process of its own, before an issuer of this process. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../../src/dev/free-port.ts'
import { startIssuer } from '../../src/dev/issuer/issuer.ts'
import type { TestUser } from '../../src/dev/issuer/options.ts'
import { createBrowser } from '../../test/fakes/browser.ts'

export interface SubjectOptions {
  /** The cluster's API server. */
  readonly server: string
  /** PEM to trust for it. */
  readonly ca?: string
  /** How rights are carried; a token makes it impersonation. */
  readonly brokerToken?: string
  readonly redisUrl?: string
  /** The one core on which it may run; any of them if not given. */
  readonly core?: number
  /** Options of its Node, such as `--cpu-prof`. */
  readonly node?: readonly string[]
  /** What Node runs. Default: the source. */
  readonly program?: string
  /** Folders of control groups that it joins before it starts. */
  readonly groups?: readonly string[]
  /** Changes the configuration before it is written. */
  readonly adapt?: (config: Record<string, unknown>) => void
  /** Certificate and key for https instead of http. */
  readonly tls?: { readonly certificatePem: string; readonly privateKeyPem: string }
}

export interface Subject {
  readonly process: ChildProcess
  readonly origin: string
  /** The file of its audit log. */
  readonly auditLog: string
  /** Milliseconds from the start of the process to a ready gateway. */
  readonly readyAfterMs: number
  /** A login cookie of alice, as a Cookie header. */
  cookie(): Promise<string>
  /** A bearer of alice for Mandate, with these claims besides. */
  bearer(claims?: Readonly<Record<string, unknown>>): string
  /** Resident memory of the gateway in bytes. */
  rss(): Promise<number>
  /** CPU time the gateway has used, in microseconds. */
  cpu(): Promise<number>
  stop(): Promise<void>
}

const ALICE: TestUser = { name: 'alice', sub: 'alice', email: 'alice@bench.example', emailVerified: true, groups: ['team-a'] }

export async function startSubject(options: SubjectOptions): Promise<Subject> {
  const folder = await mkdtemp(join(tmpdir(), 'mandate-bench-'))
  const [port, operations] = [await freePort(0), await freePort(0)]
  const origin = `${options.tls === undefined ? 'http' : 'https'}://localhost:${port}`
  const issuer = await startIssuer({
    users: [ALICE],
    audience: 'api://mandate',
    lifetimes: { accessToken: 7_200, idToken: 7_200 },
    clients: [{ id: 'mandate', secret: 'bench', redirectUris: [`${origin}/callback/corp`], postLogoutRedirectUris: [`${origin}/logout`] }],
  })
  const file = async (name: string, content: string) => {
    await writeFile(join(folder, name), content, { mode: 0o600 })
    return { file: join(folder, name) }
  }
  const { tls, ca, redisUrl, brokerToken } = options
  const config = {
    publicUrl: origin,
    listen: {
      ...(tls === undefined
        ? { http: { port } }
        : {
            https: {
              host: '127.0.0.1',
              port,
              cert: await file('tls.pem', tls.certificatePem),
              key: await file('key.pem', tls.privateKeyPem),
            },
          }),
      operations: { port: operations },
    },
    // What many cost is measured, not how few are taken.
    limits: { connections: { plain: 20_000, tls: 20_000 } },
    store:
      redisUrl === undefined
        ? { memory: 'singleReplica' }
        : {
            redis: {
              url: await file('redis', redisUrl),
              keys: [{ id: 'k1', key: await file('ring', Buffer.alloc(32, 7).toString('base64')) }],
            },
          },
    providers: {
      corp: {
        kind: 'oidc',
        issuer: issuer.issuer,
        clientId: 'mandate',
        clientAuth: { method: 'secret', secret: await file('secret', 'bench') },
        audience: 'api://mandate',
      },
    },
    clusters: {
      prod: {
        server: options.server,
        ...(ca === undefined ? {} : { ca: await file('ca.pem', ca) }),
        allow: {},
        as: brokerToken === undefined ? { kind: 'forward-token' } : { kind: 'impersonate', token: await file('broker', brokerToken) },
      },
    },
    audit: { file: join(folder, 'audit.jsonl') },
  }
  options.adapt?.(config)
  await writeFile(join(folder, 'mandate.json'), JSON.stringify(config))
  const began = performance.now()
  const command = [
    process.execPath,
    ...(options.node ?? []),
    options.program ?? 'src/main.ts',
    'gateway',
    '-c',
    join(folder, 'mandate.json'),
  ]
  // Both become what they start, so that the pid is the gateway's own; it is not to outlive a bench that was killed.
  const pinned = options.core === undefined ? command : ['taskset', '-c', String(options.core), ...command]
  const joined = (options.groups ?? []).map((folder) => `echo $$ >${folder}/cgroup.procs`)
  const grouped = joined.length === 0 ? pinned : ['sh', '-c', `${joined.join(' && ')} && exec "$@"`, 'sh', ...pinned]
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...grouped], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let complaints = ''
  child.stderr?.on('data', (part: Buffer) => {
    complaints = (complaints + part.toString('utf8')).slice(-4_000)
  })
  while (
    !(await fetch(`http://127.0.0.1:${operations}/ready`).then(
      ({ ok }) => ok,
      () => false,
    ))
  ) {
    if (child.exitCode !== null) throw new Error(`the gateway ended: ${complaints}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  const readyAfterMs = performance.now() - began
  return {
    process: child,
    origin,
    auditLog: join(folder, 'audit.jsonl'),
    readyAfterMs,
    async cookie() {
      const browser = createBrowser(tls === undefined ? {} : { ca: tls.certificatePem })
      await browser.signIn(`${origin}/login?return_to=/whoami`, 'alice')
      return browser
        .cookies(`${origin}/`)
        .map(({ name, value }) => `${name}=${value}`)
        .join('; ')
    },
    bearer: (claims = {}) => issuer.mintAccessToken('alice', { claims }),
    async rss() {
      const status = await readFile(`/proc/${child.pid}/status`, 'utf8')
      return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024
    },
    async cpu() {
      const fields = (await readFile(`/proc/${child.pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? []
      // Fields 14 and 15 of proc(5), in ticks of a hundredth of a second.
      return (Number(fields[11]) + Number(fields[12])) * 10_000
    },
    async stop() {
      const gone = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGTERM')
      await gone
      await issuer.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
