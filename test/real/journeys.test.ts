/** The journeys of test/journeys, unchanged, on real parts. */
import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { badDays } from '../journeys/bad-days.journey.ts'
import { brokered } from '../journeys/brokered.journey.ts'
import { clientAuthentication } from '../journeys/client-authentication.journey.ts'
import { cognito } from '../journeys/cognito.journey.ts'
import { exchangedTokens } from '../journeys/exchanged-tokens.journey.ts'
import { forwardAuth } from '../journeys/forward-auth.journey.ts'
import { hostileContent } from '../journeys/hostile-content.journey.ts'
import { hostileRequests } from '../journeys/hostile-requests.journey.ts'
import { kubernetesAsYourself } from '../journeys/kubernetes-as-yourself.journey.ts'
import { kubernetesStreams } from '../journeys/kubernetes-streams.journey.ts'
import { limits } from '../journeys/limits.journey.ts'
import { machines } from '../journeys/machines.journey.ts'
import { oneAmongMany } from '../journeys/one-among-many.journey.ts'
import { onlyTheCaller } from '../journeys/only-the-caller.journey.ts'
import { promise1 } from '../journeys/promise-1-refresh-once.journey.ts'
import { promise2 } from '../journeys/promise-2-no-sharing.journey.ts'
import { promise3 } from '../journeys/promise-3-outage-is-not-absence.journey.ts'
import { promise4 } from '../journeys/promise-4-revocation.journey.ts'
import { promise5 } from '../journeys/promise-5-nothing-leaks.journey.ts'
import { promise6 } from '../journeys/promise-6-same-bytes.journey.ts'
import { promise7 } from '../journeys/promise-7-no-record-no-action.journey.ts'
import { promise9 } from '../journeys/promise-9-issuers-apart.journey.ts'
import { refusalPages } from '../journeys/refusal-pages.journey.ts'
import { routes } from '../journeys/routes.journey.ts'
import { signIn } from '../journeys/sign-in.journey.ts'
import { signOut } from '../journeys/sign-out.journey.ts'
import { upstreams } from '../journeys/upstreams.journey.ts'
import { worldWithNode } from './https-stage.ts'
import { realParts } from './world.ts'

kubernetesAsYourself('on real parts', realParts)
kubernetesStreams('on real parts', worldWithNode().start)
onlyTheCaller('on real parts', worldWithNode().start)
hostileRequests('on real parts', realParts)
oneAmongMany('on real parts', realParts)
signIn('on real parts', realParts)
badDays('on real parts', realParts)
promise5('on real parts', realParts)
promise6('on real parts', realParts)
promise7('on real parts', realParts)
hostileContent('on real parts', realParts)
signOut('on real parts', realParts)
routes('on real parts', realParts)
refusalPages('on real parts', realParts)
upstreams('on real parts', realParts)
limits('on real parts', realParts)
forwardAuth('on real parts', realParts)
machines('on real parts', realParts)
clientAuthentication('on real parts', realParts)
cognito('on real parts', realParts)
exchangedTokens('on real parts', realParts)
promise1('on real parts', realParts)
promise2('on real parts', realParts)
promise3('on real parts', realParts)
promise4('on real parts', realParts)
promise9('on real parts', realParts)
brokered('on real parts', realParts)

test('no journey is left out here', async () => {
  const here = await readFile(import.meta.filename, 'utf8')
  const journeys = (await readdir(join(import.meta.dirname, '../journeys'))).filter((name) => name.endsWith('.journey.ts'))
  assert.deepEqual(
    journeys.filter((name) => !here.includes(`from '../journeys/${name}'`)),
    [],
  )
})
