/**
 * `mandate rbac`: the Roles that a broker's service account needs for its declared operations, to be looked at and applied.
 *
 * Security: it is made of the configuration alone and asks no cluster, so that what is applied is what was declared.
 */
import { stringify } from 'yaml'
import { type AccountRight, accountRights } from '../broker/account-rights.ts'
import { Complaint, WrongUsage } from '../complaint.ts'
import type { BrokerConfig } from '../config/broker.ts'
import { loadConfig } from '../config/config.ts'
import { jsonOf } from './json.ts'

export interface RbacOptions {
  readonly config: string
  readonly broker?: string
  readonly serviceAccount: string
  readonly output: 'yaml' | 'json'
}

interface Account {
  readonly kind: 'ServiceAccount'
  readonly namespace: string
  readonly name: string
}

export async function rbac({ config: path, broker: named, serviceAccount, output }: RbacOptions): Promise<void> {
  const account = accountIn(serviceAccount)
  const { brokered } = await loadConfig(path)
  const broker = chosen(brokered, named)
  const rights = accountRights(broker)
  if (rights.length === 0) throw new Complaint(`${broker.name} writes nothing, so its operations need no service account`)
  const documents = documentsOf(broker.name, rights, account)
  process.stdout.write(
    output === 'json'
      ? `${jsonOf({ apiVersion: 'v1', kind: 'List', items: documents }, 2)}\n`
      : `${headOf(broker, serviceAccount)}${documents.map((each) => stringify(each, { lineWidth: 0 })).join('---\n')}`,
  )
}

function accountIn(text: string): Account {
  const [, namespace = '', name = ''] =
    /^([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)\/([a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)$/.exec(text) ?? []
  if (name === '') throw new WrongUsage('--service-account takes NAMESPACE/NAME, such as mandate/sessions')
  return { kind: 'ServiceAccount', namespace, name }
}

function chosen(brokered: Readonly<Record<string, BrokerConfig>>, named: string | undefined): BrokerConfig {
  const names = Object.keys(brokered)
  if (names.length === 0) throw new Complaint('the configuration has no brokered resources, so there is no service account to give rights')
  if (named === undefined && names.length > 1) throw new Complaint(`name one of ${names.join(', ')} by --broker`)
  const name = named ?? names[0] ?? ''
  const found = Object.hasOwn(brokered, name) ? brokered[name] : undefined
  if (found === undefined) throw new Complaint(`--broker is none of the configuration: it has ${names.join(', ')}`)
  return found
}

/** A role and its binding for each namespace; one for the whole cluster where rights reach over all, or over none. */
function documentsOf(broker: string, rights: readonly AccountRight[], account: Account): object[] {
  const isWide = ({ namespace }: AccountRight) => namespace === '*' || namespace === ''
  const narrow = rights.filter((right) => !isWide(right))
  return [
    ...roleAndBinding(broker, undefined, rights.filter(isWide), account),
    ...[...new Set(narrow.map(({ namespace }) => namespace))].flatMap((namespace) =>
      roleAndBinding(
        broker,
        namespace,
        narrow.filter((right) => right.namespace === namespace),
        account,
      ),
    ),
  ]
}

function roleAndBinding(broker: string, namespace: string | undefined, rights: readonly AccountRight[], account: Account): object[] {
  if (rights.length === 0) return []
  const api = 'rbac.authorization.k8s.io'
  const kind = namespace === undefined ? 'ClusterRole' : 'Role'
  const name = `mandate-${broker}`
  const head = { apiVersion: `${api}/v1`, kind, metadata: { name, ...(namespace === undefined ? {} : { namespace }) } }
  return [
    { ...head, rules: rights.map(ruleOf) },
    { ...head, kind: `${kind}Binding`, roleRef: { apiGroup: api, kind, name }, subjects: [{ ...account }] },
  ]
}

function ruleOf({ group, resource, verbs, resourceNames }: AccountRight): object {
  return {
    apiGroups: [group],
    resources: [resource],
    verbs: [...verbs],
    ...(resourceNames.length === 0 ? {} : { resourceNames: [...resourceNames] }),
  }
}

/** Names of the configuration only: none of them can end a line. */
function headOf({ name, cluster, operations, cleanup }: BrokerConfig, account: string): string {
  const writing = operations.filter(({ writes }) => writes !== undefined).map((operation) => operation.name)
  return [
    `# What the service account ${account} needs on the cluster ${cluster} as the account of brokered.${name}, and no more.`,
    `# For the operations: ${writing.join(', ')}${cleanup === undefined ? '' : '; and for cleaning up'}`,
    '# Made by mandate rbac; make it anew when the configuration changes.',
    '',
  ].join('\n')
}
