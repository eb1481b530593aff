/**
 * Other names of this machine, such as 127.0.0.1 for localhost: pages of Mandate's own are led to `publicUrl`, because the
 * cookies of a sign-in are bound to its host alone, and a sign-in that is begun under another name never ends.
 *
 * Security: it leads to the origin of the configuration, by the path as it was read, and to nothing else. Clusters, routes,
 * JSON and whatever has a bearer are answered under every name. A proxy that writes another Host than the browser's would be
 * led in a circle: so it is done on this machine alone, where no proxy is seen and the port is that of `publicUrl`.
 */
import { isLoopbackHost } from '../config/loopback.ts'
import type { Visit } from './visit.ts'

const PAGES = new Set(['', 'login', 'logout'])
const BY_A_PROXY = ['forwarded', 'via', 'x-real-ip', ...['for', 'host', 'port', 'proto'].map((what) => `x-forwarded-${what}`)]

/** True for a page under another name of this machine, where `publicUrl` is one: it is to be opened there. */
export function isLedToPublicUrl({ request, head: { values }, target }: Visit, publicUrl: string): boolean {
  const [first = '', ...rest] = target.segments
  if (request.method !== 'GET' || rest.length > 0 || !PAGES.has(first)) return false
  if (values.has('authorization') || BY_A_PROXY.some((name) => values.has(name))) return false
  const { protocol, port, hostname } = new URL(publicUrl)
  const asked = URL.parse(`${protocol}//${values.get('host') ?? ''}`)
  return asked !== null && isLoopbackHost(asked.hostname) && isLoopbackHost(hostname) && asked.port === port
}
