/**
 * Values whose shape alone shows what was meant, so that the mend can be said at once.
 *
 * Security: the shape is told and never the value, because what stands in the wrong place may be a secret.
 */
import type { z } from 'zod'
import { IDENTITY_FACTS } from '../route.ts'
import { isAt } from './examples-of-keys.ts'
import type { FaultCode } from './fault-codes.ts'

type Words = readonly [code: FaultCode, problem: string, mend: string]

const FACTS: ReadonlySet<unknown> = new Set(IDENTITY_FACTS)

/** What to say of the value that an issue is about; undefined when its shape says nothing. */
export function toldByShape(issue: z.core.$ZodIssue, value: unknown, path: readonly PropertyKey[]): Words | undefined {
  if (path.length === 0 && (value === null || value === undefined))
    return ['missing', 'is empty', 'begin with examples/mandate-minimal.yaml']
  if (typeof value === 'string') return toldOfText(issue, value, path)
  if ((typeof value === 'number' || typeof value === 'boolean') && wantsText(issue))
    return ['wrong_type', `is ${typeof value === 'number' ? 'a number' : 'true or false'} and not text`, 'write it in quotes']
  return undefined
}

function toldOfText(issue: z.core.$ZodIssue, value: string, path: readonly PropertyKey[]): Words | undefined {
  if (issue.code === 'invalid_type') {
    const { expected } = issue
    const isMeant =
      ((expected === 'number' || expected === 'int') && /^-?\d+(\.\d+)?$/.test(value)) ||
      (expected === 'boolean' && /^(true|false)$/.test(value))
    if (isMeant) return ['wrong_type', 'is text', 'remove the quotes']
  }
  if (isAt('routes.*.match.host', path) && value.includes('*')) return ['wrong_form', 'has a wildcard', 'write one route for each host']
  const fact = path.at(-1)
  if (issue.code === 'invalid_value' && isAt('routes.*.identity.headers.*', path) && FACTS.has(fact))
    return ['wrong_form', 'is the wrong way round: the name of the header comes first', `write X-User: ${String(fact)}`]
  return undefined
}

/** True where text alone may stand; zod's own messages are in other words than those of the schema. */
function wantsText(issue: z.core.$ZodIssue): boolean {
  if (issue.code === 'invalid_type') return issue.expected === 'string' && !issue.message.startsWith('expected ')
  return issue.code === 'invalid_union' && issue.message.startsWith('expected text or ')
}
