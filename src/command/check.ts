/** `mandate check`: the faults of a configuration, and what is legal but unwise. */
import { resolve } from 'node:path'
import { whyUnwritable } from '../audit/audit-file.ts'
import { advice } from '../config/advice.ts'
import { type Config, loadConfig } from '../config/config.ts'
import { ConfigFaulty, type Fault, type RouteNames } from '../config/faults.ts'
import { ReferenceUnreadable, secretSource } from '../config/references.ts'
import { faultLines } from './fault-lines.ts'
import { jsonOf } from './json.ts'

interface Checked {
  readonly faults: readonly Fault[]
  readonly advice: readonly Fault[]
}

/** Prints what was found; the exit status is 1 when there are faults. */
export async function check({ config: path, output }: { config: string; output: 'text' | 'json' }): Promise<void> {
  const { names, ...found } = await examine(path)
  if (output === 'json') process.stdout.write(`${jsonOf({ ok: found.faults.length === 0, ...found }, 2)}\n`)
  else process.stdout.write(asText(path, found, names))
  process.exitCode = found.faults.length === 0 ? 0 : 1
}

async function examine(path: string): Promise<Checked & { readonly names: RouteNames }> {
  try {
    const config = await loadConfig(path)
    const names = config.routes.map(({ name }) => name)
    return { faults: [...unreadable(config), ...unwritable(config)], advice: advice(config), names }
  } catch (error) {
    if (!(error instanceof ConfigFaulty)) throw error
    return { faults: error.faults, advice: [], names: error.routeNames }
  }
}

/** References that cannot be read here and now: a start would fail on them. */
function unreadable(config: unknown, path: readonly string[] = []): Fault[] {
  // audit.file is a place to write to, in the form that references have.
  if (typeof config !== 'object' || config === null || path[0] === 'audit') return []
  const entries = Object.entries(config)
  const [key, value] = entries[0] ?? []
  if (entries.length === 1 && (key === 'env' || key === 'file') && typeof value === 'string') {
    try {
      secretSource(key === 'env' ? { env: value } : { file: value }).read()
      return []
    } catch (error) {
      if (!(error instanceof ReferenceUnreadable)) throw error
      return [
        {
          path: path.join('.'),
          problem: error.message,
          mend: key === 'env' ? `set ${value}` : 'put the file there, readable by this user',
        },
      ]
    }
  }
  return entries.flatMap(([name, inner]) => unreadable(inner, [...path, name]))
}

/** A gateway whose audit log cannot be written does not start. */
function unwritable({ audit }: Pick<Config, 'audit'>): Fault[] {
  const why = audit.file === '-' ? undefined : whyUnwritable(resolve(audit.file), false)
  if (why === undefined) return []
  const mend = 'make the folder and let this user write there, name another file, or write - for standard output'
  return [{ path: 'audit.file', problem: `${resolve(audit.file)} cannot be written: ${why}`, mend }]
}

function asText(path: string, { faults, advice: unwise }: Checked, names: RouteNames): string {
  const lines = (title: string, list: readonly Fault[]) => (list.length === 0 ? '' : `${title}\n${faultLines(list, names)}`)
  const verdict = faults.length === 0 ? `${path} is right${unwise.length === 0 ? '' : ', but:'}\n` : `${path} is not right:\n`
  return verdict + lines('faults', faults) + lines('advice', unwise)
}
