import { machines } from './machines.journey.ts'
import { standIns } from './world.ts'

machines('on stand-ins', standIns)
