import { promise7 } from './promise-7-no-record-no-action.journey.ts'
import { standIns } from './world.ts'

promise7('on stand-ins', standIns)
