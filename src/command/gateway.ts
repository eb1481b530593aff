/** `mandate gateway`: runs door 1 until it is told to stop. */

import { composeGateway } from '../compose.ts'
import { advice } from '../config/advice.ts'
import { loadConfig } from '../config/config.ts'
import { createLog } from '../log.ts'
import { startTracing } from '../tracing.ts'
import { untilSignal } from './until-signal.ts'

export async function gateway(options: { config: string }): Promise<void> {
  const config = await loadConfig(options.config)
  const log = createLog((line) => process.stderr.write(line), config.log.level)
  for (const { path, problem, mend } of advice(config)) log.warn('the configuration is legal but unwise', { path, problem, mend })
  const tracing = await startTracing(config.tracing)
  const running = await composeGateway(config, { log })
  log.info('the gateway is serving', { publicUrl: config.publicUrl, ...running.ports })
  await untilSignal(log)
  await running.stop()
  await tracing.stop()
}
