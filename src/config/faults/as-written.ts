/**
 * What only the file itself shows, once it was read and completed: keys that have a shorter form, groups that were written without anything in them, and numbers that are written in another way than they are read.
 */
import type { Fault } from './faults.ts'

const PROVIDERS_OF_A_RULE = /^routes\.(\d+)\.allow\.(\d+)\.providers$/

/** A fault at the key that stands in the file: a rule need not be in a list, and `provider` is short for `providers`. */
export function asWritten(fault: Fault, root: unknown): Fault {
  const [, at, place] = PROVIDERS_OF_A_RULE.exec(fault.path) ?? []
  if (at === undefined || place === undefined) return fault
  const allow = own(routesOf(root)[Number(at)], 'allow')
  const [rule, path] = Array.isArray(allow) ? [allow[Number(place)], `routes.${at}.allow.${place}`] : [allow, `routes.${at}.allow`]
  return { ...fault, path: `${path}.${own(rule, 'provider') === undefined ? 'providers' : 'provider'}` }
}

/** Whoever writes claims without naming any means some: silence would let in everybody. */
export function emptyClaims(root: unknown): Fault[] {
  return rulesOf(root).flatMap(({ path, rule }): Fault[] =>
    keysOf(own(rule, 'claims'))?.length === 0
      ? [{ code: 'wrong_form', path: `${path}.claims`, problem: 'is empty', mend: 'name at least one claim' }]
      : [],
  )
}

/** What is wrong with a number in a rule that would be compared as another text than stands there. */
export const NUMBER_READ_OTHERWISE = {
  problem: 'is a number that would be read otherwise than it is written, as 00123 is 123 and 1.10 is 1.1',
  mend: 'put it in quotes',
} as const

/**
 * Numbers in the claims of rules that are written otherwise than in plain digits. `written` is the same file with the text
 * of each value (`parseYamlAsText`), asked for only when there are numbers.
 */
export function numbersReadOtherwise(root: unknown, written: () => unknown): Fault[] {
  const numbers = rulesOf(root).flatMap(({ path, rule }, at) =>
    (keysOf(own(rule, 'claims')) ?? []).flatMap((claim) => {
      const values = own(own(rule, 'claims'), claim)
      if (!Array.isArray(values)) return []
      return values.flatMap((value: unknown, place) =>
        typeof value === 'number' ? [{ path: `${path}.claims.${claim}.${place}`, at, claim, place, value }] : [],
      )
    }),
  )
  if (numbers.length === 0) return []
  const rules = rulesOf(written())
  return numbers.flatMap(({ path, at, claim, place, value }): Fault[] => {
    const text = own(own(own(rules[at]?.rule, 'claims'), claim), String(place))
    return text === String(value) ? [] : [{ code: 'wrong_form', path, ...NUMBER_READ_OTHERWISE }]
  })
}

/** Whoever writes a limit without any means one: silence would leave the route without. */
export function emptyLimits(root: unknown): Fault[] {
  return routesOf(root).flatMap((route, at): Fault[] => {
    if (keysOf(own(route, 'limit'))?.length !== 0) return []
    const mend = 'write perPrincipal: 60/minute or total in it, or remove it'
    return [{ code: 'wrong_form', path: `routes.${at}.limit`, problem: 'limits nothing', mend }]
  })
}

function routesOf(root: unknown): unknown[] {
  const routes = own(root, 'routes')
  return Array.isArray(routes) ? routes : []
}

/** The rules of all routes, whether they stand in a list or alone. */
function rulesOf(root: unknown): Array<{ readonly path: string; readonly rule: unknown }> {
  return routesOf(root).flatMap((route, at) => {
    const allow = own(route, 'allow')
    const path = `routes.${at}.allow`
    return Array.isArray(allow) ? allow.map((rule: unknown, place) => ({ path: `${path}.${place}`, rule })) : [{ path, rule: allow }]
  })
}

/** Undefined for what is no group of keys. */
function keysOf(value: unknown): string[] | undefined {
  return typeof value === 'object' && value !== null ? Object.keys(value) : undefined
}

function own(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? Object.getOwnPropertyDescriptor(value, key)?.value : undefined
}
