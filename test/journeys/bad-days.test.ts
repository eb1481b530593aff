import { badDays } from './bad-days.journey.ts'
import { standIns } from './world.ts'

badDays('on stand-ins', standIns)
