/**
 * The example of brokered resources on a real API server: its CRD, its users and its account, Mandate with its very
 * configuration, and between the two a way that breaks when a test says so. What was done is read from the API server's own
 * audit log.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { parse } from 'yaml'
import type { TestUser } from '../../src/dev/issuer/options.ts'
import { type ConfigDraft, type Stage, setStage } from '../journeys/stage.ts'
import { ALICE, AUDIENCE, BOB, CLIENT } from '../journeys/world.ts'
import { startFaultyWay, type Tampering } from './brokered-way.ts'
import { eventually } from './eventually.ts'
import type { Parts } from './ground.ts'
import type { AuditEntry } from './parts/audit-log.ts'
import type { Kubernetes } from './parts/kube-apiserver.ts'
import { temporaryFolder } from './parts/process.ts'
import { tokenOf } from './seeding.ts'
import { realParts } from './world.ts'

const EXAMPLE = join(import.meta.dirname, '../../examples/agentic-sessions')
const ACCOUNT = { namespace: 'mandate', name: 'sessions' }

/** Below the API server, and at Mandate. */
export const SESSIONS = '/apis/vteam.ambient-code/v1alpha1/namespaces/project-a/agenticsessions'
export const JOBS = '/apis/batch/v1/namespaces/project-a/jobs'
export const SECRETS = '/api/v1/namespaces/project-a/secrets'
export const OURS = '/projects/project-a/sessions'

/** Alice uses the sessions of project-a, bob looks at them, and carol is in no group that the cluster knows. */
const PEOPLE: readonly TestUser[] = [
  ALICE,
  { ...BOB, groups: ['viewers'] },
  { ...ALICE, name: 'carol', sub: 'carol', email: 'carol@corp.example', groups: ['others'] },
]

/** Whatever JSON says; tests look into it as it comes. */
export type Json = ReturnType<typeof JSON.parse>

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** The parsed text; undefined when there is none. */
  readonly body: Json
}

export interface Sent {
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

export interface BrokeredStage {
  readonly stage: Stage
  readonly kubernetes: Kubernetes
  readonly accountToken: string
  /** A bearer that both Mandate and the cluster take. */
  bearer(user: string, claims?: Readonly<Record<string, unknown>>): string
  /** Asks Mandate as that user, or with that bearer (it has dots), or as nobody. */
  ask(who: string | undefined, method: string, path: string, sent?: Sent): Promise<Answer>
  /** Creates a session as alice and gives its name. */
  session(prompt?: string): Promise<string>
  /** Reads one object as administrator; undefined where there is none. */
  look(path: string): Promise<Json>
  /** From now on; each call of what it gives tells what reached the API server since, as `alice create agenticsessions`. */
  since(): Promise<() => Promise<readonly string[]>>
  /** What happens on the way to the API server from now on; nothing but passing on when none is given. */
  tamper(how?: Tampering): void
}

export interface BrokeredOptions {
  readonly users?: readonly TestUser[]
  /** Changes the configuration; `brokered` is the section of the example. */
  readonly configure?: (config: ConfigDraft, brokered: Record<string, Json>, kubernetes: Kubernetes) => void | Promise<void>
}

/** The configuration of the example as it stands in the file. */
export async function exampleConfig(): Promise<Json> {
  return parse(await readFile(join(EXAMPLE, 'mandate.yaml'), 'utf8'))
}

/** Sets it up, without cleanup unless `configure` puts it back, and waits until writes are taken. */
export async function setBrokeredStage(t: TestContext, options: BrokeredOptions = {}): Promise<BrokeredStage> {
  const folder = await temporaryFolder('brokered')
  t.after(() => folder.remove())
  const example = await exampleConfig()
  let parts: Parts | undefined
  let accountToken = ''
  let way: Awaited<ReturnType<typeof startFaultyWay>> | undefined
  const stage = await setStage(
    t,
    async (world) => {
      const made = await realParts(world)
      parts = made.parts
      await prepare(made.parts.kubernetes)
      accountToken = await tokenOf(made.parts.kubernetes.ask, ACCOUNT)
      way = await startFaultyWay(t, made.parts.kubernetes)
      return made
    },
    {
      issuer: { users: options.users ?? PEOPLE },
      async configure(config) {
        const [token, ca] = [join(folder.path, 'account-token'), join(folder.path, 'way-ca.pem')]
        await Promise.all([writeFile(token, accountToken, { mode: 0o600 }), writeFile(ca, way?.caPem ?? '')])
        const prod = {
          server: way?.url,
          ca: { file: ca },
          allow: example.clusters.prod.allow,
          as: { ...example.clusters.prod.as, audience: CLIENT },
        }
        config.clusters['prod'] = prod
        const { cleanup: _later, ...sessions } = example.brokered.sessions
        const brokered = { sessions: { ...sessions, account: { token: { file: token } } } }
        config['brokered'] = brokered
        if (parts !== undefined) await options.configure?.(config, brokered, parts.kubernetes)
      },
    },
  )
  if (parts === undefined) throw new Error('the world has not started')
  const { kubernetes } = parts
  const bearer: BrokeredStage['bearer'] = (user, claims) =>
    stage.world.issuer.mintAccessToken(user, { claims: { aud: [AUDIENCE, CLIENT], ...claims } })
  const ask: BrokeredStage['ask'] = async (who, method, path, { body, headers = {} } = {}) => {
    const answer = await fetch(`${stage.origin}${path}`, {
      method,
      headers: {
        ...(who === undefined ? {} : { Authorization: `Bearer ${who.includes('.') ? who : bearer(who)}` }),
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await answer.text()
    return { status: answer.status, headers: answer.headers, text, body: text === '' ? undefined : JSON.parse(text) }
  }
  const made: BrokeredStage = {
    stage,
    kubernetes,
    accountToken,
    bearer,
    ask,
    async session(prompt = 'say hello') {
      const { status, text, body } = await ask('alice', 'POST', OURS, { body: { prompt } })
      if (status !== 201) throw new Error(`alice gets no session: ${status} ${text}`)
      return body.metadata.name
    },
    async look(path) {
      const { status, body } = await kubernetes.ask(path)
      if (status === 404) return undefined
      if (status !== 200) throw new Error(`${path} cannot be read: ${status} ${body}`)
      return JSON.parse(body)
    },
    async since() {
      const before = (await kubernetes.auditLog()).length
      return async () => linesOf((await kubernetes.auditLog()).slice(before))
    },
    tamper: (how) => way?.tamper(how),
  }
  // The account is looked at before it is used; until then a write is 503.
  await eventually('writes are taken', async () => (await ask('alice', 'POST', OURS, { body: { prompt: 'the first' } })).status === 201)
  await clear(kubernetes)
  return made
}

/** The objects of the example, from its files, in namespaces that hold nothing else. */
async function prepare(kubernetes: Kubernetes): Promise<void> {
  const apply = async (file: string) => {
    const { code, stderr } = await kubernetes.kubectl(['apply', '-f', join(EXAMPLE, file)])
    if (code !== 0) throw new Error(`${file} cannot be applied: ${stderr}`)
  }
  await apply('crd.yaml')
  await apply('mandate-account.yaml')
  await apply('users.yaml')
  await eventually('the kind is served', async () => (await kubernetes.ask(SESSIONS)).status === 200)
  await clear(kubernetes)
}

/** Empties the collections that the example writes to. */
async function clear(kubernetes: Kubernetes): Promise<void> {
  for (const path of [SESSIONS, JOBS, SECRETS].flatMap((one) => [one, one.replace('project-a', 'project-b')])) {
    const { status, body } = await kubernetes.ask(`${path}?propagationPolicy=Background&gracePeriodSeconds=0`, { method: 'DELETE' })
    if (status !== 200) throw new Error(`${path} cannot be emptied: ${status} ${body}`)
  }
}

/** What of the account's doing is not for anybody who asks: it looks at its own rights, and holds a lease. */
const OF_ITS_OWN = new Set(['selfsubjectaccessreviews', 'selfsubjectrulesreviews', 'leases'])

/** Who did what, each request once; the administrator and the API server itself are left out. */
function linesOf(entries: readonly AuditEntry[]): string[] {
  const byId = new Map(entries.map((entry) => [entry.auditID, entry]))
  return [...byId.values()].flatMap(({ user, impersonatedUser, verb, objectRef }) => {
    const who = (impersonatedUser ?? user).username ?? ''
    if (objectRef?.resource === undefined || who === 'admin' || (who.startsWith('system:') && !isAccount(who))) return []
    if (isAccount(who) && OF_ITS_OWN.has(objectRef.resource)) return []
    const what = [objectRef.resource, ...(objectRef.subresource === undefined ? [] : [objectRef.subresource])].join('/')
    return [`${isAccount(who) ? 'account' : who.replace('corp:', '')} ${verb} ${what}`]
  })
}

/** A broker's account; the one that impersonates is another. */
function isAccount(user: string): boolean {
  return user.startsWith('system:serviceaccount:mandate:') && !user.endsWith(':gateway')
}
