import { promise5 } from './promise-5-nothing-leaks.journey.ts'
import { standIns } from './world.ts'

promise5('on stand-ins', standIns)
