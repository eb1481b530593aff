/** `mandate check`: the faults of a configuration, and what is legal but unwise. */
import { resolve } from 'node:path'
import { whyUnwritable } from '../audit/audit-file.ts'
import { readReferenced } from '../compose/referenced.ts'
import { advice } from '../config/advice/advice.ts'
import { type Config, loadConfig, loadWithoutVariables } from '../config/config.ts'
import { ConfigFaulty, type Fault, type RouteNames } from '../config/faults/faults.ts'
import { placed } from '../config/faults/places.ts'
import { inBoth } from '../config/faults/unset-variables.ts'
import { faultLines } from './fault-lines.ts'
import { jsonOf } from './json.ts'
import { toldJson } from './told-json.ts'

interface Checked {
  readonly faults: readonly Fault[]
  readonly advice: readonly Fault[]
}

export interface CheckOptions {
  readonly config: string
  readonly output: 'text' | 'json'
  /** False: neither files nor variables that the configuration refers to are looked at. */
  readonly secrets: boolean
}

/** Prints what was found; the exit status is 1 when there are faults. */
export async function check({ config: path, output, secrets }: CheckOptions): Promise<void> {
  const { names, ...found } = await (secrets ? examine(path) : examineAlone(path)).catch((error: unknown) => {
    if (!(error instanceof ConfigFaulty)) throw error
    return { faults: error.faults, advice: [], names: error.routeNames }
  })
  if (output === 'json') process.stdout.write(`${jsonOf({ ok: found.faults.length === 0, ...asData(found, names) }, 2)}\n`)
  else process.stdout.write(asText(path, found, names))
  process.exitCode = found.faults.length === 0 ? 0 : 1
}

type Examined = Checked & { readonly names: RouteNames }

/** All that a start would meet: what is read only later, too, because somebody would wait for it in vain. */
async function examine(path: string): Promise<Examined> {
  const config = await loadConfig(path)
  const { faults, failing, advice: unwise } = readReferenced(config, Date.now())
  return {
    faults: placed(config, [...faults, ...failing, ...unwritable(config)]),
    advice: placed(config, [...advice(config), ...unwise]),
    names: namesOf(config),
  }
}

/** What the configuration says by itself. */
async function examineAlone(path: string): Promise<Examined> {
  const [config, other] = await loadWithoutVariables(path)
  return { faults: [], advice: placed(config, inBoth(advice(config), advice(other))), names: namesOf(config) }
}

function namesOf({ routes }: Config): RouteNames {
  return routes.map(({ name }) => name)
}

/** A gateway whose audit log cannot be written does not start. */
function unwritable({ audit }: Pick<Config, 'audit'>): Fault[] {
  const why = audit.file === '-' ? undefined : whyUnwritable(resolve(audit.file), false)
  if (why === undefined) return []
  const mend = 'make the folder and let this user write there, name another file, or write - for standard output'
  return [{ path: 'audit.file', problem: `${resolve(audit.file)} cannot be written: ${why}`, mend }]
}

/** What a configuration that loads is at fault in is what it leads to. */
function asData({ faults, advice: unwise }: Checked, names: RouteNames) {
  return { faults: toldJson(faults, names, 'unreadable'), advice: toldJson(unwise, names, 'unwise') }
}

function asText(path: string, { faults, advice: unwise }: Checked, names: RouteNames): string {
  const lines = (title: string, list: readonly Fault[]) => (list.length === 0 ? '' : `${title}\n${faultLines(list, names, path)}`)
  const verdict = faults.length === 0 ? `${path} is right${unwise.length === 0 ? '' : ', but:'}\n` : `${path} is not right:\n`
  return verdict + lines('faults', faults) + lines('advice', unwise)
}
