/**
 * What a container of the stand-in can run: a few commands that read, write, wait and fail. It touches no file, starts
 * no process and knows nothing of this machine, so whoever may exec here has gained nothing.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { InputQueue } from './input-queue.ts'

/** One command's surroundings. A write resolves when it may be followed by another. */
export type Process = {
  stdin: InputQueue
  stdout(bytes: Buffer): Promise<void>
  stderr(bytes: Buffer): Promise<void>
  hostname: string
  /** Ends whatever waits or runs for ever. */
  killed: AbortSignal
}

type Command = (args: readonly string[], process: Process) => Promise<number>

const blockSize = 32 * 1024

async function fail(process: Process, code: number, message: string): Promise<number> {
  await process.stderr(Buffer.from(`${message}\n`))
  return code
}

/** Copies the first `count` lines or bytes, and leaves the rest to whoever reads next. */
const head: Command = async (args, process) => {
  const [, unit, count = ''] = /^-([cn])(\d{1,12})$/.exec(args.join('')) ?? []
  let left = Number(count)
  if (unit === undefined) return fail(process, 1, 'head: -n LINES or -c BYTES')
  while (left > 0) {
    const chunk = await process.stdin.read()
    if (chunk === undefined) break
    let end = 0
    for (; end < chunk.length && left > 0; end += 1) if (unit === 'c' || chunk[end] === 0x0a) left -= 1
    await process.stdout(chunk.subarray(0, end))
    process.stdin.unread(chunk.subarray(end))
  }
  return 0
}

const commands: Readonly<Record<string, Command>> = {
  cat: async ([file], process) => {
    if (file !== undefined) return fail(process, 1, `cat: ${file}: No such file or directory`)
    for (let chunk = await process.stdin.read(); chunk !== undefined; chunk = await process.stdin.read()) await process.stdout(chunk)
    return 0
  },
  echo: async (args, process) => {
    await process.stdout(Buffer.from(`${args.join(' ')}\n`))
    return 0
  },
  false: async () => 1,
  head,
  hostname: async (_args, process) => {
    await process.stdout(Buffer.from(`${process.hostname}\n`))
    return 0
  },
  sh: async ([flag, script], process) => {
    if (flag !== '-c' || script === undefined) return fail(process, 2, 'sh: only sh -c SCRIPT is known here')
    return runScript(script, process)
  },
  sleep: async ([seconds = ''], process) => {
    if (!/^\d+(\.\d+)?$/.test(seconds)) return fail(process, 1, `sleep: invalid number '${seconds}'`)
    await sleep(Number(seconds) * 1000, undefined, { signal: process.killed })
    return 0
  },
  true: async () => 0,
  wc: async ([flag], process) => {
    if (flag !== '-c') return fail(process, 1, 'wc: only wc -c is known here')
    let bytes = 0
    for (let chunk = await process.stdin.read(); chunk !== undefined; chunk = await process.stdin.read()) bytes += chunk.length
    await process.stdout(Buffer.from(`${bytes}\n`))
    return 0
  },
  yes: async ([word = 'y'], process) => {
    const line = `${word}\n`
    const block = Buffer.from(line.repeat(Math.ceil(blockSize / line.length)))
    while (!process.killed.aborted) await process.stdout(block)
    return 137
  },
}

/**
 * Runs one command and returns its exit code: 127, and a word on stderr, for one that is not there. Rejects only when
 * killed.
 */
export async function runCommand([name = '', ...args]: readonly string[], process: Process): Promise<number> {
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  return command === undefined ? fail(process, 127, `${name}: not found`) : command(args, process)
}

const token = /&&|;|\n|>&2|(?:"[^"]*"|'[^']*'|[^\s;&<>|"'])+|\S/g

/** Commands one after the other, by `;`, a new line or `&&`, each with its output turned to stderr by `>&2`; and `exit`. */
async function runScript(script: string, process: Process): Promise<number> {
  let code = 0
  let skip = false
  let words: string[] = []
  let toStderr = false
  for (const part of [...(script.match(token) ?? []), ';']) {
    if (part === '>&2') toStderr = true
    else if (part === ';' || part === '\n' || part === '&&') {
      if (words.length > 0 && !skip) {
        if (words[0] === 'exit') return words[1] === undefined ? code : Number(words[1]) & 0xff
        code = await runCommand(words, toStderr ? { ...process, stdout: process.stderr } : process)
      }
      skip = part === '&&' && code !== 0
      words = []
      toStderr = false
    } else if (/^[&<>|"']$/.test(part)) return fail(process, 2, `sh: syntax error: ${JSON.stringify(part)} is not known here`)
    else words.push(part.replace(/"([^"]*)"|'([^']*)'/g, '$1$2'))
  }
  return code
}
