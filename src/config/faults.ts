/**
 * The faults of a configuration in the words of an operator: where it is, what is wrong, and the mend.
 *
 * Security: a fault never repeats a value, because a value in the wrong place may be a secret.
 */
import type { z } from 'zod'
import { nearest } from './nearest.ts'

export interface Fault {
  /** Where: keys joined by dots, as one would find them in the file. */
  readonly path: string
  readonly problem: string
  readonly mend: string
}

type Issue = z.core.$ZodIssue
type Path = readonly PropertyKey[]

/** The names of the routes by their places in the list; undefined for one that has none. */
export type RouteNames = ReadonlyArray<string | undefined>

/** All the faults of one configuration. Its message lists them, a line each. */
export class ConfigFaulty extends Error {
  override readonly name = 'ConfigFaulty'
  readonly code = 'config_faulty'
  readonly faults: readonly Fault[]
  readonly routeNames: RouteNames

  constructor(faults: readonly Fault[], routeNames: RouteNames = []) {
    super(faults.map((fault) => `${fault.path || '(whole file)'}: ${fault.problem}. Mend: ${fault.mend}.`).join('\n'))
    this.faults = faults
    this.routeNames = routeNames
  }
}

/** What was read, and which keys the schema has at a place of it. */
export interface Read {
  readonly root: unknown
  readonly keysAt: (path: Path) => readonly string[]
}

/** What zod says of what was read, in our words. */
export function faultsOf(issues: readonly Issue[], read: Read): Fault[] {
  return issues.flatMap((issue) => faultsOfOne(issue, [], read))
}

function faultsOfOne(issue: Issue, above: Path, read: Read): Fault[] {
  const whole = [...above, ...issue.path]
  const path = whole.map(String).join('.')
  const fault = (problem: string, mend: string): Fault[] => [{ path, problem, mend }]
  const value = valueAt(read.root, whole)
  const missing = value === undefined
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => unknownKey([...whole, key], nearest(key, read.keysAt(whole))))
    case 'invalid_type':
      if (issue.message.startsWith('expected '))
        return fault(missing ? 'is missing' : 'does not have the form that it needs', writtenAs(issue.message))
      return missing
        ? fault('is missing', `give ${formOf(issue.expected, whole)}`)
        : fault(`is not ${kindOf(issue.expected)}`, `write ${formOf(issue.expected, whole)}`)
    case 'invalid_value':
      return fault(missing ? 'is missing' : 'is not one of the values it may have', oneOf(issue.values))
    case 'invalid_union':
      return faultsOfUnion(issue, above, read)
    case 'invalid_key':
      return fault(
        hasUnderscore(whole.at(-1), issue.issues[0]?.message) ?? 'is not a name that may stand here',
        writtenAs(issue.issues[0]?.message),
      )
    case 'too_small':
      return issue.origin === 'array'
        ? fault('is empty', 'list at least one')
        : fault(`is less than ${issue.minimum}`, `write ${issue.minimum} or more`)
    case 'too_big':
      return fault(`is more than ${issue.maximum}`, `write ${issue.maximum} or less`)
    case 'custom':
      return fault(issue.message, typeof issue.params?.['mend'] === 'string' ? issue.params['mend'] : 'correct it as described')
    case 'invalid_format':
      return fault(hasUnderscore(value, issue.message) ?? 'does not have the form that it needs', writtenAs(issue.message))
    case 'not_multiple_of':
    case 'invalid_element':
      return fault('is not a value that may stand here', 'see docs/reference/config.md')
  }
}

/** The faults of the one alternative that was meant, where that can be told; else what the alternatives are. */
function faultsOfUnion(issue: Extract<Issue, { code: 'invalid_union' }>, above: Path, read: Read): Fault[] {
  const whole = [...above, ...issue.path]
  const path = whole.map(String).join('.')
  const missing = valueAt(read.root, whole) === undefined
  if ('options' in issue && Array.isArray(issue.options)) {
    return [{ path, problem: missing ? 'is missing' : 'is not one of the values it may have', mend: oneOf(issue.options) }]
  }
  const within = issue.errors.filter((branch) => branch.length > 0 && branch.every((inner) => inner.path.length > 0))
  const meant =
    only(within) ??
    only(issue.errors.filter((branch) => branch.length > 0 && branch.every(isOfThisType))) ??
    only(issue.errors.filter((branch) => branch.length > 0 && branch.every(isOfItsKeys)))
  if (!missing && meant !== undefined) return meant.flatMap((inner) => faultsOfOne(inner, whole, read))
  return [{ path, problem: missing ? 'is missing' : 'does not have a form that it may have', mend: writtenAs(issue.message) }]
}

function only<T>(all: readonly T[]): T | undefined {
  return all.length === 1 ? all[0] : undefined
}

/** False when an alternative is for text and this is a group of keys, or the like. */
function isOfThisType({ path, code }: Issue): boolean {
  return path.length > 0 || code === 'custom' || code === 'too_small'
}

/** False when an alternative is no group of keys, though one was written. */
function isOfItsKeys({ path, code }: Issue): boolean {
  return path.length > 0 || code === 'unrecognized_keys'
}

/** A key that the schema does not have, and the one that may have been meant. */
export function unknownKey(path: Path, meant?: string): Fault {
  const all = '(docs/reference/config.md lists all keys)'
  return {
    path: path.map(String).join('.'),
    problem: 'is not a key that Mandate knows',
    mend: meant === undefined ? `remove it, or correct its spelling ${all}` : `did you mean ${meant}? Else remove it ${all}`,
  }
}

/** A header may not have one: many services read it as a hyphen, and so would take one header for another. */
function hasUnderscore(written: unknown, message: string | undefined): string | undefined {
  const isHeader = message?.includes('the name of a header') === true
  return isHeader && typeof written === 'string' && written.includes('_')
    ? 'has an underscore, which services take for a hyphen: it cannot stand in the name of a header here'
    : undefined
}

function valueAt(root: unknown, path: Path): unknown {
  let value: unknown = root
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined
    value = Object.getOwnPropertyDescriptor(value, key)?.value
  }
  return value
}

const KINDS: Readonly<Record<string, string>> = {
  object: 'a group of keys',
  record: 'a group of keys',
  array: 'a list',
  string: 'text (in quotes if it looks like a number)',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
}

function kindOf(expected: string): string {
  return KINDS[expected] ?? 'a value of another kind'
}

/** Lists by the key that they stand under, as one would write them. */
const LISTS: Readonly<Record<string, string>> = {
  scopes: '[reports.read]',
  callers: '[person, machine]',
  providers: '[corp]',
  groups: '[finance]',
  methods: '[GET, POST]',
  withhold: '[X-Remote-Login]',
  servers: '["http://reports-0:8080"]',
  machineClients: '[report-robot]',
  behind: '[10.0.0.0/8]',
  trusted: '[10.0.0.0/8]',
}

/** A kind of value, and a list with an example: who writes one entry alone does not think of a list. */
function formOf(expected: string, path: Path): string {
  if (expected !== 'array') return kindOf(expected)
  const key = String(path.at(-1))
  if (key === 'scopes' && path[0] === 'providers') return 'a list, such as [openid, profile]'
  const example = Object.hasOwn(LISTS, key) ? LISTS[key] : undefined
  return example === undefined ? 'a list: its entries in [ and ], commas between them' : `a list, such as ${example}`
}

function oneOf(values: readonly unknown[]): string {
  const all = values.map(String)
  return all.length === 1 ? `write ${all[0]}` : `use one of ${all.join(', ')}`
}

/** Our own messages in the schema say "expected ..."; zod's own say nothing to an operator. */
function writtenAs(message: string | undefined): string {
  return message?.startsWith('expected ') === true
    ? `write ${message.slice('expected '.length)}`
    : 'see docs/reference/config.md for its forms'
}
