/**
 * Faults of expressions: what does not parse, and what names a thing that is not there, or not yet, where it stands.
 *
 * Security: a namespace is computed from the path, the body and the caller alone. What was read or written before cannot
 * move a write into another namespace, because the review is made before anything is.
 */
import { compileExpression, type Expression, ExpressionFaulty } from '../../template/expression.ts'
import { type ComputedText, compileTemplate, compileText, TemplateFaulty } from '../../template/template.ts'
import type { Computed } from '../broker.ts'
import type { Fault } from '../faults/faults.ts'
import type { Scope } from './broker-scope.ts'

const ROOTS: ReadonlySet<string> = new Set(['path', 'body', 'principal', 'given', 'unique', 'written'])
const PRINCIPAL = new Set(['issuer', 'subject', 'provider', 'kind', 'groups', 'email', 'name'])

/** Where an expression stands, and what may be named there. */
export type Place = keyof typeof MAY_NAME

const MAY_NAME = {
  'a namespace': new Set(['path', 'body', 'principal']),
  'the name of what is read': new Set(['path', 'body', 'principal', 'given']),
  'the name of what is written': new Set(['path', 'body', 'principal', 'given', 'unique']),
  'a template': ROOTS,
} as const satisfies Readonly<Record<string, ReadonlySet<string>>>

/** What a computed text is, for comparison; undefined when it does not compile, which `textFaults` tells. */
export function textOf(value: unknown): ComputedText | undefined {
  if (typeof value !== 'string' && !isExpression(value)) return undefined
  try {
    return compileText(value, ROOTS)
  } catch (error) {
    if (isFaulty(error)) return undefined
    throw error
  }
}

/** True for `{ cel: ... }`. */
export function isExpression(value: unknown): value is { readonly cel: string } {
  return isGroup(value) && typeof value['cel'] === 'string' && Object.keys(value).length === 1
}

/** True for a map of a template, an expression included. */
export function isGroup(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The faults of a text that is computed. */
export function textFaults(value: Computed, path: string, place: Place, scope: Scope): Fault[] {
  if (typeof value === 'string') return []
  try {
    return useFaults(compileExpression(value.cel, ROOTS), path, place, scope)
  } catch (error) {
    if (error instanceof ExpressionFaulty) return [faulty(path, error.problem)]
    throw error
  }
}

/** The faults of all expressions in a template. */
export function templateFaults(value: unknown, path: string, scope: Scope): Fault[] {
  const below = (pointer: string) => `${path}${pointer.replaceAll('/', '.').replaceAll('~1', '/').replaceAll('~0', '~')}`
  try {
    const { expressions } = compileTemplate(value, ROOTS)
    return expressions.flatMap((each) => useFaults(each.expression, below(each.path), 'a template', scope))
  } catch (error) {
    if (error instanceof TemplateFaulty) return error.faults.map((each) => faulty(below(each.path), each.problem))
    throw error
  }
}

function isFaulty(error: unknown): boolean {
  return error instanceof ExpressionFaulty || error instanceof TemplateFaulty
}

function faulty(path: string, problem: string): Fault {
  return { path, problem: `does not compile: ${problem}`, mend: 'correct the expression (it is CEL)' }
}

function useFaults({ uses }: Expression, path: string, place: Place, scope: Scope): Fault[] {
  // One name that is used often is one fault.
  const seen = new Map<string, Fault>()
  for (const [root = '', member] of uses) {
    const fault = useFault(root, member, path, place, scope)
    if (fault !== undefined) seen.set(fault.problem, fault)
  }
  return [...seen.values()]
}

function useFault(root: string, member: string | undefined, path: string, place: Place, scope: Scope): Fault | undefined {
  const may: ReadonlySet<string> = MAY_NAME[place]
  if (!may.has(root)) return { path, problem: `names ${root}, which ${place} cannot be made of`, mend: `use ${[...may].join(', ')} alone` }
  if (root === 'body' && scope.operation.body === undefined)
    return { path, problem: 'names body, and this operation takes none', mend: 'declare it in body, or leave it out' }
  if (root === 'principal')
    return member === undefined || PRINCIPAL.has(member) ? undefined : missing(path, 'principal', member, [...PRINCIPAL])
  if (root !== 'path' && root !== 'given' && root !== 'written') return undefined
  const there = { path: [...scope.parameters], given: [...scope.given], written: [...scope.written.keys()] }[root]
  if (member === undefined) return { path, problem: `names ${root} as a whole`, mend: `write ${root}.NAME` }
  if (!there.includes(member)) return missing(path, root, member, there)
  return root === 'written' ? unseenFault(path, member, scope) : undefined
}

/** A token leaves by its Secret or by the answer and no other way, and what is deleted leaves nothing. */
function unseenFault(path: string, member: string, { written }: Scope): Fault | undefined {
  const step = written.get(member)?.do
  if (step === 'token')
    return { path, problem: `names written.${member}, which is a token`, mend: 'have it written by into, or given by inAnswerOpen' }
  if (step === 'delete') return { path, problem: `names written.${member}, which is deleted`, mend: 'name a step that leaves an object' }
  return undefined
}

function missing(path: string, root: string, member: string, there: readonly string[]): Fault {
  const what = {
    path: 'no parameter of this path',
    given: 'not read before',
    written: 'no step before',
    principal: 'nothing that is known',
  }[root]
  return {
    path,
    // Only a name is repeated: text that is looked up by it could be anything.
    problem: `names ${/^[A-Za-z_]\w{0,62}$/.test(member) ? `${root}.${member}` : `a key of ${root}`}, which is ${what}`,
    mend: there.length === 0 ? 'leave it out' : `use one of ${there.map((name) => `${root}.${name}`).join(', ')}`,
  }
}
