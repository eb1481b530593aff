import type { TestContext } from 'node:test'
import { type RawAnswering, startRawUpstream } from '../fakes/raw-http.ts'
import { setStage } from './stage.ts'
import type { StartWorld } from './world.ts'

/** A stage with two more clusters, one for each way of carrying rights, that keep every byte they are sent. */
export async function stageWithRecorder(t: TestContext, start: StartWorld, answer?: RawAnswering) {
  const recorder = await startRawUpstream(answer)
  t.after(() => recorder.close())
  const stage = await setStage(t, start, {
    configure(config) {
      for (const [name, like] of [
        ['recorder', 'prod'],
        ['recorder-named', 'named'],
      ] as const) {
        config.clusters[name] = { server: recorder.origin, allow: config.clusters[like]?.['allow'], as: config.clusters[like]?.['as'] }
      }
    },
  })
  return { stage, recorder }
}
