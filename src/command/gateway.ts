/** `mandate gateway`: runs door 1 until it is told to stop, or a fault says that it must. */

import { composeGateway } from '../compose.ts'
import { advice } from '../config/advice.ts'
import { loadConfig } from '../config/config.ts'
import { createLog } from '../log.ts'
import { startTracing } from '../tracing.ts'
import { nameAddress } from './address-in-use.ts'
import { untilFault } from './until-fault.ts'
import { endingSoon, untilSignal } from './until-signal.ts'

export async function gateway(options: { config: string }): Promise<void> {
  const config = await loadConfig(options.config)
  const log = createLog((line) => process.stderr.write(line), config.log.level)
  for (const { path, problem, mend } of advice(config)) log.warn('the configuration is legal but unwise', { path, problem, mend })
  // Before the start: as the first process of a container, one without a listener for SIGTERM does not hear it.
  const told = Promise.race([untilSignal(log), untilFault(log)])
  const tracing = await startTracing(config.tracing)
  const running = await endingSoon(told, composeGateway(config, { log }).catch(nameAddress(config)))
  log.info('the gateway is serving', { publicUrl: config.publicUrl, ...running.ports })
  await told
  await running.stop()
  await tracing.stop()
}
