import { oneAmongMany } from './one-among-many.journey.ts'
import { standIns } from './world.ts'

oneAmongMany('on stand-ins', standIns)
