/** Which address of the configuration could not be bound: the error of the system knows the port alone. */
import { Complaint } from '../complaint.ts'
import type { Config } from '../config/config.ts'

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'is in use: stop what uses it, or choose another port',
  EADDRNOTAVAIL: 'is not an address of this machine: correct the host',
  EACCES: 'may not be bound by this user: choose a port above 1023, or give the right to bind lower ones',
}

/** Throws what a start failed by, in words that name the address and its key where it is one that could not be bound. */
export function nameAddress({ listen }: Pick<Config, 'listen'>): (error: unknown) => never {
  return (error) => {
    const { syscall, code = '', port } = error instanceof Error ? (error as NodeJS.ErrnoException & { port?: unknown }) : {}
    const reason = syscall === 'listen' || syscall === 'bind' ? REASONS[code] : undefined
    // No two listeners have the same port: `unsafe.ts` refuses that.
    const listeners = { http: listen.http, https: listen.https, forwardAuth: listen.forwardAuth, operations: listen.operations }
    const [found] = Object.entries(listeners).filter(([, listener]) => listener?.port === port)
    if (reason === undefined || found?.[1] === undefined) throw error
    const [key, { host }] = found
    throw new Complaint(`${host.includes(':') ? `[${host}]` : host}:${port} (listen.${key}) ${reason}`)
  }
}
