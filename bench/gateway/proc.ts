/** What the kernel says about a process and those that it started, by proc(5). */
import { readdir, readFile, writeFile } from 'node:fs/promises'

/** CPU time used so far, in seconds, by `pid` and every process under it that is still there. */
export async function cpuOf(pid: number): Promise<number> {
  const all = new Map<number, { parent: number; ticks: number }>()
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue
    // A process may end while the list is read.
    const fields = await readFile(`/proc/${name}/stat`, 'utf8').then(fieldsOf, () => undefined)
    if (fields) all.set(Number(name), { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) })
  }
  if (!all.has(pid)) throw new Error(`there is no process ${pid}`)
  const under = (id: number): boolean => id === pid || (all.has(id) && under(all.get(id)?.parent ?? 0))
  let ticks = 0
  for (const [id, process] of all) if (under(id)) ticks += process.ticks
  return ticks / TICKS_A_SECOND
}

/** CPU time that one core has spent on anything at all since the machine began, in seconds. */
export async function busyOf(core: number): Promise<number> {
  const line = new RegExp(`^cpu${core} (.+)$`, 'm').exec(await readFile('/proc/stat', 'utf8'))?.[1]
  if (line === undefined) throw new Error(`there is no core ${core}`)
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line.split(' ').map(Number)
  return (user + nice + system + irq + softirq + steal) / TICKS_A_SECOND
}

const TICKS_A_SECOND = 100

/** The fields after the name, which may itself hold blanks and brackets; the first is the state. */
function fieldsOf(stat: string): string[] {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}

/** Resident memory of one process in bytes: now, and the most since it began or since `forgetPeak`. */
export async function memoryOf(pid: number): Promise<{ readonly now: number; readonly peak: number }> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const of = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1] ?? Number.NaN) * 1024
  return { now: of('VmRSS'), peak: of('VmHWM') }
}

/** Lets the peak begin anew at what is resident now. */
export async function forgetPeak(pid: number): Promise<void> {
  await writeFile(`/proc/${pid}/clear_refs`, '5')
}

/** The process of that name, of at most 15 characters, that `parent` started itself. Throws when there is not exactly one. */
export async function childOf(parent: number, name: string): Promise<number> {
  const found: number[] = []
  for (const id of await readdir('/proc')) {
    if (!/^\d+$/.test(id)) continue
    const stat = await readFile(`/proc/${id}/stat`, 'utf8').catch(() => '')
    if (stat.includes(`(${name}) `) && Number(fieldsOf(stat)[1]) === parent) found.push(Number(id))
  }
  const [one, ...more] = found
  if (one === undefined || more.length > 0) throw new Error(`${found.length} processes ${name} were started here`)
  return one
}
