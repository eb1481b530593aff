/** JSON as the formatter of this repository writes it: lists of scalars on one line where they fit. */

const WIDTH = 140

/** The text of a value, ending in a line break. */
export function jsonText(value: unknown): string {
  return `${text(value, '', 0)}\n`
}

/** `before` is how much stands on the line already. */
function text(value: unknown, indent: string, before: number): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const inner = `${indent}  `
  if (!Array.isArray(value)) {
    const members = Object.entries(value).map(([key, member]) => {
      const name = `${JSON.stringify(key)}: `
      return `${inner}${name}${text(member, inner, inner.length + name.length)}`
    })
    return members.length === 0 ? '{}' : `{\n${members.join(',\n')}\n${indent}}`
  }
  const line = `[${value.map((member) => JSON.stringify(member)).join(', ')}]`
  const scalars = value.every((member) => typeof member !== 'object' || member === null)
  // The comma that may follow counts as well.
  if (scalars && before + line.length + 1 <= WIDTH) return line
  return `[\n${value.map((member) => `${inner}${text(member, inner, inner.length)}`).join(',\n')}\n${indent}]`
}
