import { hostileRequests } from './hostile-requests.journey.ts'
import { standIns } from './world.ts'

hostileRequests('on stand-ins', standIns)
