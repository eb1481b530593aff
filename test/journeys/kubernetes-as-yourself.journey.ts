/** The main job: a person signs in and uses a cluster with exactly the rights that it gives them. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { setStage } from './stage.ts'
import type { StartWorld } from './world.ts'

/** Runs the journey on a world. */
export function kubernetesAsYourself(name: string, start: StartWorld): void {
  suite(`Kubernetes as yourself, ${name}`, () => {
    for (const [cluster, how] of [['prod', 'by forwarding their token'], ['named', 'by impersonation']] as const) {
      test(`two people in two browsers have each their own rights, ${how}`, async (t) => {
        const stage = await setStage(t, start)
        const [alice, bob] = await Promise.all([stage.browser('alice'), stage.browser('bob')])
        const at = (path: string) => `${stage.origin}/clusters/${cluster}${path}`
        const [own, others, bobs] = await Promise.all([
          alice.get(at('/api/v1/namespaces/team-a/pods')),
          alice.get(at('/api/v1/namespaces/team-b/pods')),
          bob.get(at('/api/v1/namespaces/team-b/pods')),
        ])
        assert.equal(own.status, 200, own.body)
        assert.equal(others.status, 403, others.body)
        assert.equal(JSON.parse(others.body).kind, 'Status')
        assert.match(others.body, /corp:alice/)
        assert.equal(bobs.status, 200)
        const acted = await stage.world.cluster.acted()
        const who = acted.filter(({ uri }) => uri.includes('/pods')).map(({ user, impersonated }) => impersonated?.username ?? user)
        assert.deepEqual(who.sort(), ['corp:alice', 'corp:alice', 'corp:bob'])
      })
    }
  })
}
