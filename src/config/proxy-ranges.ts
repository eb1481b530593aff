/** Address ranges of proxies that are so wide that they are no list. */
import type { Fault } from './faults.ts'

/** The faults of a list of ranges at a path of the configuration. */
export function wideRanges(path: string, ranges: readonly string[]): Fault[] {
  return ranges.flatMap((range, at): Fault[] => {
    // No network of proxies is wider: the private ones are /8 and fc00::/7. Two halves are everything as well.
    const bits = Number(range.split('/')[1])
    if (bits >= 7) return []
    return [
      {
        path: `${path}.${at}`,
        problem: `is ${bits === 0 ? 'every address there is, so' : 'so wide'} that anybody could say where they come from`,
        mend: 'list the addresses of the proxies',
      },
    ]
  })
}
