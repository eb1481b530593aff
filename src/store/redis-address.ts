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
export function redisAddress(url: Secret | string, { plaintextOpen = false } = {}): RedisAddress {
  const text = typeof url === 'string' ? url : url.expose()
  const parsed = URL.parse(text)
  if (!parsed) throw new Complaint('the Redis URL cannot be read: expected redis://host:port or rediss://host:port')
  if (parsed.protocol !== 'redis:' && parsed.protocol !== 'rediss:') {
    throw new Complaint('the Redis URL must begin with redis:// or rediss://')
  }
  if (parsed.hostname === '') throw new Complaint('the Redis URL names no host')
  if (!/^\/?\d*$/.test(parsed.pathname)) throw new Complaint('the path of the Redis URL must be a database number')
  if (parsed.search !== '' || parsed.hash !== '') throw new Complaint('the Redis URL must not have a query or a fragment')
  if (parsed.protocol === 'redis:' && !plaintextOpen && !isLoopbackHost(parsed.hostname)) {
    throw new Complaint(
      'the Redis URL is redis:// to another machine, so its password and every command would be readable and changeable on the way: ' +
        'use rediss://, or set store.redis.plaintextOpen: true if nobody else can reach that network',
    )
  }
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

function decoded(part: string): string | undefined {
  if (part === '') return undefined
  try {
    return decodeURIComponent(part)
  } catch {
    throw new Complaint('the user or password in the Redis URL is not percent-encoded correctly')
  }
}
