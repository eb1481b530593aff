/**
 * The faults of a configuration in the words of an operator: where it is, what is wrong, and the mend.
 *
 * Security: a fault never repeats a value, because a value in the wrong place may be a secret.
 */
import type { z } from 'zod'

export interface Fault {
  /** Where: keys joined by dots, as one would find them in the file. */
  readonly path: string
  readonly problem: string
  readonly mend: string
}

type Issue = z.core.$ZodIssue
type Path = readonly PropertyKey[]

/** All the faults of one configuration. Its message lists them, a line each. */
export class ConfigFaulty extends Error {
  override readonly name = 'ConfigFaulty'
  readonly code = 'config_faulty'
  readonly faults: readonly Fault[]

  constructor(faults: readonly Fault[]) {
    super(faults.map((fault) => `${fault.path || '(whole file)'}: ${fault.problem}. Mend: ${fault.mend}.`).join('\n'))
    this.faults = faults
  }
}

/** What zod says of `root`, in our words. */
export function faultsOf(issues: readonly Issue[], root: unknown): Fault[] {
  return issues.flatMap((issue) => faultsOfOne(issue, [], root))
}

function faultsOfOne(issue: Issue, above: Path, root: unknown): Fault[] {
  const whole = [...above, ...issue.path]
  const path = whole.map(String).join('.')
  const fault = (problem: string, mend: string): Fault[] => [{ path, problem, mend }]
  const missing = valueAt(root, whole) === undefined
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => unknownKey([...whole, key]))
    case 'invalid_type':
      if (issue.message.startsWith('expected '))
        return fault(missing ? 'is missing' : 'does not have the form that it needs', writtenAs(issue.message))
      return missing
        ? fault('is missing', `give ${kindOf(issue.expected)}`)
        : fault(`is not ${kindOf(issue.expected)}`, `write ${kindOf(issue.expected)}`)
    case 'invalid_value':
      return fault(missing ? 'is missing' : 'is not one of the values it may have', oneOf(issue.values))
    case 'invalid_union':
      return faultsOfUnion(issue, above, root)
    case 'invalid_key':
      return fault('is not a name that may stand here', writtenAs(issue.issues[0]?.message))
    case 'too_small':
      return issue.origin === 'array'
        ? fault('is empty', 'list at least one')
        : fault(`is less than ${issue.minimum}`, `write ${issue.minimum} or more`)
    case 'too_big':
      return fault(`is more than ${issue.maximum}`, `write ${issue.maximum} or less`)
    case 'custom':
      return fault(issue.message, typeof issue.params?.['mend'] === 'string' ? issue.params['mend'] : 'correct it as described')
    case 'invalid_format':
      return fault('does not have the form that it needs', writtenAs(issue.message))
    case 'not_multiple_of':
    case 'invalid_element':
      return fault('is not a value that may stand here', 'see docs/reference/config.md')
  }
}

/** The faults of the one alternative that was meant, where that can be told; else what the alternatives are. */
function faultsOfUnion(issue: Extract<Issue, { code: 'invalid_union' }>, above: Path, root: unknown): Fault[] {
  const whole = [...above, ...issue.path]
  const path = whole.map(String).join('.')
  const missing = valueAt(root, whole) === undefined
  if ('options' in issue && Array.isArray(issue.options)) {
    return [{ path, problem: missing ? 'is missing' : 'is not one of the values it may have', mend: oneOf(issue.options) }]
  }
  const within = issue.errors.filter((branch) => branch.length > 0 && branch.every((inner) => inner.path.length > 0))
  const meant = only(within) ?? only(issue.errors.filter((branch) => branch.length > 0 && branch.every(isOfThisType)))
  if (!missing && meant !== undefined) return meant.flatMap((inner) => faultsOfOne(inner, whole, root))
  return [{ path, problem: missing ? 'is missing' : 'does not have a form that it may have', mend: writtenAs(issue.message) }]
}

function only<T>(all: readonly T[]): T | undefined {
  return all.length === 1 ? all[0] : undefined
}

/** False when an alternative is for text and this is a group of keys, or the like. */
function isOfThisType({ path, code }: Issue): boolean {
  return path.length > 0 || code === 'custom' || code === 'too_small'
}

/** A key that the schema does not have. */
export function unknownKey(path: Path): Fault {
  return {
    path: path.map(String).join('.'),
    problem: 'is not a key that Mandate knows',
    mend: 'remove it, or correct its spelling (docs/reference/config.md lists all keys)',
  }
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
