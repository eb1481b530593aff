/** A stage whose people and machines are all of one Cognito user pool, before a service on `api.localhost`. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type Browser, type BrowserResponse, createBrowser } from '../fakes/browser.ts'
import { type AppClient, type CognitoStandIn, type CognitoUser, startCognito } from '../fakes/cognito.ts'
import { signInAtCognito } from '../fakes/cognito-person.ts'
import type { RawUpstream } from '../fakes/raw-http.ts'
import { stageWithService } from './route-stage.ts'
import type { Stage } from './stage.ts'
import type { StartWorld } from './world.ts'

export const READ = 'https://api.lab.example/read'
export const ADA: CognitoUser = {
  username: 'ada',
  sub: 'e4f8a4b8-0041-70a1-1111-2c3d4e5f6a7b',
  email: 'ada@corp.example',
  name: 'Ada Lovelace',
  groups: ['admins'],
}
export const BOB: CognitoUser = { username: 'bob', sub: 'b1c2d3e4-0041-70a1-2222-2c3d4e5f6a7b', email: 'bob@corp.example', groups: [] }
export const SECRET = '1k9b3p0v7s5c2x8n4z6q1w3e5r7t9y'
export const AGENT = { clientId: 'agent', secret: 's3cretofthemachine' }

export interface CognitoStageOptions {
  /** Changes of the app client by which people sign in. */
  readonly web?: Partial<AppClient>
  /** Changes of the provider's configuration. */
  readonly provider?: object
  /** Seconds that tokens live. */
  readonly life?: number
}

export interface CognitoStage {
  readonly stage: Stage
  readonly pool: CognitoStandIn
  readonly service: RawUpstream
  /** Origin of the service's host. */
  readonly api: string
  /** A new browser, and where it was in the end when it opened `path` of the service and signed in. */
  visit(username: string, path?: string): Promise<{ readonly browser: Browser; readonly end: BrowserResponse }>
}

/** `/db` is for machines with a scope and people of a group, `/all` for people, and `/own` gets the ID tokens of people. */
export async function stageWithCognito(t: TestContext, start: StartWorld, options: CognitoStageOptions = {}): Promise<CognitoStage> {
  const folder = await mkdtemp(join(tmpdir(), 'mandate-cognito-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const file = join(folder, 'client-secret')
  await writeFile(file, `${SECRET}\n`, { mode: 0o600 })
  let pool: CognitoStandIn | undefined
  const { stage, service, at } = await stageWithService(t, start, undefined, {
    async configure(config) {
      const origin = String(config['publicUrl'])
      pool ??= await startCognito({
        users: [ADA, BOB],
        ...(options.life === undefined ? {} : { life: options.life }),
        clients: [
          {
            id: 'web',
            secret: SECRET,
            grant: 'code',
            scopes: ['openid', 'profile', 'email'],
            callbackUrls: [`${origin}/callback/cognito`],
            logoutUrls: [`${origin}/logout`],
            ...options.web,
          },
          { id: AGENT.clientId, secret: AGENT.secret, grant: 'client_credentials', scopes: [READ] },
          { id: 'game', secret: 's', grant: 'code', scopes: ['openid'], callbackUrls: [`${origin}/callback/cognito`] },
        ],
      })
      const upstream = (config['routes'] as Array<{ upstream: string }>)[0]?.upstream
      config.clusters = {}
      // What others learnt of a login is read every thirtieth of it.
      config['sessions'] = { idle: '30s' }
      config.providers = {
        cognito: {
          kind: 'cognito',
          userPoolId: pool.userPoolId,
          issuer: pool.issuer,
          signIn: true,
          clientId: 'web',
          clientAuth: { method: 'secret', secret: { file } },
          machineClients: [AGENT.clientId],
          ...options.provider,
        },
      }
      const machine = { callers: ['machine'], provider: 'cognito', scopes: [READ] }
      const route = (name: string, allow: object, more: object = {}) => ({
        name,
        match: { host: 'api.localhost', path: `/${name}/**` },
        allow,
        upstream,
        ...more,
      })
      config['routes'] = [
        route('db', [machine, { callers: ['person'], provider: 'cognito', groups: ['admins'] }]),
        route('all', { callers: ['person'] }),
        route('own', { callers: ['person'] }, { as: { kind: 'forward-token', audience: 'web' } }),
      ]
    },
  })
  if (pool === undefined) throw new Error('nothing was configured')
  const { close } = pool
  t.after(close)
  const api = at('api.localhost')
  return {
    stage,
    pool,
    service,
    api,
    async visit(username, path = '/db/locations') {
      const browser = createBrowser()
      return { browser, end: await signInAtCognito(browser, `${api}${path}`, username) }
    },
  }
}
