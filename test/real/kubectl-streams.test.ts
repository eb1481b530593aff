/** exec, attach, cp and port-forward by real kubectl through Mandate, over WebSocket as kubectl does it now and over SPDY as it did. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setKubectlStage } from './kubectl-stage.ts'

test('kubectl streams', { timeout: 240_000 }, async (t) => {
  const { tool } = await setKubectlStage(t)
  const alice = await tool('named')
  await alice.ok(['wait', '--for=condition=Ready', 'pod/web', '--timeout=20s'])
  await t.test('exec', async () => {
    const r = await alice.run(['exec', '-v=6', 'web', '--', 'echo', 'hello'])
    console.log(r)
    assert.equal(r.stdout, 'hello\n')
  })
})
