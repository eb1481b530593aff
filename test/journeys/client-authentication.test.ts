import { clientAuthentication } from './client-authentication.journey.ts'
import { standIns } from './world.ts'

clientAuthentication('on stand-ins', standIns)
