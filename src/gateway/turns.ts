/**
 * The requests of one connection take turns: each is begun when the answer before it is over.
 *
 * Security: what waits is bounded, in number and in bytes. A caller may send requests without ever reading an answer, a
 * watch in front of them keeps them all waiting, and each holds its head in memory. Nobody's client pipelines this deep,
 * so a connection that does is cut. An answer that is complete but not fetched holds its connection no longer than
 * `fetchWithinMs`.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'

const MOST_WAITING = 16
const MOST_CHARACTERS_WAITING = 65_536

interface Waiting {
  readonly response: ServerResponse
  readonly begin: () => void
  /** Characters of its head. */
  readonly size: number
}

interface Line {
  running: ServerResponse | undefined
  readonly waiting: Waiting[]
}

export interface Turns {
  /** Begins at once or in turn. False when too many wait already: nothing will begin, and the connection is to be cut. */
  take(socket: Duplex, response: ServerResponse, begin: () => void): boolean
  /** True while an answer has begun and is not over: a second head would be read as part of it. */
  answering(socket: Duplex): boolean
  /** True while a request of the connection is under way. */
  busy(socket: Duplex): boolean
}

/** The turns of one listener's connections. */
export function createTurns(fetchWithinMs: number): Turns {
  // Node tells only the answer that is being sent that its connection closed; the others go with the connection.
  const lines = new WeakMap<Duplex, Line>()

  const run = (socket: Duplex, line: Line, response: ServerResponse, begin: () => void) => {
    let cut: NodeJS.Timeout | undefined
    line.running = response
    response.once('prefinish', () => {
      // What the kernel has taken already needs no watching.
      if (!socket.destroyed && socket.writableLength > 0) cut = setTimeout(() => socket.destroy(), fetchWithinMs)
    })
    response.once('close', () => {
      clearTimeout(cut)
      line.running = undefined
      const next = line.waiting.shift()
      if (next !== undefined) run(socket, line, next.response, next.begin)
    })
    begin()
  }

  return {
    take(socket, response, begin) {
      const line: Line = lines.get(socket) ?? { running: undefined, waiting: [] }
      lines.set(socket, line)
      if (line.running === undefined) {
        run(socket, line, response, begin)
        return true
      }
      const size = sizeOf(response.req)
      const held = line.waiting.reduce((sum, each) => sum + each.size, size)
      if (line.waiting.length >= MOST_WAITING || held > MOST_CHARACTERS_WAITING) return false
      line.waiting.push({ response, begin, size })
      return true
    },
    busy: (socket) => lines.get(socket)?.running !== undefined,
    answering: (socket) => lines.get(socket)?.running?.headersSent ?? false,
  }
}

function sizeOf({ url = '', rawHeaders }: IncomingMessage): number {
  return rawHeaders.reduce((sum, { length }) => sum + length, url.length)
}
