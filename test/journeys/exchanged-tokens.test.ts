import { exchangedTokens } from './exchanged-tokens.journey.ts'
import { standIns } from './world.ts'

exchangedTokens('on stand-ins', standIns)
