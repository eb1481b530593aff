/**
 * What in a text is the cause of an error of the YAML parser. Of a text that is broken the tree can be anything, so each
 * answer is undefined where it cannot be told.
 */
import { type Document, isAlias, isMap, isPair, isScalar, isSeq, type Node, type Pair, visit } from 'yaml'

type Parent = Document | Node | Pair

/** The key that stands there twice, by the offset of its second place: its path, and the offset of its first. */
export function twiceIn(document: Document, second: number): { readonly path: string; readonly first: number } | undefined {
  return found(document, (node, parents) => {
    if (!isPair(node) || !isScalar(node.key) || node.key.range?.[0] !== second) return undefined
    const { value } = node.key
    const group = parents.at(-1)
    const first = isMap(group) ? group.items.find(({ key }) => isScalar(key) && key.value === value)?.key : undefined
    const start = isScalar(first) ? first.range?.[0] : undefined
    return start === undefined ? undefined : { path: [...keysOf(parents), String(value)].join('.'), first: start }
  })
}

/** The quote or bracket that is still open at an offset, the innermost of them. */
export function openedBefore(
  document: Document,
  source: string,
  end: number,
): { readonly what: 'quote' | 'bracket'; readonly start: number } | undefined {
  let innermost: { readonly what: 'quote' | 'bracket'; readonly start: number } | undefined
  found(document, (node) => {
    const quoted = isScalar(node) && (node.type === 'QUOTE_DOUBLE' || node.type === 'QUOTE_SINGLE')
    const bracketed = (isMap(node) || isSeq(node)) && node.flow === true
    if ((!quoted && !bracketed) || node.range?.[1] !== end) return undefined
    const [start] = node.range
    const closing = quoted ? source[start] : isMap(node) ? '}' : ']'
    if (end - start < 2 || source[end - 1] !== closing) innermost = { what: quoted ? 'quote' : 'bracket', start }
    return undefined
  })
  return innermost
}

/** The offset of the first alias that names nothing. */
export function aliasWithoutAnchor(document: Document): number | undefined {
  // The last anchor of a name before an alias is meant, so one that comes later does not count.
  const anchors = new Set<string>()
  return found(document, (node) => {
    if (isAlias(node)) return anchors.has(node.source) ? undefined : node.range?.[0]
    if ((isScalar(node) || isMap(node) || isSeq(node)) && node.anchor !== undefined) anchors.add(node.anchor)
    return undefined
  })
}

/** The first answer that is one, in the order of the text. */
function found<T>(document: Document, ask: (node: unknown, parents: readonly Parent[]) => T | undefined): T | undefined {
  let answer: T | undefined
  const seen = (_: unknown, node: unknown, parents: readonly Parent[]) => {
    answer = ask(node, parents)
    return answer === undefined ? undefined : visit.BREAK
  }
  try {
    visit(document, { Pair: seen, Node: seen })
  } catch {
    // Deeper than there is room for.
  }
  return answer
}

/** The keys and places of lists that lead to the last of these. */
function keysOf(parents: readonly Parent[]): string[] {
  return parents.flatMap((parent, at): string[] => {
    const next = parents[at + 1]
    if (isPair(parent)) return isScalar(parent.key) ? [String(parent.key.value)] : []
    return isSeq(parent) && next !== undefined ? [String(parent.items.indexOf(next))] : []
  })
}
