/**
 * YAML text to plain values. Whatever is wrong with the text is a ConfigFaulty that says where, and quotes nothing of
 * it: a line that does not parse may hold a secret.
 */
import { LineCounter, parseDocument } from 'yaml'
import { ConfigFaulty, type Fault } from './faults.ts'

/** What may stand in a file several times without one being the cause of the next: all of these are told at once. */
const BY_THEMSELVES: Readonly<Record<string, readonly [problem: string, mend: string]>> = {
  DUPLICATE_KEY: ['is a key that stands there twice', 'keep one of them'],
  TAG_RESOLVE_FAILED: ['has a tag (!...) that Mandate does not know', 'remove the tag'],
}

const MOST_FAULTS = 10

const BRACKET = 'close the bracket or quote that was opened before it, or correct the indentation there'

/** What breaks all that follows: the first of these is told, in words by the parser's error code. */
const SYNTAX: Readonly<Record<string, readonly [problem: string, mend: string]>> = {
  MULTIPLE_DOCS: ['begins a second document', 'keep everything in one document, without ---'],
  RESOURCE_EXHAUSTION: ['is nested too deeply', 'write it flatter'],
  TAB_AS_INDENT: ['is indented by a tab', 'indent by spaces'],
  BAD_INDENT: ['is not valid YAML: the indentation does not fit, or a bracket before it is open', BRACKET],
  MISSING_CHAR: ['is not valid YAML: a closing bracket or quote, a comma or a colon is missing', BRACKET],
  BLOCK_AS_IMPLICIT_KEY: [
    'is not valid YAML: a second "key: value" begins on this line',
    'put it on a line of its own, or the value in quotes',
  ],
  BLOCK_IN_FLOW: ['is not valid YAML: a list or group of lines stands within brackets', BRACKET],
  MULTILINE_IMPLICIT_KEY: ['is not valid YAML: a key goes over several lines, or has no colon', BRACKET],
  BAD_SCALAR_START: ['is not valid YAML: a value may not begin with this character', 'put the value in quotes'],
  UNEXPECTED_TOKEN: [
    'is not valid YAML: this cannot follow what stands before it',
    'put the value in quotes, or correct what stands before it',
  ],
  BAD_DQ_ESCAPE: ['is not valid YAML: this backslash means nothing', 'write two backslashes, or use single quotes'],
}

const OTHER = ['is not valid YAML', 'correct the syntax there'] as const

/** Parses YAML 1.2 (so JSON as well). Throws ConfigFaulty. */
export function parseYaml(source: string): unknown {
  const lines = new LineCounter()
  const document = parseDocument(source, { lineCounter: lines, uniqueKeys: true, merge: false })
  const errors = [...document.errors, ...document.warnings]
  if (errors.length > 0) {
    const told = (error: (typeof errors)[number], [problem, mend]: readonly [string, string]): Fault => {
      const at = lines.linePos(error.pos[0])
      return { path: `line ${at.line}, column ${at.col}`, problem, mend }
    }
    const byThemselves = errors.flatMap((error) => {
      const words = BY_THEMSELVES[error.code]
      return words === undefined ? [] : [told(error, words)]
    })
    // The first in the file: what comes behind a broken line may be right.
    const [broken] = errors.filter(({ code }) => BY_THEMSELVES[code] === undefined).sort((one, other) => one.pos[0] - other.pos[0])
    throw new ConfigFaulty(broken === undefined ? byThemselves.slice(0, MOST_FAULTS) : [told(broken, SYNTAX[broken.code] ?? OTHER)])
  }
  try {
    return document.toJS({ maxAliasCount: 100 })
  } catch {
    // Aliases are resolved only here: one without its anchor, or a few lines that would become gigabytes.
    throw new ConfigFaulty([
      { path: '', problem: 'has an alias (*name) without its anchor, or too many of them', mend: 'write the values out' },
    ])
  }
}

/** The same tree with every value as the text that stands in the file, for what `parseYaml` took. Tags say nothing in it. */
export function parseYamlAsText(source: string): unknown {
  return parseDocument(source, { schema: 'failsafe', resolveKnownTags: false, merge: false }).toJS({ maxAliasCount: 100 })
}
