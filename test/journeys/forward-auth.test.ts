import { forwardAuth } from './forward-auth.journey.ts'
import { standIns } from './world.ts'

forwardAuth('on stand-ins', standIns)
