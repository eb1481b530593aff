import { promise4 } from './promise-4-revocation.journey.ts'
import { standIns } from './world.ts'

promise4('on stand-ins', standIns)
