/**
 * Brokers that must not be configured.
 *
 * Security: a broker writes with rights of its own for whoever asks, so everything by which a write could be another than
 * the one that its user was reviewed for is refused here, before anybody asks: by account (`broker-account.ts`), kind (`broker-kinds.ts`), path (`broker-paths.ts`), expression
 * (`broker-expressions.ts`), place (`broker-objects.ts`), template (`broker-templates.ts`), review (`broker-reviews.ts`) and
 * step (`broker-writes.ts`).
 */
import { BodySchemaFaulty, compileBodySchema } from '../../template/body-schema.ts'
import type { BrokerConfig, OperationConfig } from '../broker.ts'
import type { Config } from '../config.ts'
import { isSecret } from '../deny-list.ts'
import type { Fault } from '../faults/faults.ts'
import { accountFaults, leaseFaults } from './broker-account.ts'
import { kindsFaults } from './broker-kinds.ts'
import { objectFaults, systemNamespaceFaults } from './broker-objects.ts'
import { brokerPathFaults } from './broker-paths.ts'
import { deniedFault, isLifted, kindNamed, kindOfStep, kindText, type Scope, scopeOf } from './broker-scope.ts'
import { writeFaults } from './broker-writes.ts'

type Parts = Pick<Config, 'brokered' | 'clusters' | 'routes' | 'publicUrl' | 'listen' | 'providers'>

/** The faults of all brokers; none where there are none. */
export function brokerFaults(config: Parts): Fault[] {
  return [
    ...Object.values(config.brokered).flatMap((broker) => [
      ...originFaults(config, broker),
      ...accountFaults(config, broker, pathOf(broker)),
      ...kindsFaults(broker, pathOf(broker)),
      ...namespacesFaults(broker),
      ...rightsFaults(broker),
      ...nameFaults(broker),
      ...broker.operations.flatMap((operation, place) => operationFaults(broker, operation, `${pathOf(broker)}.operations.${place}`)),
    ]),
    ...leaseFaults(config),
    ...brokerPathFaults(config),
  ]
}

/** In each of them is asked what the account may do, and no more are (`kubernetes/account-probes.ts`). */
const MOST_NAMESPACES = 100

const pathOf = ({ name }: BrokerConfig) => `brokered.${name}`

function originFaults({ clusters, providers }: Parts, broker: BrokerConfig): Fault[] {
  const faults: Fault[] = (broker.allow?.providers ?? [])
    .filter((name) => !Object.hasOwn(providers, name))
    .map((name) => ({
      code: 'unknown_name',
      path: `${pathOf(broker)}.allow.providers`,
      problem: `names ${name}, which is not configured`,
      mend: 'name a configured provider',
    }))
  if (Object.hasOwn(clusters, broker.cluster)) return faults
  return [
    { code: 'unknown_name', path: `${pathOf(broker)}.cluster`, problem: 'is not one of clusters', mend: 'name a configured cluster' },
    ...faults,
  ]
}

function namespacesFaults(broker: BrokerConfig): Fault[] {
  const at = pathOf(broker)
  const named = broker.namespaces === '*' ? [] : broker.namespaces
  const tooMany = { path: `${at}.namespaces`, problem: `expected at most ${MOST_NAMESPACES} namespaces`, mend: 'split the broker' }
  return [
    ...(named.length > MOST_NAMESPACES ? [tooMany] : []),
    ...named.flatMap((namespace, place) => systemNamespaceFaults(broker, namespace, `${at}.namespaces.${place}`)),
    ...(broker.cleanup === undefined ? [] : systemNamespaceFaults(broker, broker.cleanup.lease.namespace, `${at}.cleanup.lease.namespace`)),
  ]
}

/** Kinds that are opened and not written: such as one whose operation was removed alone. */
function rightsFaults(broker: BrokerConfig): Fault[] {
  const written = writtenKinds(broker)
  return broker.rightsOpen.flatMap((entry, place): Fault[] =>
    written.has(entry)
      ? []
      : [
          {
            path: `${pathOf(broker)}.rightsOpen.${place}`,
            problem: 'is written by no operation',
            mend: 'remove it, or write it as resource.group, with /status where the status is written',
          },
        ],
  )
}

function writtenKinds(broker: BrokerConfig): ReadonlySet<string> {
  const steps = broker.operations.flatMap(({ writes = [] }) => writes)
  return new Set(
    steps.flatMap((step) => {
      if (step.do === 'token') return ['serviceaccounts/token', ...(step.into === undefined ? [] : ['secrets'])]
      const kind = kindOfStep(broker, step)
      return kind === undefined ? [] : [`${kindText(kind)}${step.do === 'status' ? '/status' : ''}`]
    }),
  )
}

function nameFaults(broker: BrokerConfig): Fault[] {
  const names = broker.operations.map(({ name }) => name)
  return names.flatMap((name, place): Fault[] => {
    const first = names.indexOf(name)
    if (first === place) return []
    const path = `${pathOf(broker)}.operations.${place}.name`
    return [{ code: 'duplicate', path, problem: `is that of operations.${first} as well`, mend: 'give each operation its own name' }]
  })
}

function operationFaults(broker: BrokerConfig, operation: OperationConfig, at: string): Fault[] {
  const empty = scopeOf(broker, operation)
  const scope: Scope = { ...empty, given: new Set(Object.keys(operation.given)) }
  return [
    ...formFaults(operation, at),
    ...bodyFaults(operation, at),
    ...givenFaults(operation, at, empty),
    ...asUserFaults(operation, at, scope),
    ...writeFaults(operation, at, scope),
  ]
}

const METHOD_OF = { get: 'GET', list: 'GET', delete: 'DELETE' } as const

function formFaults({ asUser, writes, match, body, answer }: OperationConfig, at: string): Fault[] {
  const faults: Fault[] = []
  if ((asUser === undefined) === (writes === undefined)) {
    const problem = asUser === undefined ? 'has neither asUser nor writes' : 'has both asUser and writes'
    faults.push({ path: at, problem, mend: 'say either what the user does or what the service does' })
  }
  if (asUser !== undefined && match.method !== METHOD_OF[asUser.do])
    faults.push({ path: `${at}.match.method`, problem: `is not that of ${asUser.do}`, mend: `write ${METHOD_OF[asUser.do]}` })
  if (writes !== undefined && match.method === 'GET')
    faults.push({
      path: `${at}.match.method`,
      problem: 'is GET, which a link or a page may follow',
      mend: 'use POST, PUT, PATCH or DELETE',
    })
  if (body !== undefined && writes === undefined)
    faults.push({ path: `${at}.body`, problem: 'is taken by an operation that writes nothing', mend: 'remove it' })
  if (answer !== undefined && writes === undefined)
    faults.push({ path: `${at}.answer`, problem: 'stands by an operation that writes nothing', mend: 'remove it' })
  return faults
}

function bodyFaults({ body }: OperationConfig, at: string): Fault[] {
  if (body === undefined) return []
  try {
    compileBodySchema(body)
    return []
  } catch (error) {
    if (!(error instanceof BodySchemaFaulty)) throw error
    return [
      {
        path: `${at}.body`,
        problem: `is no schema that can be used: ${error.problem}`,
        mend: 'correct the schema (it is JSON Schema 2020-12)',
      },
    ]
  }
}

/** Each may be named by what was read before it. */
function givenFaults({ given }: OperationConfig, at: string, empty: Scope): Fault[] {
  return Object.entries(given).flatMap(([name, named], place) => {
    const before = { ...empty, given: new Set(Object.keys(given).slice(0, place)) }
    const path = `${at}.given.${name}`
    return [...objectFaults(named, path, 'the name of what is read', before), ...secretFaults(named.kind, path, empty.broker)]
  })
}

function asUserFaults({ asUser }: OperationConfig, at: string, scope: Scope): Fault[] {
  if (asUser === undefined) return []
  const path = `${at}.asUser`
  const faults = objectFaults(asUser, path, 'the name of what is read', scope)
  const lists = asUser.do === 'list'
  if (lists && asUser.name !== undefined) faults.push({ path: `${path}.name`, problem: 'stands by a list', mend: 'remove it' })
  if (!lists && asUser.name === undefined)
    faults.push({ path: `${path}.name`, problem: 'is missing', mend: `say which object to ${asUser.do}` })
  if (!lists && asUser.watch) faults.push({ path: `${path}.watch`, problem: 'is for a list alone', mend: 'remove it' })
  // What is deleted may come back with the answer.
  return [...faults, ...secretFaults(asUser.kind, path, scope.broker)]
}

function secretFaults(name: string, path: string, broker: BrokerConfig): Fault[] {
  const kind = kindNamed(broker, name)
  if (kind === undefined || !isSecret(kind) || isLifted(broker, 'secrets')) return []
  return [deniedFault(`${path}.kind`, 'is a read of Secrets', 'secrets')]
}
