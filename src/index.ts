/** What the package exports to programs: the gateway as a part, and its configuration. */
export type { SharedState, Surroundings } from './compose/state.ts'
export { composeGateway, type RunningGateway } from './compose.ts'
export { type Config, checkConfig, loadConfig, parseConfig } from './config/config.ts'
export { ConfigFaulty } from './config/faults/faults.ts'
export { createLog, type Log } from './log.ts'
