import { brokered } from './brokered.journey.ts'
import { standIns } from './world.ts'

brokered('on stand-ins', standIns)
