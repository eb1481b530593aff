/** `mandate gateway`: runs the gateway until it is told to stop, or a fault says that it must. */

import { readReferenced } from '../compose/referenced.ts'
import { composeGateway } from '../compose.ts'
import { advice } from '../config/advice/advice.ts'
import { loadConfig } from '../config/config.ts'
import { ConfigFaulty } from '../config/faults/faults.ts'
import { placed } from '../config/faults/places.ts'
import { createLog } from '../log.ts'
import { startTracing } from '../tracing.ts'
import { nameAddress } from './address-in-use.ts'
import { untilFault } from './until-fault.ts'
import { endingSoon, untilSignal } from './until-signal.ts'

export async function gateway(options: { config: string }): Promise<void> {
  const config = await loadConfig(options.config)
  const log = createLog((line) => process.stderr.write(line), config.log.level)
  const { faults, failing, advice: unwise } = readReferenced(config, Date.now())
  const names = config.routes.map(({ name }) => name)
  if (faults.length > 0) throw new ConfigFaulty(placed(config, [...faults, ...failing]), names, options.config)
  for (const { path, problem, mend } of [...advice(config), ...unwise])
    log.warn('the configuration is legal but unwise', { path, problem, mend })
  for (const { path, problem, mend } of failing) log.warn('what will be needed cannot be used', { path, problem, mend })
  // Before the start: as the first process of a container, one without a listener for SIGTERM does not hear it.
  const told = Promise.race([untilSignal(log), untilFault(log)])
  const tracing = await startTracing(config.tracing)
  const starting = composeGateway(config, { log }).catch(nameAddress(config))
  const running = await endingSoon(told, starting).catch(async (error: unknown) => {
    await tracing.stop()
    throw error
  })
  const missing = running.missing()
  log.info('the gateway is serving', {
    publicUrl: config.publicUrl,
    ...running.ports,
    ready: missing.length === 0,
    ...(missing.length === 0 ? {} : { missing: missing.join(', ') }),
  })
  await told
  await running.stop()
  await tracing.stop()
}
