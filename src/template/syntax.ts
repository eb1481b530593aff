/**
 * Reads the syntax tree of an expression: whether all that it names is there, what it uses, and where its turns are
 * counted. The tree is the library's; comprehensions and `has()` are changed in it, nothing else.
 */
import { type parse, unparse } from '@bufbuild/cel'
import { RE2JS } from '@bufbuild/re2'
import { APPEND, isCallable, isFunction, OVER, TURN } from './functions.ts'

export type Parsed = ReturnType<typeof parse>
type Node = Parsed['expr']
type Kind = Node['exprKind']
type Call = Extract<Kind, { case: 'callExpr' }>['value']
type Select = Extract<Kind, { case: 'selectExpr' }>['value']
type Comprehension = Extract<Kind, { case: 'comprehensionExpr' }>['value']

/** What is wrong, and at which node. */
export interface SyntaxFault {
  readonly problem: string
  readonly id: bigint
}

/** Names of types, as in `type(x) == string`. */
const TYPES: ReadonlySet<string> = new Set(['int', 'uint', 'double', 'bool', 'string', 'bytes', 'list', 'map', 'null_type', 'type'])

const DEEPEST_SYNTAX = 250

/** Walks the tree once. The first fault ends it. */
export class Reading {
  readonly #roots: ReadonlySet<string>
  readonly #uses = new Map<string, readonly string[]>()

  constructor(roots: ReadonlySet<string>) {
    this.#roots = roots
  }

  /** Each free variable with the constant fields that are selected of it, without repetitions. */
  get uses(): readonly (readonly string[])[] {
    return [...this.#uses.values()]
  }

  read(node: Node | undefined, bound: readonly string[] = [], depth = 0): SyntaxFault | undefined {
    if (node === undefined) return undefined
    if (depth > DEEPEST_SYNTAX) return { problem: `it is nested deeper than ${DEEPEST_SYNTAX}`, id: node.id }
    if (node.exprKind.case === 'selectExpr' && node.exprKind.value.testOnly) return this.#test(node.exprKind.value, bound, depth, node)
    const chain = chainOf(node)
    if (chain !== undefined) return this.#variable(chain, bound, rootOf(node))
    const within = (...nodes: readonly (Node | undefined)[]) => firstFault(nodes, (inner) => this.read(inner, bound, depth + 1))
    const { exprKind } = node
    switch (exprKind.case) {
      case 'selectExpr':
        return within(exprKind.value.operand)
      case 'callExpr':
        return this.#call(exprKind.value, node, within)
      case 'listExpr':
        return within(...exprKind.value.elements)
      case 'structExpr':
        if (exprKind.value.messageName !== '') return { problem: 'messages are not made here, only maps', id: node.id }
        return within(
          ...exprKind.value.entries.flatMap(({ keyKind, value }) => [keyKind.case === 'mapKey' ? keyKind.value : undefined, value]),
        )
      case 'comprehensionExpr':
        return this.#comprehension(exprKind.value, bound, depth)
      case 'identExpr':
      case 'constExpr':
      case undefined:
        return undefined
    }
  }

  #variable(chain: readonly string[], bound: readonly string[], { id }: Node): SyntaxFault | undefined {
    const [root = ''] = chain
    if (bound.includes(root)) return undefined
    if (this.#roots.has(root)) {
      this.#uses.set(JSON.stringify(chain), chain)
      return undefined
    }
    if (chain.length === 1 && TYPES.has(root)) return undefined
    const there = [...this.#roots].join(', ')
    return { problem: `there is no variable ${root} here${there === '' ? '' : `, only ${there}`}`, id }
  }

  /** `has(a.b)` is asked as `"b" in a`: the library's own takes a null for absent. */
  #test(select: Select, bound: readonly string[], depth: number, node: Node): SyntaxFault | undefined {
    const { operand, field } = select
    if (operand === undefined) return undefined
    const chain = chainOf(operand)
    const fault = chain === undefined ? this.read(operand, bound, depth + 1) : this.#variable([...chain, field], bound, rootOf(operand))
    const name: Node = {
      $typeName: 'cel.expr.Expr',
      id: node.id,
      exprKind: { case: 'constExpr', value: { $typeName: 'cel.expr.Constant', constantKind: { case: 'stringValue', value: field } } },
    }
    node.exprKind = callOf('@in', [name, operand]).exprKind
    return fault
  }

  #call(call: Call, { id }: Node, within: (...nodes: readonly (Node | undefined)[]) => SyntaxFault | undefined): SyntaxFault | undefined {
    const { function: name, target, args } = call
    // `strings.quote(x)` is one name; the library looks for such a name first.
    const qualified = target === undefined ? undefined : chainOf(target)?.concat(name).join('.')
    if (qualified !== undefined && isFunction(qualified)) {
      return isCallable(qualified, false, args.length) ? within(...args) : { problem: calledOtherwise(qualified), id }
    }
    if (!isCallable(name, target !== undefined, args.length)) return { problem: uncallable(name), id }
    return patternFault(call, id) ?? within(target, ...args)
  }

  #comprehension(fold: Comprehension, bound: readonly string[], depth: number): SyntaxFault | undefined {
    const { iterRange, loopStep, loopCondition, iterVar, accuVar } = fold
    const inner = [...bound, iterVar, accuVar]
    const fault =
      this.read(iterRange, bound, depth + 1) ??
      firstFault([fold.accuInit, loopCondition, loopStep, fold.result], (node) => this.read(node, inner, depth + 1))
    if (fault !== undefined || iterRange === undefined || loopStep === undefined || loopCondition === undefined) return fault
    fold.iterRange = callOf(OVER, [iterRange])
    fold.loopCondition = callOf(TURN, [loopCondition])
    if (fold.accuInit?.exprKind.case === 'listExpr') appendTo(loopStep, accuVar)
    return undefined
  }
}

function firstFault(
  nodes: readonly (Node | undefined)[],
  read: (node: Node | undefined) => SyntaxFault | undefined,
): SyntaxFault | undefined {
  for (const node of nodes) {
    const fault = read(node)
    if (fault !== undefined) return fault
  }
  return undefined
}

/** A variable and the constant fields selected of it: body.spec["x"] is ['body', 'spec', 'x']. */
function chainOf({ exprKind }: Node): string[] | undefined {
  if (exprKind.case === 'identExpr') return [exprKind.value.name]
  if (exprKind.case === 'selectExpr') {
    const { operand, field } = exprKind.value
    return operand === undefined ? undefined : chainOf(operand)?.concat(field)
  }
  if (exprKind.case !== 'callExpr' || exprKind.value.function !== '_[_]') return undefined
  const [operand, index] = exprKind.value.args
  const field = index === undefined ? undefined : textOf(index)
  return operand === undefined || field === undefined ? undefined : chainOf(operand)?.concat(field)
}

/** The node of the variable that a chain begins with. */
function rootOf(node: Node): Node {
  const { exprKind } = node
  const operand =
    exprKind.case === 'selectExpr' ? exprKind.value.operand : exprKind.case === 'callExpr' ? exprKind.value.args[0] : undefined
  return operand === undefined ? node : rootOf(operand)
}

function textOf({ exprKind }: Node): string | undefined {
  if (exprKind.case !== 'constExpr' || exprKind.value.constantKind.case !== 'stringValue') return undefined
  return exprKind.value.constantKind.value
}

/** `map` and `filter` add to their list with `@result + [item]`; our own function does that without copying. */
function appendTo(step: Node, accumulator: string): void {
  if (step.exprKind.case !== 'callExpr') return
  const { function: name, args } = step.exprKind.value
  if (name === '_?_:_' && args[1] !== undefined) return appendTo(args[1], accumulator)
  const [list, added] = args
  if (name !== '_+_' || list?.exprKind.case !== 'identExpr' || list.exprKind.value.name !== accumulator) return
  const item = added?.exprKind.case === 'listExpr' ? added.exprKind.value.elements[0] : undefined
  if (item !== undefined) step.exprKind = callOf(APPEND, [list, item]).exprKind
}

function callOf(name: string, args: Node[]): Node {
  const [first] = args
  return {
    $typeName: 'cel.expr.Expr',
    id: first?.id ?? 0n,
    exprKind: { case: 'callExpr', value: { $typeName: 'cel.expr.Expr.Call', function: name, args } },
  }
}

function uncallable(name: string): string {
  if (name === 'has') return 'has() takes a selection, such as has(body.name)'
  if (MACROS.has(name)) return `${name}() is called on a list or a map, with the name of a variable and an expression`
  return isFunction(name) ? calledOtherwise(name) : `there is no function ${name}`
}

const MACROS: ReadonlySet<string> = new Set(['all', 'exists', 'exists_one', 'existsOne', 'map', 'filter'])

function calledOtherwise(name: string): string {
  const operator = /^[@_!?-]/.test(name)
  return operator ? 'an operator does not take what it is given' : `the function ${name} is called otherwise: look at its arguments`
}

/** A constant pattern is checked when it is compiled, not when it is first met. */
function patternFault({ function: name, args }: Call, id: bigint): SyntaxFault | undefined {
  const pattern = args.at(-1)
  const text = name === 'matches' && pattern !== undefined ? textOf(pattern) : undefined
  if (text === undefined) return undefined
  try {
    RE2JS.compile(text)
    return undefined
  } catch {
    return { problem: 'its pattern is no regular expression of RE2', id }
  }
}

/**
 * The expression as text that is the same for two spellings of one expression. Never the same for two expressions: where
 * that text would be read back as something else, it is the source.
 */
export function canonicalOf(source: string, parsed: Parsed, parseAgain: (text: string) => Parsed): string {
  try {
    const text = unparse(parsed)
    return shapeOf(parseAgain(text).expr) === shapeOf(parsed.expr) ? text : source.trim()
  } catch {
    return source.trim()
  }
}

/** The tree without the numbers of its nodes. */
function shapeOf(node: Node): string {
  return JSON.stringify(node, (key, value: unknown) => {
    if (key === 'id') return undefined
    if (typeof value === 'number') return Object.is(value, -0) ? '-0' : `${value}`
    return typeof value === 'bigint' ? `${value}n` : value
  })
}
