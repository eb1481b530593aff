/** Which hosts are this machine. A file of its own, because it is asked where nothing of the configuration is loaded. */
import { isIP } from 'node:net'

/** True for hosts that no other machine can reach. */
export function isLoopbackHost(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '')
  return bare === 'localhost' || bare === '::1' || (isIP(bare) === 4 && bare.startsWith('127.'))
}
