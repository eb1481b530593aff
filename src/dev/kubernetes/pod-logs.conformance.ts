import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Api, type ConformanceTarget } from './conformance/api-client.ts'
import { assertStatus } from './conformance/refusals.ts'

/** A server with a node, or something that plays one. */
export type PodLogsTarget = ConformanceTarget & {
  /** Resolves when the pod runs and has printed nothing but what it prints by itself. */
  untilRunning(namespace: string, pod: string): Promise<void>
  addLogLine(namespace: string, pod: string, line: string): void
}

/** What pods/log is to this project. Apart from the API's suite because it needs a node. */
export function podLogsConformance(name: string, start: () => Promise<PodLogsTarget>): void {
  describe(name, () => {
    let api: Api
    let target: PodLogsTarget
    let namespace = ''
    let pod = ''
    let path = ''
    before(async () => {
      target = await start()
      api = new Api(target)
      namespace = await api.namespace()
      pod = api.name('logs')
      path = `/api/v1/namespaces/${namespace}/pods/${pod}/log`
      const spec = { containers: [{ name: 'c', image: 'i' }] }
      await api.post(`/api/v1/namespaces/${namespace}/pods`, { metadata: { name: pod }, spec })
      await target.untilRunning(namespace, pod)
      for (const line of ['one', 'two', 'three']) target.addLogLine(namespace, pod, line)
    })
    after(async () => {
      await target.close()
    })

    test('refusals: no such pod, no such container, numbers that are none, no right', async () => {
      const absent = await api.get(`/api/v1/namespaces/${namespace}/pods/absent/log`)
      assertStatus(absent, 404, 'NotFound', 'pods "absent" not found')
      const container = await api.get(`${path}?container=other`)
      assertStatus(container, 400, 'BadRequest', `container other is not valid for pod ${pod}`)
      assertStatus(await api.get(`${path}?tailLines=x`), 400, 'BadRequest', /invalid syntax/)
      const message = `PodLogOptions "${pod}" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0`
      assertStatus(await api.get(`${path}?tailLines=-1`), 422, 'Invalid', message)
      assertStatus(await api.get(`${path}?limitBytes=0`), 422, 'Invalid', /must be greater than 0/)
      const token = await target.userToken(api.name('reader'), [])
      assertStatus(await api.get(path, { token }), 403, 'Forbidden', /cannot get resource "pods\/log"/)
      assertStatus(await api.post(path, {}), 405, 'MethodNotAllowed')
    })

    test('the log is plain text, whole, its last lines, or with times', async () => {
      const whole = await api.get(path)
      assert.match(String(whole.headers['content-type']), /^text\/plain/)
      assert.ok(whole.text.endsWith('one\ntwo\nthree\n'))
      assert.equal((await api.get(`${path}?tailLines=2`)).text, 'two\nthree\n')
      assert.equal((await api.get(`${path}?tailLines=0`)).text, '')
      assert.equal((await api.get(`${path}?tailLines=1&limitBytes=3`)).text, 'thr')
      const timed = (await api.get(`${path}?tailLines=1&timestamps=true`)).text
      assert.match(timed, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z three\n$/)
    })

    test('a followed log brings each line as it is printed, and ends with its pod', async () => {
      const stream = await api.stream(`${path}?follow=true&tailLines=1`)
      assert.equal(await stream.nextLine(), 'three')
      for (const line of ['four', 'five']) {
        target.addLogLine(namespace, pod, line)
        assert.equal(await stream.nextLine(), line)
      }
      await api.ask('DELETE', `/api/v1/namespaces/${namespace}/pods/${pod}?gracePeriodSeconds=0`)
      assert.equal(await stream.nextLine(), undefined)
    })
  })
}
