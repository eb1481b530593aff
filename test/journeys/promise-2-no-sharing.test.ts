import { promise2 } from './promise-2-no-sharing.journey.ts'
import { standIns } from './world.ts'

promise2('on stand-ins', standIns)
