/**
 * Says while a connection is being reset.
 *
 * Security: undici takes a reset for the proper end of an answer that ends with its connection, and half of an answer would
 * look whole. What ends in the very moment of a reset was ended by it.
 */
import type { buildConnector } from 'undici'

export interface Resets {
  /** True while undici is told that a connection failed. */
  now: boolean
}

/** A connector whose connections say so. */
export function tellingResets(resets: Resets, connector: buildConnector.connector): buildConnector.connector {
  return (options, callback) =>
    connector(options, (...connected) => {
      const [, socket] = connected
      // undici listens from within the callback: the first of these is called before it, the other one after.
      socket?.on('error', () => {
        resets.now = true
      })
      callback(...connected)
      socket?.on('error', () => {
        resets.now = false
      })
    })
}
