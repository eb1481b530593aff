import { followedLogs, kubernetesAsYourself } from './kubernetes-as-yourself.journey.ts'
import { standIns } from './world.ts'

kubernetesAsYourself('on stand-ins', standIns)
followedLogs('on stand-ins', standIns)
