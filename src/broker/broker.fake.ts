/** A broker of the usual shape at an API server that says what a test tells it to. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import type { AuditEvent } from '../audit/audit-event.ts'
import { type BrokerConfig, broker } from '../config/broker.ts'
import { bearerCredential, type Credential } from '../credential.ts'
import { Refusal } from '../errors.ts'
import type { Grant } from '../grant.ts'
import { type Answering, startScriptedApi } from '../kubernetes/scripted-api.fake.ts'
import { serviceAccountClient } from '../kubernetes/service-account-client.ts'
import { bearerCaller } from '../principal.fake.ts'
import type { Caller } from '../principal.ts'
import { Secret } from '../secret.ts'
import { type BrokerTarget, brokeredAct } from './act.ts'
import { compileBroker } from './compile.ts'

export const USER_TOKEN = 'token-of-the-user'
export const ACCOUNT_TOKEN = 'token-of-the-account'

export const KINDS = {
  session: { group: 'example', version: 'v1', resource: 'sessions', kind: 'Session' },
  job: { group: 'batch', version: 'v1', resource: 'jobs', kind: 'Job' },
}
export const IN_PROJECT = { cel: 'path.project' }
export const BODY = {
  type: 'object',
  properties: { prompt: { type: 'string', maxLength: 100 }, name: { type: 'string' } },
  required: ['prompt'],
  additionalProperties: false,
}
export const CREATE_SESSION = {
  as: 'session',
  do: 'create',
  kind: 'session',
  namespace: IN_PROJECT,
  name: { cel: "'s-' + unique" },
  object: { spec: { prompt: { cel: 'body.prompt' } } },
}

/** One operation, `POST /projects/{project}/sessions`, and whatever is changed of its broker. */
export function brokerOf(operation: object, changes: object = {}): BrokerConfig {
  const parsed = broker.parse({
    cluster: 'prod',
    account: { token: { env: 'NEVER_READ' } },
    namespaces: ['team-a', 'team-b'],
    kinds: KINDS,
    operations: [{ name: 'create', match: { method: 'POST', path: '/projects/{project}/sessions' }, body: BODY, ...operation }],
    ...changes,
  })
  return { ...parsed, name: 'sessions' }
}

export interface AskedFor {
  readonly project?: string
  readonly body?: unknown
  readonly contentType?: string
  readonly key?: string
  readonly attempt?: string
  readonly caller?: Caller
  readonly credential?: Credential
}

/** What came back: the answer, or the refusal. */
export interface CameBack {
  readonly status: number
  readonly value: Readonly<Record<string, unknown>>
  readonly refusal: Refusal | undefined
}

export async function startBroker(config: BrokerConfig, answering: Answering, changes: Partial<BrokerTarget> = {}) {
  const api = await startScriptedApi(answering)
  const compiled = compileBroker(config, 'mandate.example')
  const records: AuditEvent[] = []
  const warned: unknown[] = []
  const { mayWrite, rightsOpen, onReviewOf } = compiled
  const target: BrokerTarget = {
    broker: compiled,
    apiServer: api.server,
    audit: { record: async (event) => void records.push(event) },
    account: (audit) =>
      serviceAccountClient(api.server, {
        token: { read: () => new Secret(ACCOUNT_TOKEN) },
        audit,
        resource: 'x',
        mayWrite,
        rightsOpen,
        onReviewOf,
      }),
    closed: () => undefined,
    log: { info() {}, warn: (...said) => void warned.push(said), error() {}, fault() {} } as BrokerTarget['log'],
    now: () => performance.now(),
    ...changes,
  }
  const ask = async (asked: AskedFor = {}): Promise<CameBack> => {
    const { project = 'team-a', body = { prompt: 'hello' }, contentType = 'application/json', key, attempt = 'attempt-1' } = asked
    const [operation] = compiled.operations
    if (operation === undefined) throw new Error('no operation')
    const bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
    const headers = bytes.length === 0 ? {} : { 'content-type': contentType, 'content-length': String(bytes.length) }
    const request = Object.assign(Readable.from([bytes]), { headers }) as unknown as IncomingMessage
    let came: { status: number; value: unknown } = { status: 0, value: undefined }
    const act = brokeredAct(target, operation, {
      request,
      response: {} as ServerResponse,
      attempt,
      resource: 'brokered/sessions',
      path: { project },
      idempotencyKey: key,
      answer: async (status, value) => {
        came = { status, value }
        return 1
      },
    })
    try {
      await act(grantOf(asked))
      return { status: came.status, value: (came.value ?? {}) as CameBack['value'], refusal: undefined }
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      return { status: error.status, value: {}, refusal: error }
    }
  }
  return { api, ask, records, warned, byAccount: () => api.asked.filter((one) => one.authorization === `Bearer ${ACCOUNT_TOKEN}`) }
}

function grantOf({ caller = bearerCaller(USER_TOKEN), credential }: AskedFor): Grant {
  return {
    caller,
    credential: credential ?? bearerCredential(new Secret(USER_TOKEN), Number.POSITIVE_INFINITY),
    effect: async () => undefined,
    refused: () => false,
    renew: async () => {
      throw new Refusal('credential_refused')
    },
    streamOpened: async () => undefined,
  }
}
