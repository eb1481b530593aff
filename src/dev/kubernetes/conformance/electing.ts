import assert from 'node:assert/strict'
import { test } from 'node:test'
import { at, type JsonObject } from '../object.ts'
import { type Api, mergePatchType, type Reply } from './api-client.ts'
import { assertStatus } from './refusals.ts'

/** Leases, on which elections rest: nobody writes over what they have not read. */
export function electing(api: () => Api): void {
  const leases = (namespace: string): string => `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`
  const time = '2026-01-01T00:00:00.000000Z'

  test('a lease is taken by one: an update from an old version is 409, one from none 422', async () => {
    const namespace = await api().namespace()
    const path = `${leases(namespace)}/l`
    const made = await api().post(leases(namespace), { metadata: { name: 'l' }, spec: { holderIdentity: 'a' } })
    assert.equal(made.status, 201, made.text)
    assertStatus(await api().post(leases(namespace), { metadata: { name: 'l' } }), 409, 'AlreadyExists')
    const put = (holderIdentity: string, metadata = at(made.json, 'metadata') as JsonObject): Promise<Reply> =>
      api().ask('PUT', path, { body: { metadata, spec: { holderIdentity, leaseDurationSeconds: 15, acquireTime: time, renewTime: time } } })
    const both = await Promise.all([put('b'), put('c')])
    assert.deepEqual(both.map(({ status }) => status).sort(), [200, 409])
    const late = both.find(({ status }) => status === 409)
    assert.ok(late)
    assertStatus(late, 409, 'Conflict', /the object has been modified/)
    const blind = await put('d', { name: 'l' })
    assertStatus(blind, 422, 'Invalid', /metadata.resourceVersion: Invalid value: 0.*: must be specified for an update/)
    assert.ok(['b', 'c'].includes(String(at((await api().get(path)).json, 'spec', 'holderIdentity'))))
    await api().ask('DELETE', path)
    await api().drop(namespace)
  })

  test('an update makes a lease that is not there, unless a certain one was meant', async () => {
    const namespace = await api().namespace()
    const path = `${leases(namespace)}/l`
    const certain = { metadata: { name: 'l', uid: '00000000-0000-0000-0000-000000000000' }, spec: {} }
    assertStatus(await api().ask('PUT', path, { body: certain }), 409, 'Conflict', /Precondition failed: UID in precondition/)
    assertStatus(await api().patch(path, mergePatchType, { spec: {} }), 404, 'NotFound')
    const made = await api().ask('PUT', path, { body: { metadata: { name: 'l' }, spec: { holderIdentity: 'a' } } })
    assert.deepEqual([made.status, at(made.json, 'spec', 'holderIdentity')], [201, 'a'], made.text)
    await api().ask('DELETE', path)
    await api().drop(namespace)
  })

  test('a time without its six digits is no time of a lease, and no duration is none', async () => {
    const namespace = await api().namespace()
    const path = `${leases(namespace)}/l`
    await api().post(leases(namespace), { metadata: { name: 'l' }, spec: { renewTime: time } })
    for (const renewTime of ['2026-01-01T00:00:00Z', '2026-01-01T00:00:00.123Z', 'x']) {
      assertStatus(await api().patch(path, mergePatchType, { spec: { renewTime } }), 422, 'Invalid', /parsing time/)
      const sent = await api().post(leases(namespace), { metadata: { name: 'm' }, spec: { renewTime } })
      assertStatus(sent, 400, 'BadRequest', /cannot be handled as a Lease: parsing time/)
    }
    const never = await api().patch(path, mergePatchType, { spec: { leaseDurationSeconds: 0, leaseTransitions: -1 } })
    assertStatus(never, 422, 'Invalid', /spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0/)
    assert.match(never.text, /spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0/)
    await api().ask('DELETE', path)
    await api().drop(namespace)
  })
}
