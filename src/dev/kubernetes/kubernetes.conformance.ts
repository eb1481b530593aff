import { after, before, describe } from 'node:test'
import { access } from './conformance/access.ts'
import { Api, type ConformanceTarget } from './conformance/api-client.ts'
import { applying } from './conformance/applying.ts'
import { discovering } from './conformance/discovering.ts'
import { electing } from './conformance/electing.ts'
import { identity } from './conformance/identity.ts'
import { issuing } from './conformance/issuing.ts'
import { listing } from './conformance/listing.ts'
import { owning } from './conformance/owning.ts'
import { patching } from './conformance/patching.ts'
import { refusals } from './conformance/refusals.ts'
import { validating } from './conformance/validating.ts'
import { watching } from './conformance/watching.ts'
import { writing } from './conformance/writing.ts'

/**
 * What a Kubernetes API is to this project: every server that calls itself one passes this, a real kube-apiserver
 * first of all. It needs no node and no controllers. Names are unique to a run, so runs may share a server.
 */
export function kubernetesConformance(name: string, start: () => Promise<ConformanceTarget>): void {
  describe(name, { concurrency: 4 }, () => {
    let api: Api | undefined
    before(async () => {
      api = new Api(await start())
    })
    after(async () => {
      await api?.target.close()
    })
    const current = (): Api => {
      if (api === undefined) throw new Error('the server under test did not start')
      return api
    }
    refusals(current)
    identity(current)
    access(current)
    issuing(current)
    validating(current)
    writing(current)
    patching(current)
    applying(current)
    owning(current)
    electing(current)
    listing(current)
    watching(current)
    discovering(current)
  })
}
