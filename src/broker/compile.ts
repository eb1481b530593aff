/**
 * Configuration -> operations that can run. The configuration has been checked (`config/unsafe/broker-faults.ts`): what throws here
 * is a fault of ours.
 *
 * Security: what the service account may write is collected here from the steps and from nothing else, so a client that is
 * made with it writes no kind, and on no other review, than the operator declared.
 */
import type { BrokerConfig, KindConfig, OperationConfig, ReviewConfig, WriteConfig } from '../config/broker.ts'
import { compileBodySchema } from '../template/body-schema.ts'
import { type ComputedText, compileTemplate, compileText } from '../template/template.ts'
import type { AsUser, Broker, Kind, Operation, Place, Segment, StandIn, Step } from './operation.ts'

/** What stands for what the names of expressions mean; which may stand where, the check of the configuration has seen. */
const ROOTS: ReadonlySet<string> = new Set(['path', 'body', 'principal', 'given', 'unique', 'written'])
const SECRETS: Kind = { group: '', version: 'v1', resource: 'secrets', kind: 'Secret', namespaced: true }
const SERVICE_ACCOUNTS: Kind = { group: '', version: 'v1', resource: 'serviceaccounts', kind: 'ServiceAccount', namespaced: true }

type Computed = string | { readonly cel: string }

/** One broker. `signInHost` serves the operations that name no host. */
export function compileBroker(config: BrokerConfig, signInHost: string): Broker {
  const operations = config.operations.map((operation) => compileOperation(config, operation, signInHost))
  const writes = operations.flatMap(({ steps }) => steps.flatMap(writesOf))
  const tokens = operations.some(({ steps }) => steps.some((step) => step.do === 'token'))
  const intoSecrets = operations.some(({ steps }) => steps.some((step) => step.do === 'token' && step.into !== undefined))
  return {
    name: config.name,
    operations,
    namespaces: config.namespaces === '*' ? '*' : new Set(config.namespaces),
    lifted: new Set(config.deniedOpen),
    bodyLimit: config.bodyLimit,
    callerText: config.callerText,
    mayWrite: unique(writes.map(({ kind }) => kind)),
    rightsOpen: unique([...config.rightsOpen, ...(tokens ? ['serviceaccounts/token'] : []), ...(intoSecrets ? ['secrets'] : [])]),
    onReviewOf: writes.flatMap(({ verb, kind, reviewed }) => (reviewed === undefined ? [] : [{ reviewed, write: `${verb} ${kind}` }])),
  }
}

interface Written {
  readonly verb: string
  /** As `mayWrite` has it. */
  readonly kind: string
  readonly reviewed: string | undefined
}

/** What a step sends with the service account, write by write. */
function writesOf(step: Step): Written[] {
  const reviewed = step.review && reviewedText(step.review)
  const kind = kindText(step.kind)
  switch (step.do) {
    case 'apply':
      return ['patch', 'create'].map((verb) => ({ verb, kind, reviewed }))
    case 'create':
    case 'patch':
    case 'delete':
      return [{ verb: step.do, kind, reviewed }]
    case 'status':
      return [{ verb: 'patch', kind: `${kind}/status`, reviewed }]
    case 'token': {
      const minted = { verb: 'create', kind: `${kind}/token`, reviewed }
      if (step.into === undefined) return [minted]
      const { review } = step.into
      return [minted, { verb: 'create', kind: kindText(step.into.kind), reviewed: review && reviewedText(review) }]
    }
  }
}

function compileOperation(config: BrokerConfig, operation: OperationConfig, signInHost: string): Operation {
  const { name, match, body, given, asUser, writes = [], answer } = operation
  const steps = writes.map((write, at) => compileStep(config, write, at))
  return {
    name,
    host: match.host ?? signInHost,
    method: match.method,
    segments: match.path.slice(1).split('/').map(segmentOf),
    body: body === undefined ? undefined : compileBodySchema(body),
    given: new Map(Object.entries(given).map(([key, place]) => [key, placeOf(config, place)])),
    asUser: asUser && compileAsUser(config, asUser),
    steps,
    answer: answer === undefined ? 0 : steps.findIndex(({ as }) => as === answer),
  }
}

function segmentOf(text: string): Segment {
  return text.startsWith('{') ? { parameter: text.slice(1, -1) } : { literal: text }
}

function compileAsUser(config: BrokerConfig, { do: verb, kind, namespace, name, watch }: NonNullable<OperationConfig['asUser']>): AsUser {
  return { do: verb, kind: kindOf(config, kind), namespace: textOf(namespace), name: textOf(name), watch }
}

function compileStep(config: BrokerConfig, write: WriteConfig, at: number): Step {
  // No name that a configuration can give: a step without one is referred to by nobody.
  const common = { as: write.as ?? `#${at}`, review: write.review && standInOf(config, write.review) }
  switch (write.do) {
    case 'create':
    case 'apply':
      return {
        ...common,
        ...placeOf(config, write),
        do: write.do,
        object: compileTemplate(write.object, ROOTS),
        ownedBy: write.ownedBy,
      }
    case 'patch':
      return { ...common, ...placeOf(config, write), do: 'patch', change: compileTemplate(write.patch, ROOTS) }
    case 'status':
      return { ...common, ...placeOf(config, write), do: 'status', change: compileTemplate(write.status, ROOTS) }
    case 'delete':
      return { ...common, ...placeOf(config, write), do: 'delete' }
    case 'token': {
      const namespace = compileText(write.namespace, ROOTS)
      const { into, audiences, expirationSeconds, inAnswerOpen } = write
      return {
        ...common,
        do: 'token',
        kind: SERVICE_ACCOUNTS,
        namespace,
        name: compileText(write.serviceAccount, ROOTS),
        audiences: atLeastOne(audiences),
        expirationSeconds,
        inAnswerOpen,
        into: into && {
          kind: SECRETS,
          namespace,
          name: compileText(into.secret, ROOTS),
          key: into.key,
          ownedBy: into.ownedBy,
          review: into.review && standInOf(config, into.review),
        },
      }
    }
  }
}

function placeOf(
  config: BrokerConfig,
  { kind, namespace, name }: { readonly kind: string; readonly namespace?: Computed | undefined; readonly name: Computed },
): Place {
  return { kind: kindOf(config, kind), namespace: textOf(namespace), name: compileText(name, ROOTS) }
}

function standInOf(config: BrokerConfig, { verb, kind, subresource = '', name }: ReviewConfig): StandIn {
  return { verb, kind: kindOf(config, kind), subresource, name: textOf(name) }
}

function textOf(value: Computed | undefined): ComputedText | undefined {
  return value === undefined ? undefined : compileText(value, ROOTS)
}

function kindOf(config: BrokerConfig, key: string): Kind {
  const found: KindConfig | undefined = Object.hasOwn(config.kinds, key) ? config.kinds[key] : undefined
  if (found === undefined) throw new Error('a kind that the check of the configuration should have missed')
  return found
}

/** A kind in the notation of `mayWrite`. */
export function kindText({ group, resource }: Pick<Kind, 'group' | 'resource'>): string {
  return group === '' ? resource : `${resource}.${group}`
}

function reviewedText({ verb, kind, subresource }: StandIn): string {
  return `${verb} ${kindText(kind)}${subresource === '' ? '' : `/${subresource}`}`
}

function atLeastOne(values: readonly string[]): readonly [string, ...string[]] {
  const [first, ...rest] = values
  if (first === undefined) throw new Error('a list that the check of the configuration should have seen empty')
  return [first, ...rest]
}

function unique(values: readonly string[]): string[] {
  return [...new Set(values)]
}
