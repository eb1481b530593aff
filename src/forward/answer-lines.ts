/** What holds of every upstream's answer, whichever header boundary it passes. */

/** What Node takes as a header's value; a line with anything else is dropped rather than mended. */
export const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/

/** The answer was made for one caller; no cache may keep it for others. */
export function forOneCaller(cacheControl: string): string {
  const kept = cacheControl
    .split(',')
    .map((directive) => directive.trim())
    .filter((directive) => directive !== '' && !/^(public|private|s-maxage)\b/i.test(directive))
  return [...kept, 'private'].join(', ')
}
