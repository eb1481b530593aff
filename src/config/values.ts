/** The scalar forms that configuration values take: references to secrets, durations, sizes, names, addresses. */
import { isIP } from 'node:net'
import { z } from 'zod'

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

/** A value that is not secret and may stand in the file or come from the environment. */
export const text = z
  .union([z.string().min(1), z.strictObject({ env: z.string().min(1) })], { error: 'expected text or { env: NAME }' })
  .transform((value, context): string => {
    if (typeof value === 'string') return value
    const found = process.env[value.env]
    if (found !== undefined && found !== '') return found
    context.addIssue({ code: 'custom', message: `the environment variable ${value.env} is not set`, params: { mend: `set ${value.env}` } })
    return z.NEVER
  })

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** A duration such as 30s, 30m or 8h, in milliseconds. */
export const duration = z
  .string()
  .regex(/^[1-9][0-9]{0,8}(ms|s|m|h|d)$/, 'expected a duration such as 250ms, 30s, 30m, 8h or 1d')
  .transform((value) => {
    const unit = /[a-z]+$/.exec(value)?.[0] ?? 'ms'
    return Number.parseInt(value, 10) * (UNITS[unit] ?? 1)
  })

/** A size such as 64kB or 3MB, in bytes. */
export const size = z
  .string()
  .regex(/^[1-9][0-9]{0,6}(kB|MB|GB)$/, 'expected a size such as 64kB, 3MB or 1GB')
  .transform((value) => Number.parseInt(value, 10) * (value.endsWith('kB') ? 1e3 : value.endsWith('MB') ? 1e6 : 1e9))

/** Names of providers, clusters and routes stand in paths, metrics and cookies: DNS labels are safe in all of them. */
export const name = z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'expected a name of lower-case letters, digits and hyphens, at most 63')

export const port = z.int().min(0).max(65_535)

/** True for hosts that no other machine can reach. */
export function isLoopbackHost(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '')
  return bare === 'localhost' || bare === '::1' || (isIP(bare) === 4 && bare.startsWith('127.'))
}

function checkUrl(value: string, context: z.RefinementCtx): URL | undefined {
  const url = URL.parse(value)
  const fault = (message: string, mend: string) => context.addIssue({ code: 'custom', message, params: { mend } })
  if (url === null || !['http:', 'https:'].includes(url.protocol)) return void fault('is not an http or https URL', 'write https://host[:port]')
  if (url.username !== '' || url.password !== '') return void fault('carries a user name or password', 'remove them: secrets stand only in references')
  if (url.hash !== '' || url.search !== '') return void fault('carries a query or fragment', 'remove it')
  if (url.protocol === 'http:' && !isLoopbackHost(url.hostname)) return void fault('is http to a host that is not loopback', 'use https')
  return url
}

/** An https URL, or an http one on loopback; no credentials, query or fragment. Kept as written: issuers compare exactly. */
export const secureUrl = text.superRefine((value, context) => void checkUrl(value, context))

/** The same, reduced to its origin: a path is a fault. */
export const origin = text.transform((value, context): string => {
  const url = checkUrl(value, context)
  if (url === undefined) return z.NEVER
  if (url.pathname !== '/') {
    context.addIssue({ code: 'custom', message: 'has a path', params: { mend: `write ${url.origin}` } })
    return z.NEVER
  }
  return url.origin
})

/** An address range in CIDR form. */
export const cidr = z.string().refine((value) => {
  const [address = '', bits = ''] = value.split('/')
  const family = isIP(address)
  return family !== 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128)
}, 'expected an address range such as 10.0.0.0/8')
