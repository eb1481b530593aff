/**
 * Text that is to come from a variable of the environment that is not set. One such variable must not hide what else is
 * wrong, so the rest is judged with something that stands in for it.
 *
 * Twice, with different things: what is found with both does not depend on what the variable will say.
 */
import type { z } from 'zod'
import type { Fault } from './faults.ts'

type Path = readonly PropertyKey[]

/** Where the text of an unset variable belongs. */
export interface Unset {
  readonly path: Path
  readonly variable: string
  /** What the text is to be, in the words of the schema. */
  readonly what: string
}

/** Which of the two things stands in. */
export type StandIn = 'one' | 'other'

/** The texts that are missing, among what the schema says of a configuration. */
export function unsetIn(issues: readonly z.core.$ZodIssue[]): Unset[] {
  const all = ofIssues(issues, [])
  // Several alternatives can miss the same.
  const keys = all.map(({ path }) => JSON.stringify(path.map(String)))
  return all.filter((_unset, at) => keys.indexOf(keys[at] ?? '') === at)
}

function ofIssues(issues: readonly z.core.$ZodIssue[], above: Path): Unset[] {
  return issues.flatMap((issue): Unset[] => {
    const path = [...above, ...issue.path]
    if (issue.code === 'invalid_union') return issue.errors.flatMap((branch) => ofIssues(branch, path))
    if (issue.code !== 'custom') return []
    const { unset, what } = issue.params ?? {}
    return typeof unset === 'string' && typeof what === 'string' ? [{ path, variable: unset, what }] : []
  })
}

/** The fault of one of them. */
export function notSet({ path, variable }: Unset): Fault {
  return {
    code: 'unreadable',
    path: path.map(String).join('.'),
    problem: `the environment variable ${variable} is not set`,
    mend: `set ${variable}`,
  }
}

/** The same configuration with texts in the place of those that are missing. */
export function standingIn(root: unknown, unset: readonly Unset[], which: StandIn): unknown {
  const variables = [...new Set(unset.map(({ variable }) => variable))]
  return unset.reduce((value, { path, what, variable }) => replaced(value, path, textFor(what, variables.indexOf(variable), which)), root)
}

/** What both have found. */
export function inBoth(one: readonly Fault[], other: readonly Fault[]): Fault[] {
  return one.filter(({ path, problem }) => other.some((fault) => fault.path === path && fault.problem === problem))
}

function textFor(what: string, at: number, which: StandIn): string {
  if (/^a URL|^an origin/.test(what)) return which === 'one' ? `https://unset-${at}.invalid` : 'http://localhost'
  if (what === 'a region') return which === 'one' ? 'us-east-1' : 'eu-west-1'
  if (what === 'the id of a user pool') return which === 'one' ? `us-east-1_unset${at}` : 'eu-west-1_unset'
  return which === 'one' ? `unset-${at}` : 'localhost'
}

function replaced(value: unknown, [key, ...rest]: Path, text: string): unknown {
  if (key === undefined) return text
  if (Array.isArray(value)) return value.map((inner: unknown, at) => (at === Number(key) ? replaced(inner, rest, text) : inner))
  if (typeof value !== 'object' || value === null) return value
  // As entries, so that a key like __proto__ stays the key that it is.
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, name === key ? replaced(inner, rest, text) : inner]))
}
