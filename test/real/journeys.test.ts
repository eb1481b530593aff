import { kubernetesAsYourself } from '../journeys/kubernetes-as-yourself.journey.ts'
import { realParts } from './world.ts'

kubernetesAsYourself('on real parts', realParts)
