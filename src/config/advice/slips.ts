/** Values that have a right form and hardly say what was meant (`advice.ts`). */
import { isIP } from 'node:net'
import type { Config } from '../config.ts'
import type { Fault } from '../faults/faults.ts'

export function slips(config: Config): Fault[] {
  return [...unprotected(config), ...ofRanges(config), ...ofTracing(config), ...placeholders(config)]
}

function unprotected({ publicUrl, listen }: Config): Fault[] {
  if (!publicUrl.startsWith('https:') || listen.https !== undefined || listen.behind.length > 0) return []
  return [
    {
      path: 'publicUrl',
      problem: 'is https, and nothing here ends TLS: there is no listen.https, and listen.behind names no proxy that does',
      mend: 'give listen.https, or list the proxy in listen.behind, 127.0.0.1/32 for one on this machine',
    },
  ]
}

function ofRanges({ listen }: Config): Fault[] {
  const lists = { 'listen.behind': listen.behind, 'listen.forwardAuth.trusted': listen.forwardAuth?.trusted ?? [] }
  return Object.entries(lists).flatMap(([path, ranges]) =>
    ranges.flatMap((range, at): Fault[] => {
      const [address = '', bits = ''] = range.split('/')
      const whole = isIP(address) === 4 ? 32 : 128
      if (Number(bits) === whole || isFirst(address, Number(bits), whole)) return []
      return [
        {
          path: `${path}.${at}`,
          problem: `is an address within a range, and means the whole range of /${bits}`,
          mend: `write /${whole} for this address alone, or the first address of the range`,
        },
      ]
    }),
  )
}

/** Whether an address is the first of its range. */
function isFirst(address: string, bits: number, whole: number): boolean {
  const family = whole === 32 ? 'ipv4' : 'ipv6'
  const value = numberOf(address, family)
  return value === undefined || (value & ((1n << BigInt(whole - bits)) - 1n)) === 0n
}

/** An address as a number; undefined for a form that is left alone. */
function numberOf(address: string, family: 'ipv4' | 'ipv6'): bigint | undefined {
  if (family === 'ipv4') return address.split('.').reduce((sum, part) => (sum << 8n) + BigInt(part), 0n)
  const written = URL.parse(`http://[${address}]/`)?.hostname.slice(1, -1)
  if (written === undefined) return undefined
  const [head = '', tail] = written.split('::')
  const groups = (part: string) => (part === '' ? [] : part.split(':'))
  const [before, after] = [groups(head), groups(tail ?? '')]
  const middle = tail === undefined ? [] : Array.from({ length: 8 - before.length - after.length }, () => '0')
  return [...before, ...middle, ...after].reduce((sum, group) => (sum << 16n) + BigInt(`0x${group}`), 0n)
}

function ofTracing({ tracing }: Config): Fault[] {
  if (tracing === undefined || !/\/v1\/traces\/?$/.test(tracing.otlp)) return []
  return [{ path: 'tracing.otlp', problem: 'ends in /v1/traces, which is put after it', mend: 'write it without /v1/traces' }]
}

const PLACEHOLDER = /^\$(?:\{[A-Za-z_]\w*(?::?-[^}]*)?\}|[A-Z_][A-Z0-9_]*)$/

/** Text that other programs would fill in. What is brokered has such forms of its own. */
function placeholders(value: unknown, path: readonly string[] = []): Fault[] {
  if (typeof value === 'string') {
    const at = path.join('.')
    return PLACEHOLDER.test(value)
      ? [{ path: at, problem: 'is taken to the letter: nothing fills it in', mend: 'write { env: NAME }' }]
      : []
  }
  if (typeof value !== 'object' || value === null || path[0] === 'brokered') return []
  return Object.entries(value).flatMap(([key, inner]) => placeholders(inner, [...path, key]))
}
