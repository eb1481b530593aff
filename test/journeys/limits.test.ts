import { limits } from './limits.journey.ts'
import { standIns } from './world.ts'

limits('on stand-ins', standIns)
