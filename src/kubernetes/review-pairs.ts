/**
 * Which review may stand for which write: a positive list, closed when the client is made.
 *
 * Security: whoever may make a session of a product may have the job made that runs it, although nobody gave them jobs.
 * That is a rule of the program, and a wrong one is an escalation: so it stands in the options of the client, by verb and
 * kind, and not with the code that asks. Without an entry a proof is good for what was reviewed and nothing else.
 */
import type { Action } from './reviewed-action.ts'
import { type Kind, kindIn, kindText } from './written-kinds.ts'

/** Each as verb, space, kind: `create agenticsessions.vteam.ambient-code`, `patch widgets.example/status`, `create jobs.batch`. */
export interface ReviewPair {
  readonly reviewed: string
  readonly write: string
}

const WRITES = ['create', 'update', 'patch', 'delete']
const PARTS = ['verb', 'group', 'version', 'resource', 'subresource', 'namespace', 'name'] as const

/**
 * Whether a review stands for a write: it is of that very write, or the pair is on the list. Throws a TypeError for what
 * is no list of pairs, and for a pair whose write is none that the client does.
 */
export function reviewPairs(
  pairs: readonly ReviewPair[] | undefined,
  writes: (kind: Kind) => boolean,
): (reviewed: Required<Action>, write: Required<Action>) => boolean {
  if (pairs !== undefined && !Array.isArray(pairs)) throw new TypeError('onReviewOf is not a list of pairs')
  const declared = new Set<string>()
  for (const pair of pairs ?? []) {
    const { reviewed, write } = Object(pair ?? {}) as Partial<ReviewPair>
    const [asked, done] = [partsOf(reviewed), partsOf(write)]
    if (!WRITES.includes(done.verb)) throw new TypeError(`onReviewOf: ${JSON.stringify(write)} does not write: use ${WRITES.join(', ')}`)
    if (!writes(done.kind)) throw new TypeError(`onReviewOf: the kind of ${JSON.stringify(write)} is not in mayWrite`)
    declared.add(`${asked.text} > ${done.text}`)
  }
  return (reviewed, write) => {
    if (PARTS.every((part) => reviewed[part] === write[part])) return true
    const [asked, done] = [kindText(reviewed), kindText(write)]
    return asked !== undefined && done !== undefined && declared.has(`${reviewed.verb} ${asked} > ${write.verb} ${done}`)
  }
}

function partsOf(text: unknown): { readonly text: string; readonly verb: string; readonly kind: Kind } {
  const [, verb = '', kindPart = ''] = typeof text === 'string' ? (/^([a-z]{1,63}) (\S+)$/.exec(text) ?? []) : []
  const kind = kindIn(kindPart)
  if (typeof text !== 'string' || kind === undefined) {
    throw new TypeError(`onReviewOf: ${JSON.stringify(text)} is not a verb and a kind, such as 'create jobs.batch'`)
  }
  return { text, verb, kind }
}
