/**
 * YAML text to plain values. Whatever is wrong with the text is a ConfigFaulty that says where, and quotes nothing of
 * it: a line that does not parse may hold a secret.
 */
import { LineCounter, parseDocument } from 'yaml'
import { ConfigFaulty, type Fault } from './faults.ts'

const MOST_SYNTAX_FAULTS = 10

/** Messages by the parser's error code; the rest are plain syntax errors. */
const PROBLEMS: Readonly<Record<string, readonly [problem: string, mend: string]>> = {
  DUPLICATE_KEY: ['is a key that stands there twice', 'keep one of them'],
  MULTIPLE_DOCS: ['begins a second document', 'keep everything in one document, without ---'],
  RESOURCE_EXHAUSTION: ['is nested too deeply', 'write it flatter'],
  TAG_RESOLVE_FAILED: ['has a tag (!...) that Mandate does not know', 'remove the tag'],
  TAB_AS_INDENT: ['is indented by a tab', 'indent by spaces'],
  BAD_INDENT: ['is not valid YAML: the indentation does not fit', 'correct the indentation there'],
}

/** Parses YAML 1.2 (so JSON as well). Throws ConfigFaulty. */
export function parseYaml(source: string): unknown {
  const lines = new LineCounter()
  const document = parseDocument(source, { lineCounter: lines, uniqueKeys: true, merge: false })
  const errors = [...document.errors, ...document.warnings]
  if (errors.length > 0) {
    const faults = errors.map((error): Fault => {
      const at = lines.linePos(error.pos[0])
      const [problem, mend] = PROBLEMS[error.code] ?? [`is not valid YAML (${error.code.toLowerCase()})`, 'correct the syntax there']
      return { path: `line ${at.line}, column ${at.col}`, problem, mend }
    })
    // One broken line can break all that follow: the first faults tell.
    throw new ConfigFaulty(faults.slice(0, MOST_SYNTAX_FAULTS))
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
