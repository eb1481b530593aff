import { signOut } from './sign-out.journey.ts'
import { standIns } from './world.ts'

signOut('on stand-ins', standIns)
