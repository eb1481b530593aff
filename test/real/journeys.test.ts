/** The journeys of test/journeys, unchanged, on real parts. */
import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { hostileRequests } from '../journeys/hostile-requests.journey.ts'
import { kubernetesAsYourself } from '../journeys/kubernetes-as-yourself.journey.ts'
import { realParts } from './world.ts'

kubernetesAsYourself('on real parts', realParts)
hostileRequests('on real parts', realParts)

test('no journey is left out here', async () => {
  const here = await readFile(import.meta.filename, 'utf8')
  const journeys = (await readdir(join(import.meta.dirname, '../journeys'))).filter((name) => name.endsWith('.journey.ts'))
  assert.deepEqual(
    journeys.filter((name) => !here.includes(`from '../journeys/${name}'`)),
    [],
  )
})
