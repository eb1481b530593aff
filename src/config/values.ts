/** The scalar forms that configuration values take: references to secrets, durations, sizes, names, addresses. */
import { isIP } from 'node:net'
import { z } from 'zod'
import { environmentVariable } from './environment.ts'
import { isLoopbackHost } from './loopback.ts'

/**
 * Where a value that must not stand in the file is found. Files are read again when they change, so a rotated secret
 * or certificate is picked up without a restart.
 */
export type Reference = { readonly env: string } | { readonly file: string }

export const reference = z
  .union([z.strictObject({ env: z.string().min(1) }), z.strictObject({ file: z.string().min(1) })], {
    error: 'expected a reference: { env: NAME } or { file: path }; secrets never stand in the configuration itself',
  })
  .describe('A reference to a secret: { env: NAME } or { file: path }')

export function textOf(what: string) {
  return z
    .union([z.string().min(1), z.strictObject({ env: z.string().min(1) })], { error: `expected ${what} or { env: NAME }` })
    .transform((value, context): string => {
      if (typeof value === 'string') return value
      const found = environmentVariable(value.env)
      if (found !== undefined) return found
      context.addIssue({
        code: 'custom',
        message: `the environment variable ${value.env} is not set`,
        params: { mend: `set ${value.env}`, unset: value.env, what },
      })
      return z.NEVER
    })
}

const A_RATE = 'expected a rate such as 10/second, 60/minute or 1000/hour'
const PER: Readonly<Record<string, number>> = { second: 1_000, minute: 60_000, hour: 3_600_000 }

/** So many in so long. */
export interface Rate {
  readonly count: number
  readonly perMs: number
}

/** A rate such as 60/minute. */
export const rate = z
  .string({ error: A_RATE })
  .regex(/^[1-9][0-9]{0,8}\/(second|minute|hour)$/, A_RATE)
  .transform((value): Rate => ({ count: Number.parseInt(value, 10), perMs: PER[value.split('/')[1] ?? ''] ?? 1_000 }))

/** A value that is not secret and may stand in the file or come from the environment. */
export const text = textOf('text')

const A_DURATION = 'expected a duration such as 250ms, 30s, 30m, 8h or 1d'
const A_SIZE = 'expected a size such as 64kB, 3MB or 1GB'
const LONGEST_MS = 365 * 86_400_000
const LARGEST_BYTES = 1e12

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** A duration such as 30s, 30m or 8h, in milliseconds. */
export const duration = z
  .string({ error: A_DURATION })
  .regex(/^[1-9][0-9]{0,8}(ms|s|m|h|d)$/, A_DURATION)
  .transform((value) => {
    const unit = /[a-z]+$/.exec(value)?.[0] ?? 'ms'
    return Number.parseInt(value, 10) * (UNITS[unit] ?? 1)
  })
  .refine((ms) => ms <= LONGEST_MS, { error: 'is longer than a year', params: { mend: 'write at most 365d' } })

/** A size such as 64kB or 3MB, in bytes. */
export const size = z
  .string({ error: A_SIZE })
  .regex(/^[1-9][0-9]{0,6}(kB|MB|GB)$/, A_SIZE)
  .transform((value) => Number.parseInt(value, 10) * (value.endsWith('kB') ? 1e3 : value.endsWith('MB') ? 1e6 : 1e9))
  .refine((bytes) => bytes <= LARGEST_BYTES, { error: 'is larger than 1000GB', params: { mend: 'write at most 1000GB' } })

/** Names of providers, clusters and routes stand in paths, metrics and cookies: DNS labels are safe in all of them. */
export const name = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'expected a name of lower-case letters, digits and hyphens, at most 63')

export const port = z.int().min(0).max(65_535)

function checkUrl(value: string, context: z.RefinementCtx, plaintext = false): URL | undefined {
  const url = URL.parse(value)
  const fault = (message: string, mend: string) => context.addIssue({ code: 'custom', message, params: { mend } })
  if (/\$\{/.test(value)) return void fault('holds a placeholder that begins with ${, which nothing fills in', 'write { env: NAME }')
  if (url === null || !['http:', 'https:'].includes(url.protocol))
    return void fault('is not an http or https URL', 'write https://host[:port]')
  if (url.username !== '' || url.password !== '')
    return void fault('carries a user name or password', 'remove them: secrets stand only in references')
  if (url.hash !== '' || url.search !== '') return void fault('carries a query or fragment', 'remove it')
  if (!plaintext && url.protocol === 'http:' && !isLoopbackHost(url.hostname))
    return void fault('is http to a host that is not loopback', 'use https')
  return url
}

/** An https URL, or an http one on loopback; no credentials, query or fragment. Kept as written: issuers compare exactly. */
export const secureUrl = textOf('a URL such as https://host').superRefine((value, context) => void checkUrl(value, context))

/** The same, or http to anywhere: whoever uses it says when that may be. */
export const anyUrl = textOf('a URL such as https://host').superRefine((value, context) => void checkUrl(value, context, true))

/** A secure URL, reduced to its origin: a path is a fault. */
export const origin = textOf('an origin such as https://host').transform((value, context): string => {
  const url = checkUrl(value, context)
  if (url === undefined) return z.NEVER
  if (url.pathname !== '/') {
    context.addIssue({ code: 'custom', message: 'has a path', params: { mend: 'remove the path' } })
    return z.NEVER
  }
  return url.origin
})

/** An address range in CIDR form. */
export const cidr = z.string().superRefine((value, context) => {
  const [address = '', bits = '', ...more] = value.split('/')
  const family = address.includes('%') ? 0 : isIP(address)
  if (family !== 0 && more.length === 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128)) return
  const fault = (message: string, mend: string) => context.addIssue({ code: 'custom', message, params: { mend } })
  if (family === 0 || value !== address) fault('is not an address range', 'write one such as 10.0.0.0/8')
  else fault('is an address and no range', family === 4 ? 'write /32 after it: 10.0.0.1/32 is one address' : 'write /128 after it')
})
