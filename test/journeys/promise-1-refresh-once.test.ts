import { promise1 } from './promise-1-refresh-once.journey.ts'
import { standIns } from './world.ts'

promise1('on stand-ins', standIns)
