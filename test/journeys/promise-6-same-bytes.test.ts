import { promise6 } from './promise-6-same-bytes.journey.ts'
import { standIns } from './world.ts'

promise6('on stand-ins', standIns)
