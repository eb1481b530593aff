import { promise9 } from './promise-9-issuers-apart.journey.ts'
import { standIns } from './world.ts'

promise9('on stand-ins', standIns)
