/**
 * YAML text to plain values. Whatever is wrong with the text is a ConfigFaulty that says where, and quotes nothing of
 * it but keys that stand there twice: a line that does not parse may hold a secret.
 */
import { type Document, LineCounter, parseDocument, type YAMLParseError } from 'yaml'
import { ConfigFaulty, type ToldFault } from './faults/faults.ts'
import { aliasWithoutAnchor, openedBefore, twiceIn } from './faults/yaml-causes.ts'

/** Its warnings go to the process and quote keys that are groups, such as a secret between doubled braces. */
const UNQUOTED = { logLevel: 'error' } as const

/** What may stand in a file several times without one being the cause of the next: all of these are told at once. */
const BY_THEMSELVES: ReadonlySet<string> = new Set(['DUPLICATE_KEY', 'TAG_RESOLVE_FAILED'])

const MOST_FAULTS = 10

const BRACKET = 'close the bracket or quote that was opened before it, or correct the indentation there'

/** What breaks all that follows: the first of these is told, in words by the parser's error code. */
const SYNTAX: Readonly<Record<string, readonly [problem: string, mend: string]>> = {
  TAG_RESOLVE_FAILED: ['has a tag (!...) that Mandate does not know', 'remove the tag'],
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
  const document = parseDocument(source, { lineCounter: lines, uniqueKeys: true, merge: false, ...UNQUOTED })
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset)
    return { line, column: col }
  }
  const errors = [...document.errors, ...document.warnings]
  if (errors.length > 0) {
    const byThemselves = errors.filter(({ code }) => BY_THEMSELVES.has(code))
    // The first in the file: what comes behind a broken line may be right.
    const [broken] = errors.filter(({ code }) => !BY_THEMSELVES.has(code)).sort((one, other) => one.pos[0] - other.pos[0])
    const told = broken === undefined ? byThemselves.slice(0, MOST_FAULTS) : [broken]
    throw new ConfigFaulty(told.map((error) => faultOf(error, document, source, at)))
  }
  try {
    return document.toJS({ maxAliasCount: 100 })
  } catch {
    // Aliases are resolved only here: one without its anchor, or a few lines that would become gigabytes.
    const alias = aliasWithoutAnchor(document)
    const [problem, mend] =
      alias === undefined
        ? ['has too many aliases (*name), or one within what it names', 'write the values out']
        : ['is an alias (*name) without its anchor (&name) before it', 'write the value out, or in quotes if it is to begin with a star']
    throw new ConfigFaulty([{ code: 'yaml', path: '', ...(alias !== undefined && at(alias)), problem, mend }])
  }
}

type At = (offset: number) => { readonly line: number; readonly column: number }

function faultOf(error: Pick<YAMLParseError, 'code' | 'pos'>, document: Document.Parsed, source: string, at: At): ToldFault {
  const [start] = error.pos
  if (error.code === 'DUPLICATE_KEY') {
    const twice = twiceIn(document, start)
    const problem = twice === undefined ? 'is a key that stands there twice' : `stands there twice, first on line ${at(twice.first).line}`
    return { code: 'duplicate', path: twice?.path ?? '', ...at(start), problem, mend: 'keep one of them' }
  }
  const opened = error.code === 'MISSING_CHAR' || error.code === 'BAD_INDENT' ? openedBefore(document, source, start) : undefined
  if (opened !== undefined) {
    const { line, column } = at(opened.start)
    const indented = error.code === 'BAD_INDENT'
    const problem = `is not valid YAML: a ${opened.what} is not closed${indented ? ', or what is within is not indented' : ''}`
    const mend = `close the ${opened.what} of line ${line}, column ${column}${indented ? ', or indent what is within' : ''}`
    return { code: 'yaml', path: '', ...at(start), problem, mend }
  }
  const [problem, mend] = SYNTAX[error.code] ?? OTHER
  return { code: 'yaml', path: '', ...at(start), problem, mend }
}

/** The same tree with every value as the text that stands in the file, for what `parseYaml` took. Tags say nothing in it. */
export function parseYamlAsText(source: string): unknown {
  return parseDocument(source, { schema: 'failsafe', resolveKnownTags: false, merge: false, ...UNQUOTED }).toJS({ maxAliasCount: 100 })
}
