import { cognito } from './cognito.journey.ts'
import { standIns } from './world.ts'

cognito('on stand-ins', standIns)
