/** The few things the reference pages need to be Markdown. */

export const GENERATED = '<!-- Written by `node scripts/reference.ts` from the code. Change the code, then run it. -->'

/** Text that may stand in a table's cell. */
export function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ')
}

/** Text as code, by a fence that it does not hold itself. */
export function code(text: string): string {
  return text.includes('`') ? `\`\` ${text} \`\`` : `\`${text}\``
}

/** A table; the cells are Markdown already. Throws for one that would end early. */
export function table(head: readonly string[], rows: ReadonlyArray<readonly string[]>): string {
  const line = (cells: readonly string[]) => {
    const open = cells.find((each) => /(?<!\\)\|/.test(each))
    if (open !== undefined) throw new Error(`a cell has a bar that is not escaped: ${open}`)
    return `| ${cells.join(' | ')} |`
  }
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}
