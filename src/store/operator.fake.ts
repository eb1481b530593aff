/** What an operator of Redis does behind Mandate's back, for tests on a real one. */
import { createClient } from 'redis'

/** Runs raw commands against a server, as its operator would. */
export async function operate(url: string, ...commands: string[][]): Promise<unknown[]> {
  const client = createClient({ url, RESP: 2 })
  client.on('error', () => {})
  await client.connect()
  const replies: unknown[] = []
  for (const command of commands) replies.push(await client.sendCommand<unknown>(command))
  client.destroy()
  return replies
}

/** Ends what a test began, in the given order. */
export async function endAll(...parts: ReadonlyArray<{ stop(): Promise<void> } | { close(): Promise<void> }>): Promise<void> {
  for (const part of parts) await ('stop' in part ? part.stop() : part.close())
}
