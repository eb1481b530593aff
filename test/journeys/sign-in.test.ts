import { signIn } from './sign-in.journey.ts'
import { standIns } from './world.ts'

signIn('on stand-ins', standIns)
