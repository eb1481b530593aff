import { hostileContent } from './hostile-content.journey.ts'
import { standIns } from './world.ts'

hostileContent('on stand-ins', standIns)
