import { routes } from './routes.journey.ts'
import { standIns } from './world.ts'

routes('on stand-ins', standIns)
