import { kubernetesStreams } from './kubernetes-streams.journey.ts'
import { standIns } from './world.ts'

kubernetesStreams('on stand-ins', standIns)
