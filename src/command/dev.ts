/** `mandate dev`: the whole of Mandate on this machine, with nothing to install and nothing to configure. */
import { isAbsolute, join } from 'node:path'
import { WrongUsage } from '../complaint.ts'
import { createLog } from '../log.ts'
import { untilSignal } from './until-signal.ts'

export interface DevCommand {
  readonly context?: string
  readonly port: string
  readonly state: string
}

export async function dev({ context, port, state }: DevCommand): Promise<void> {
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535) throw new WrongUsage('--port takes a number from 0 to 65535')
  const log = createLog((line) => process.stderr.write(line), 'warn')
  const { startDev } = await import('../dev/dev.ts')
  const running = await startDev({
    log,
    port: Number(port),
    state: isAbsolute(state) ? state : join('.', state),
    ...(context === undefined ? {} : { context }),
  })
  process.stdout.write(`${running.welcome}\n`)
  await untilSignal(createLog(() => undefined))
  await running.stop()
}
