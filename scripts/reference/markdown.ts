/** The few things the reference pages need to be Markdown. */

export const GENERATED = '<!-- Written by `node scripts/reference.ts` from the code. Change the code, then run it. -->'

/** Text that may stand in a table's cell. */
export function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ')
}

/** A table; the cells are Markdown already. */
export function table(head: readonly string[], rows: ReadonlyArray<readonly string[]>): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}
