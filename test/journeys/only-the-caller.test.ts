import { onlyTheCaller } from './only-the-caller.journey.ts'
import { standIns } from './world.ts'

onlyTheCaller('on stand-ins', standIns)
