/**
 * The faults of a configuration in the words of an operator: where it is, what is wrong, and the mend.
 *
 * Security: a fault never repeats a value, because a value in the wrong place may be a secret.
 */
import type { z } from 'zod'
import { mendOfBorrowed } from './borrowed-keys.ts'
import { groupAt, listAt } from './examples-of-keys.ts'
import type { FaultCode } from './fault-codes.ts'
import { nearest } from './nearest.ts'
import { toldByShape } from './told-by-shape.ts'

export interface Fault {
  /** Its kind, where whoever found it says so (`ToldFault` always has one). */
  readonly code?: FaultCode
  /** Where: keys joined by dots, as one would find them in the file. */
  readonly path: string
  readonly problem: string
  readonly mend: string
  /** Its place in the file, where that shows it; from 1, as editors count. */
  readonly line?: number
  readonly column?: number
}

/** A fault as it is told, with its kind. */
export interface ToldFault extends Fault {
  readonly code: FaultCode
}

type Issue = z.core.$ZodIssue
type Path = readonly PropertyKey[]

/** The names of the routes by their places in the list; undefined for one that is named by nothing. */
export type RouteNames = ReadonlyArray<string | undefined>

/** All the faults of one configuration. Its message lists them, a line each. */
export class ConfigFaulty extends Error {
  override readonly name = 'ConfigFaulty'
  readonly code = 'config_faulty'
  readonly faults: readonly ToldFault[]
  readonly routeNames: RouteNames
  /** The file that it was read from, as it was named; undefined for text. */
  readonly file: string | undefined

  /** Rules over several keys need not say their kind: theirs is `unsafe`. */
  constructor(faults: readonly Fault[], routeNames: RouteNames = [], file?: string) {
    super(faults.map((fault) => `${whereOf(fault)}: ${fault.problem}. Mend: ${fault.mend}.`).join('\n'))
    this.faults = faults.map((fault) => ({ ...fault, code: fault.code ?? 'unsafe' }))
    this.routeNames = routeNames
    this.file = file
  }
}

/** Where a fault is, in words: its path, else its line. */
export function whereOf({ path, line, column }: Fault): string {
  if (path !== '') return path
  return line === undefined || column === undefined ? '(whole file)' : `line ${line}, column ${column}`
}

/** What was read, and which keys the schema has at a place of it. */
export interface Read {
  readonly root: unknown
  readonly keysAt: (path: Path) => readonly string[]
}

/** What zod says of what was read, in our words. */
export function faultsOf(issues: readonly Issue[], read: Read): ToldFault[] {
  return issues.flatMap((issue) => faultsOfOne(issue, [], read))
}

function faultsOfOne(issue: Issue, above: Path, read: Read): ToldFault[] {
  const whole = [...above, ...issue.path]
  const path = whole.map(String).join('.')
  const fault = (code: FaultCode, problem: string, mend: string): ToldFault[] => [{ code, path, problem, mend }]
  const value = valueAt(read.root, whole)
  const missing = value === undefined
  const told = toldByShape(issue, value, whole)
  if (told !== undefined) return fault(...told)
  switch (issue.code) {
    case 'unrecognized_keys':
      // Beside a reference what looks like a key may be the secret itself.
      if (isReference(read.keysAt(whole)))
        return fault('unknown_key', 'has more than env or file in it', 'write { env: NAME } or { file: PATH }')
      return issue.keys.map((key) => unknownKey([...whole, key], nearest(key, read.keysAt(whole))))
    case 'invalid_type':
      if (issue.message.startsWith('expected '))
        return missing
          ? fault('missing', 'is missing', writtenAs(issue.message))
          : fault('wrong_type', 'does not have the form that it needs', writtenAs(issue.message))
      return missing
        ? fault('missing', 'is missing', formOf(issue.expected, whole, 'give'))
        : fault('wrong_type', `is not ${kindOf(issue.expected)}`, formOf(issue.expected, whole, 'write'))
    case 'invalid_value':
      return missing
        ? fault('missing', 'is missing', oneOf(issue.values))
        : fault('wrong_form', 'is not one of the values it may have', oneOf(issue.values))
    case 'invalid_union':
      return faultsOfUnion(issue, above, read)
    case 'invalid_key':
      return fault(
        'wrong_form',
        hasUnderscore(whole.at(-1), issue.issues[0]?.message) ?? 'is not a name that may stand here',
        writtenAs(issue.issues[0]?.message),
      )
    case 'too_small':
      return issue.origin === 'array'
        ? fault('wrong_form', 'is empty', 'list at least one')
        : fault('wrong_form', `is less than ${issue.minimum}`, `write ${issue.minimum} or more`)
    case 'too_big':
      return fault('wrong_form', `is more than ${issue.maximum}`, `write ${issue.maximum} or less`)
    case 'custom':
      return fault(
        typeof issue.params?.['unset'] === 'string' ? 'unreadable' : 'wrong_form',
        issue.message,
        typeof issue.params?.['mend'] === 'string' ? issue.params['mend'] : 'correct it as described',
      )
    case 'invalid_format':
      return fault('wrong_form', hasUnderscore(value, issue.message) ?? 'does not have the form that it needs', writtenAs(issue.message))
    case 'not_multiple_of':
    case 'invalid_element':
      return fault('wrong_form', 'is not a value that may stand here', 'see docs/reference/config.md')
  }
}

/** The faults of the one alternative that was meant, where that can be told; else what the alternatives are. */
function faultsOfUnion(issue: Extract<Issue, { code: 'invalid_union' }>, above: Path, read: Read): ToldFault[] {
  const whole = [...above, ...issue.path]
  const path = whole.map(String).join('.')
  const missing = valueAt(read.root, whole) === undefined
  if ('options' in issue && Array.isArray(issue.options)) {
    return missing
      ? [{ code: 'missing', path, problem: 'is missing', mend: oneOf(issue.options) }]
      : [{ code: 'wrong_form', path, problem: 'is not one of the values it may have', mend: oneOf(issue.options) }]
  }
  const within = issue.errors.filter((branch) => branch.length > 0 && branch.every((inner) => inner.path.length > 0))
  const meant =
    only(within) ??
    only(issue.errors.filter((branch) => branch.length > 0 && branch.every(isOfThisType))) ??
    only(issue.errors.filter((branch) => branch.length > 0 && branch.every(isOfItsKeys)))
  if (!missing && meant !== undefined) return meant.flatMap((inner) => faultsOfOne(inner, whole, read))
  return missing
    ? [{ code: 'missing', path, problem: 'is missing', mend: writtenAs(issue.message) }]
    : [{ code: 'wrong_form', path, problem: 'does not have a form that it may have', mend: writtenAs(issue.message) }]
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

/** Whether what belongs at a place says where to read a value. */
function isReference(keys: readonly string[]): boolean {
  return keys.includes('env') && keys.every((key) => key === 'env' || key === 'file')
}

/** A key that the schema does not have, and the one that may have been meant. */
export function unknownKey(path: Path, meant?: string): ToldFault {
  const all = '(docs/reference/config.md lists all keys)'
  const guess = meant === undefined ? `remove it, or correct its spelling ${all}` : `did you mean ${meant}? Else remove it ${all}`
  return {
    code: 'unknown_key',
    path: path.map(String).join('.'),
    problem: 'is not a key that Mandate knows',
    mend: mendOfBorrowed(path) ?? guess,
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

/** A kind of value, and a group or list by an example: who writes one entry alone does not think of a list. */
function formOf(expected: string, path: Path, verb: 'give' | 'write'): string {
  const group = expected === 'object' || expected === 'record' ? groupAt(path) : undefined
  if (group !== undefined) return `write ${group}`
  if (expected !== 'array') return `${verb} ${kindOf(expected)}`
  const list = listAt(path)
  return list === undefined ? `${verb} a list: its entries in [ and ], commas between them` : `${verb} a list, such as ${list}`
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
