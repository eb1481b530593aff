/**
 * What a fault of ours costs that comes up while a connection is served: that connection, and nothing else.
 *
 * Security: a throw within a listener of an event, or a promise that nobody awaits, ends the process and with it
 * everybody's requests. Callers whom nobody vouched for choose what arrives and in which order, so everything that a
 * listener of a server begins runs in here, what it begins later as well.
 */
import type { Duplex } from 'node:stream'
import { describeError, type Log } from '../log.ts'

/** Does it for a connection. Never throws; whatever comes of it asynchronously is seen to as well. */
export type Guard = (connection: Duplex, act: () => unknown) => void

/** A guard that cuts the connection of a fault, logs the fault, and has it counted for the connection that it was. */
export function createGuard(log: Log, counted: (connection: Duplex) => unknown): Guard {
  const cut = async (connection: Duplex, error: unknown) => {
    log.fault('a fault ended a connection', error)
    try {
      // Before it is cut, when it is still known from where it came.
      const counting = counted(connection)
      // Nothing may be answered any more where nobody knows how far an answer got.
      connection.destroy()
      await counting
    } catch (another) {
      connection.destroy()
      log.warn('a fault could not be counted', describeError(another))
    }
  }
  return (connection, act) => {
    try {
      const going = act()
      if (going instanceof Promise) going.catch((error: unknown) => cut(connection, error))
    } catch (error) {
      void cut(connection, error)
    }
  }
}
