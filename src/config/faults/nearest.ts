/** Which known word was probably meant by a misspelt one. */

/** The nearest of the known words; undefined when none is near enough to be worth saying. */
export function nearest(written: string, known: readonly string[]): string | undefined {
  // A key of any length may stand in a file, and what is compared takes time by the product of both.
  if (written.length > 64) return undefined
  const most = written.length < 4 ? 1 : 2
  const near = known
    .map((word) => ({ word, steps: stepsBetween(written.toLowerCase(), word.toLowerCase()) }))
    .filter(({ word, steps }) => word !== written && steps <= most && steps < Math.min(word.length, written.length))
    .sort((one, other) => one.steps - other.steps)
  return near[0]?.word
}

/** How many letters must be put in, left out or changed to make one of the other (Levenshtein). */
function stepsBetween(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, at) => at)
  for (let at = 1; at <= one.length; at += 1) {
    const next = [at]
    for (let to = 1; to <= other.length; to += 1) {
      const changed = (row[to - 1] ?? 0) + (one[at - 1] === other[to - 1] ? 0 : 1)
      next.push(Math.min(changed, (row[to] ?? 0) + 1, (next[to - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[other.length] ?? 0
}
