import { setTimeout as sleep } from 'node:timers/promises'

/** Resolves as soon as it is so; a throw counts as "not yet". Rejects when it is still not so after `withinMs`. */
export async function eventually(what: string, so: () => boolean | Promise<boolean>, withinMs = 20_000): Promise<void> {
  let last: unknown
  for (const deadline = Date.now() + withinMs; ; await sleep(25)) {
    try {
      if (await so()) return
    } catch (error) {
      last = error
    }
    if (Date.now() > deadline) throw new Error(`after ${withinMs} ms it is not so that ${what}`, { cause: last })
  }
}
