/**
 * examples/m2m-cognito, live: a gateway of its very file before a service, and a stand-in for its user pool. Only what
 * cannot be so on one machine is changed: the addresses that are listened on, the names of hosts, and where the pool is.
 */
import type { TestContext } from 'node:test'
import { parseDocument } from 'yaml'
import type { AuditEvent } from '../../src/audit/audit-event.ts'
import { composeGateway } from '../../src/compose.ts'
import { checkConfig } from '../../src/config/config.ts'
import { freePort } from '../../src/dev/free-port.ts'
import { createLog } from '../../src/log.ts'
import { contentOf } from '../house/files.ts'
import { type CognitoStandIn, type CognitoUser, startCognito } from './cognito.ts'
import { type RawUpstream, startRawUpstream } from './raw-http.ts'

export const READ = 'https://api.lab.example/read'
export const WRITE = 'https://api.lab.example/write'
export const ROBOT = { id: '7ruk2gb8a3t1ei9d6r0m', secret: '1k9b3p0v7s5c2x8n4z6q1w3e5r7t9y' }
export const ADA: CognitoUser = { username: 'ada', sub: 'e4f8a4b8-0041-70a1-1111-2c3d4e5f6a7b', email: 'ada@corp.example', groups: [] }

export interface M2mExample {
  readonly pool: CognitoStandIn
  readonly service: RawUpstream
  /** Origin of the API, as `https://api.lab.example` is in the file. */
  readonly api: string
  /** The settings of the scripts beside the file. */
  readonly settings: Readonly<Record<string, string>>
  /** Everything that was logged and recorded, to be searched for leaks. */
  written(): string
  audit(event: AuditEvent['event']): ReadonlyArray<Record<string, unknown>>
}

export const CONFIG = 'examples/m2m-cognito/mandate.yaml'

/** The file as it is read with the variables that its Deployment sets; `changed` is what a trial makes of it. */
export function readExample(upstream: string, userPoolId: string, changed: (raw: Raw) => void = () => undefined) {
  const variables = {
    COGNITO_REGION: 'us-east-1',
    COGNITO_USER_POOL_ID: userPoolId,
    M2M_CLIENT_ID: ROBOT.id,
    M2M_CLIENT_ID_BEFORE: ROBOT.id,
    UPSTREAM_URL: upstream,
  }
  Object.assign(process.env, variables)
  try {
    const raw = parseDocument(contentOf(CONFIG)).toJS() as Raw
    changed(raw)
    return checkConfig(raw)
  } finally {
    for (const name of Object.keys(variables)) delete process.env[name]
  }
}

interface Raw {
  publicUrl: string
  listen: object
  providers: { cognito: Record<string, unknown> }
  routes: Array<{ match: { host: string } }>
}

/** Ends with the test. */
export async function startM2mExample(t: TestContext): Promise<M2mExample> {
  const service = await startRawUpstream()
  t.after(() => service.close())
  const pool = await startCognito({
    clients: [
      { ...ROBOT, grant: 'client_credentials', scopes: [READ, WRITE] },
      { id: 'web', secret: 'w', grant: 'code', scopes: ['openid', 'email'] },
    ],
  })
  t.after(() => pool.close())
  const port = await freePort(0)
  const config = readExample(service.origin, pool.userPoolId, (raw) => {
    raw.publicUrl = `http://localhost:${port}`
    raw.listen = { http: { port }, operations: { port: 0 } }
    raw.providers.cognito['issuer'] = pool.issuer
    for (const { match } of raw.routes) match.host = 'localhost'
  })
  const written: string[] = []
  const lines: string[] = []
  const gateway = await composeGateway(config, {
    log: createLog((line) => void written.push(line)),
    auditTarget: { write: async (part) => void lines.push(part.toString('utf8')), close: async () => undefined },
  })
  t.after(() => gateway.stop())
  return {
    pool,
    service,
    api: `http://localhost:${port}`,
    settings: { TOKEN_URL: `${pool.domain}/oauth2/token`, M2M_CLIENT_ID: ROBOT.id, M2M_CLIENT_SECRET: ROBOT.secret },
    written: () => [...written, ...lines].join('\n'),
    audit: (event) =>
      lines
        .join('')
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as Record<string, unknown>)
        .filter((line) => line['event'] === event),
  }
}
