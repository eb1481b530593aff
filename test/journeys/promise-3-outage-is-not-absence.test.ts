import { promise3 } from './promise-3-outage-is-not-absence.journey.ts'
import { standIns } from './world.ts'

promise3('on stand-ins', standIns)
