/** What the guide says of Traefik alone: what its static configuration is for, and what it can and cannot keep from the service. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type Ingress, type IngressStage, setIngressStage, TRAEFIK } from './forward-auth-stage.ts'

const bound = { timeout: 120_000 }

const robot = ({ stage }: IngressStage) => ({ authorization: `Bearer ${stage.world.issuer.mintAccessToken({ client: 'robot' })}` })

/** The example with one thing said otherwise. */
const otherwise = (from: string, to: string): Ingress => ({
  ...TRAEFIK,
  fill: (example, ...more) => TRAEFIK.fill(example.replace(from, to), ...more),
})

suite('behind Traefik', () => {
  test(
    'a header that many services take for one of Mandate is removed, and refused where the entry point lets it pass',
    bound,
    async (t) => {
      const lies = ['X_Mandate_Subject', 'X.Mandate.Subject', 'X~Mandate~Kind', 'X_Forwarded_User']
      const kept = await setIngressStage(t, TRAEFIK)
      for (const name of lies)
        assert.equal((await kept.ask(kept.at('api'), '/x', { headers: { ...robot(kept), [name]: 'admin' } })).status, 200, name)
      assert.equal(kept.arrived().length, lies.length)
      for (const { rawHeaders } of kept.arrived()) assert.doesNotMatch(rawHeaders.join('\n'), /admin/)

      const ground = await setIngressStage(t, otherwise('aliasHeadersStrategy: delete', 'aliasHeadersStrategy: keep'))
      for (const name of lies)
        assert.equal((await ground.ask(ground.at('api'), '/x', { headers: { ...robot(ground), [name]: 'admin' } })).status, 400, name)
      assert.deepEqual(ground.arrived(), [])
      assert.equal((await ground.ask(ground.at('api'), '/x', { headers: { ...robot(ground), X_Other: 'a' } })).status, 200)
    },
  )

  test('a path that the entry point does not clean is refused', bound, async (t) => {
    const ground = await setIngressStage(t, otherwise('sanitizePath: true', 'sanitizePath: false'))
    for (const path of Object.keys(TRAEFIK.cleaned))
      assert.equal((await ground.ask(ground.at('api'), path, { headers: robot(ground) })).status, 400, path)
    assert.deepEqual(ground.arrived(), [])
  })

  test('a path that is cleaned to one of Mandate is asked about by nobody and reaches no service', bound, async (t) => {
    const ground = await setIngressStage(t, TRAEFIK)
    for (const path of ['/a/../.mandate/x', '//.mandate/x', '/%2emandate/x', '/.mandate%2Fx', '/.mandate/%2e%2e%2fx', '/.mandate/..%5cx'])
      assert.ok([400, 404].includes((await ground.ask(ground.at('api'), path, { headers: robot(ground) })).status), path)
    assert.deepEqual(ground.arrived(), [])
    // And out of it again, as what it then is.
    assert.equal((await ground.ask(ground.at('api'), '/.mandate/../x')).status, 401)
    assert.equal((await ground.ask(ground.at('app'), '/.mandate/%2e%2e/x', { headers: robot(ground) })).status, 403)
    assert.deepEqual(ground.arrived(), [])
  })

  test('a service without cookies of its own can be kept from every cookie', bound, async (t) => {
    const ground = await setIngressStage(t, otherwise("# Cookie: ''", "Cookie: ''"))
    const landed = await ground.browser().signIn(`${ground.at('app')}/`, 'alice')
    assert.deepEqual([landed.status, landed.body], [200, 'hello alice'])
    for (const { rawHeaders } of ground.arrived()) assert.doesNotMatch(rawHeaders.join('\n'), /cookie/i)
  })
})
