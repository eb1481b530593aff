import { upstreams } from './upstreams.journey.ts'
import { standIns } from './world.ts'

upstreams('on stand-ins', standIns)
