/** Finds ports for `mandate dev` and for tests that must know a port before they bind it. */
import { randomInt } from 'node:crypto'
import { type AddressInfo, createServer } from 'node:net'

/**
 * Below the range from which systems give out ports by themselves (32768 and up on Linux, 49152 elsewhere): a port found
 * here is not taken a moment later by an outgoing connection or by somebody who binds port 0.
 */
const FROM = 20_000
const BELOW = 32_000
const TRIES = 50

const HIGHEST = 65_535

/** The preferred port of 127.0.0.1 if there is such a port and it is free, else any free one. */
export async function freePort(preferred: number): Promise<number> {
  const asked = preferred === 0 || preferred > HIGHEST ? undefined : await tryPort(preferred)
  if (asked !== undefined) return asked
  for (let tries = 0; tries < TRIES; tries += 1) {
    const found = await tryPort(randomInt(FROM, BELOW))
    if (found !== undefined) return found
  }
  return (await tryPort(0)) ?? 0
}

function tryPort(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(undefined))
    probe.listen(port, '127.0.0.1', () => {
      const found = (probe.address() as AddressInfo).port
      probe.close(() => resolve(found))
    })
  })
}
