import { refusalPages } from './refusal-pages.journey.ts'
import { standIns } from './world.ts'

refusalPages('on stand-ins', standIns)
