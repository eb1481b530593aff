/**
 * Where Redis is, read from a URL.
 *
 * Security: the URL carries a password, and `new URL` quotes what it could not parse in its error. So the URL is read
 * here, every error is written by us, and what goes on is host, port and a Secret; nothing later sees the URL.
 *
 * What is stored is sealed, but the password and the order of the log are not: whoever is on the way of a plain connection
 * could write as we do. So redis:// reaches this machine alone, unless the operator says that the way is safe.
 */
import { Complaint } from '../complaint.ts'
import { isLoopbackHost } from '../config/loopback.ts'
import { Secret } from '../secret.ts'

export interface RedisAddress {
  readonly host: string
  readonly port: number
  readonly tls: boolean
  readonly username: string | undefined
  readonly password: Secret | undefined
  readonly database: number
}

/**
 * Reads `redis[s]://[[username][:password]@]host[:port][/database]` (IANA registration of the redis scheme).
 * Throws a Complaint for the operator, which never quotes the URL.
 */
export function redisAddress(url: Secret | string, options: { readonly plaintextOpen?: boolean | undefined } = {}): RedisAddress {
  const text = typeof url === 'string' ? url : url.expose()
  const parsed = URL.parse(text)
  const fault = faultOf(text, parsed, options.plaintextOpen)
  if (fault !== undefined || parsed === null) throw new Complaint(`the Redis URL ${fault?.problem}: ${fault?.mend}`)
  const password = decoded(parsed.password)
  return {
    host: parsed.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: parsed.port === '' ? 6379 : Number(parsed.port),
    tls: parsed.protocol === 'rediss:',
    username: decoded(parsed.username),
    password: password === undefined ? undefined : new Secret(password),
    database: Number(parsed.pathname.slice(1)),
  }
}

interface UrlFault {
  readonly problem: string
  readonly mend: string
}

/** Why a Redis URL cannot be used, and the mend, without a word of it; undefined when it can. */
export function redisUrlFault(url: Secret, { plaintextOpen }: { readonly plaintextOpen?: boolean } = {}): UrlFault | undefined {
  return faultOf(url.expose(), URL.parse(url.expose()), plaintextOpen)
}

function faultOf(text: string, parsed: URL | null, plaintextOpen = false): UrlFault | undefined {
  const form = 'write redis://host:port or rediss://:password@host:port'
  if (!/^rediss?:\/\//i.test(text)) return { problem: 'does not begin with redis:// or rediss://', mend: form }
  // An @ after the host has ended: the password that should have come before it has ended the host.
  if (/^[^/]*\/\/[^@/?#]*[/?#].*@/.test(text))
    return { problem: 'has a /, ? or # in its password', mend: 'write / as %2F, ? as %3F and # as %23 there' }
  if (parsed === null) return { problem: 'cannot be read', mend: form }
  if (parsed.hostname === '') return { problem: 'names no host', mend: form }
  if (!/^\/?\d*$/.test(parsed.pathname))
    return { problem: 'has a path that is not a database number', mend: 'write /0 or another number, or nothing' }
  if (parsed.search !== '' || parsed.hash !== '') return { problem: 'has a query or a fragment', mend: 'remove it' }
  if (parsed.protocol === 'redis:' && !plaintextOpen && !isLoopbackHost(parsed.hostname)) {
    return {
      problem: 'is redis:// to another machine, so its password and every command would be readable and changeable on the way',
      mend: 'use rediss://, or set store.redis.plaintextOpen: true if nobody else can reach that network',
    }
  }
  if (!isEncoded(parsed.username) || !isEncoded(parsed.password))
    return { problem: 'has a user or password that is not percent-encoded correctly', mend: 'write % as %25 there' }
  return undefined
}

function isEncoded(part: string): boolean {
  try {
    decodeURIComponent(part)
    return true
  } catch {
    return false
  }
}

function decoded(part: string): string | undefined {
  return part === '' ? undefined : decodeURIComponent(part)
}
