/** Mandate itself in a journey: one or more replicas before a world, and the browsers and tools that come to them. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { AuditEvent, AuditEventName } from '../../src/audit/audit-event.ts'
import type { LineTarget } from '../../src/audit/line-target.ts'
import { composeGateway, type RunningGateway } from '../../src/compose.ts'
import { checkConfig } from '../../src/config/config.ts'
import { freePort } from '../../src/dev/free-port.ts'
import type { IssuerOptions } from '../../src/dev/issuer/options.ts'
import { createLog } from '../../src/log.ts'
import { type Browser, createBrowser } from '../fakes/browser.ts'
import { AUDIENCE, CLIENT, PREFIX, type StartWorld, type World } from './world.ts'

export interface StageOptions {
  /** Changes the issuer; a function is told where Mandate will be. */
  readonly issuer?: Partial<IssuerOptions> | ((origin: string) => Partial<IssuerOptions>)
  /** How many replicas; the first is at `origin`. */
  readonly replicas?: number
  /** Changes the configuration before it is checked. */
  readonly configure?: (config: ConfigDraft, world: World) => void | Promise<void>
  /** Replaces where a replica's audit lines go. */
  readonly auditTarget?: LineTarget
}

/** The configuration as it would be written in the file, loosely typed: tests write faults into it as well. */
export interface ConfigDraft {
  listen: Record<string, unknown>
  providers: Record<string, Record<string, unknown>>
  clusters: Record<string, Record<string, unknown>>
  [key: string]: unknown
}

export interface Stage {
  readonly world: World
  readonly origin: string
  readonly origins: readonly string[]
  readonly replicas: readonly RunningGateway[]
  /** Everything every replica logged, to be searched for leaks. */
  readonly logged: () => string
  /** Audit events of all replicas, oldest first; of one name when given. */
  audit(): readonly (AuditEvent & { readonly time: string })[]
  audit<E extends AuditEventName>(name: E): readonly Extract<AuditEvent, { event: E }>[]
  /** The exposition of a replica. */
  metrics(replica?: number): Promise<string>
  /** A new browser, signed in as the user when one is named. */
  browser(user?: string): Promise<Browser>
  /** Starts one more replica on the same state; resolves to its origin. */
  addReplica(): Promise<string>
}

/** Sets a stage up; it is struck when the test ends. */
export async function setStage(t: TestContext, start: StartWorld, options: StageOptions = {}): Promise<Stage> {
  const port = await freePort(0)
  const origin = `http://localhost:${port}`
  const issuer = typeof options.issuer === 'function' ? options.issuer(origin) : options.issuer
  const world = await start({ origin, ...(issuer === undefined ? {} : { issuer }) })
  const folder = await mkdtemp(join(tmpdir(), 'mandate-stage-'))
  const replicas: RunningGateway[] = []
  const origins: string[] = []
  const lines: string[] = []
  const logged: string[] = []
  t.after(async () => {
    for (const replica of replicas) await replica.stop()
    await world.close()
    await rm(folder, { recursive: true, force: true })
  })
  const file = async (name: string, content: string) => {
    const path = join(folder, name)
    await writeFile(path, content, { mode: 0o600 })
    return { file: path }
  }
  const memoryTarget: LineTarget = { write: async (part) => void lines.push(part.toString('utf8')), close: async () => undefined }

  const draft = async (http: number): Promise<ConfigDraft> => ({
    publicUrl: origin,
    listen: { http: { port: http }, operations: { port: 0 } },
    store: { memory: 'singleReplica' },
    limits: { signIns: 10_000 },
    providers: {
      corp: {
        kind: 'oidc',
        title: 'Corp',
        issuer: world.issuer.issuer,
        ...(world.issuerCa === undefined ? {} : { ca: await file('issuer-ca.pem', world.issuerCa) }),
        clientId: CLIENT,
        clientAuth: { method: 'secret', secret: await file('client-secret', 'client-secret-of-the-test') },
        audience: AUDIENCE,
        machineClients: ['robot'],
        kubernetes: { prefix: PREFIX },
      },
    },
    clusters: {
      // The same cluster by both ways of carrying the caller's rights.
      prod: {
        server: world.cluster.url,
        ...(await caOf(world, file)),
        allow: { callers: ['person', 'machine'] },
        as: { kind: 'forward-token' },
      },
      named: {
        server: world.cluster.url,
        ...(await caOf(world, file)),
        allow: { callers: ['person', 'machine'] },
        as: { kind: 'impersonate', token: await file('broker-token', world.cluster.brokerToken) },
      },
    },
  })

  const addReplica = async () => {
    const http = replicas.length === 0 ? port : await freePort(0)
    const config = await draft(http)
    await options.configure?.(config, world)
    const replica = await composeGateway(checkConfig(config), {
      log: createLog((line) => void logged.push(line)),
      state: await world.state(),
      auditTarget: options.auditTarget ?? memoryTarget,
    })
    replicas.push(replica)
    origins.push(`http://localhost:${http}`)
    return `http://localhost:${http}`
  }
  for (let i = 0; i < (options.replicas ?? 1); i += 1) await addReplica()

  const events = () =>
    lines
      .join('')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as AuditEvent & { time: string })
  const stage: Stage = {
    world,
    origin,
    origins,
    replicas,
    logged: () => logged.join('') + lines.join(''),
    audit: ((name?: AuditEventName) => events().filter((event) => name === undefined || event.event === name)) as Stage['audit'],
    async metrics(replica = 0) {
      const answer = await fetch(`http://127.0.0.1:${replicas[replica]?.ports.operations}/metrics`)
      return answer.text()
    },
    async browser(user) {
      const browser = createBrowser(world.issuerCa === undefined ? {} : { ca: world.issuerCa })
      if (user !== undefined) await browser.signIn(`${origin}/login?return_to=/whoami`, user)
      return browser
    },
    addReplica,
  }
  return stage
}

async function caOf(world: World, file: (name: string, content: string) => Promise<{ file: string }>) {
  return world.cluster.ca === undefined ? {} : { ca: await file('cluster-ca.pem', world.cluster.ca) }
}
