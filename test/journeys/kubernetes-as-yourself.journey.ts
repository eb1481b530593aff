/** The main job: a person signs in and uses a cluster with exactly the rights that it gives them. */
import assert from 'node:assert/strict'
import { suite, type TestContext, test } from 'node:test'
import { eventually, openRaw } from '../fakes/raw-http.ts'
import { arrivals, bearerOf, codeOf, cookieOf } from './asks.ts'
import { type Stage, type StageOptions, setStage } from './stage.ts'
import { PREFIX, type StartWorld } from './world.ts'

const PODS = '/api/v1/namespaces/team-a/pods'
const MAPS = '/api/v1/namespaces/team-a/configmaps'

/** The ways in which a caller's rights reach a cluster, and in which a caller may be known. */
const WAYS = [
  ['prod', 'cookie', 'by forwarding their token, with a cookie'],
  ['named', 'cookie', 'by impersonation, with a cookie'],
  ['named', 'bearer', 'by impersonation, with a bearer'],
] as const

interface Alice {
  readonly stage: Stage
  /** Header lines that prove who asks, and that a page of ours asks. */
  readonly lines: readonly string[]
  ask(method: string, path: string, body?: unknown, type?: string): Promise<{ status: number; body: string; headers: Headers }>
  /** Opens a stream, and gives what came over it. */
  open(path: string): ReturnType<typeof openRaw>
}

async function alice(
  t: TestContext,
  start: StartWorld,
  cluster: string,
  proof: 'cookie' | 'bearer',
  options: StageOptions = {},
): Promise<Alice> {
  const stage = await setStage(t, start, options)
  const lines =
    proof === 'bearer'
      ? [`Authorization: ${bearerOf(stage, 'alice')}`]
      : [`Cookie: ${cookieOf(await stage.browser('alice'), stage)}`, `Origin: ${stage.origin}`]
  const headers = lines.map((line): [string, string] => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)])
  return {
    stage,
    lines,
    async ask(method, path, body, type = 'application/json') {
      const content = body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }
      const answer = await fetch(`${stage.origin}/clusters/${cluster}${path}`, {
        method,
        headers: [...headers, ['Content-Type', type]],
        ...content,
      })
      return { status: answer.status, body: await answer.text(), headers: answer.headers }
    },
    async open(path) {
      const { host, port } = new URL(stage.origin)
      const connection = await openRaw(Number(port))
      connection.send(`GET /clusters/${cluster}${path} HTTP/1.1\r\nHost: ${host}\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`)
      return connection
    },
  }
}

const configMap = (name: string, data: Record<string, string> = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, labels: { journey: 'verbs' } },
  data,
})

/** Runs the journey on a world. */
export function kubernetesAsYourself(name: string, start: StartWorld): void {
  suite(`Kubernetes as yourself, ${name}`, () => {
    for (const [cluster, how] of [
      ['prod', 'by forwarding their token'],
      ['named', 'by impersonation'],
    ] as const) {
      test(`two people in two browsers have each their own rights, ${how}`, async (t) => {
        const stage = await setStage(t, start)
        const [alice, bob] = await Promise.all([stage.browser('alice'), stage.browser('bob')])
        const at = (path: string) => `${stage.origin}/clusters/${cluster}${path}`
        const [own, others, bobs] = await Promise.all([
          alice.get(at(PODS)),
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

    for (const [cluster, proof, how] of WAYS) {
      test(`all plain verbs work, each with exactly one call at the cluster, as the caller, ${how}`, async (t) => {
        const { stage, ask } = await alice(t, start, cluster, proof)
        const one = `${MAPS}/journey-one`
        const steps: ReadonlyArray<readonly [verb: string, method: string, path: string, status: number, body?: unknown, type?: string]> = [
          ['list', 'GET', `${MAPS}?labelSelector=journey%3Dverbs`, 200],
          ['create', 'POST', MAPS, 201, configMap('journey-one', { a: '1' })],
          ['create', 'POST', MAPS, 409, configMap('journey-one')],
          ['get', 'GET', one, 200],
          ['update', 'PUT', one, 200, configMap('journey-one', { a: '2' })],
          ['patch', 'PATCH', one, 200, { data: { b: '3' } }, 'application/merge-patch+json'],
          ['patch', 'PATCH', one, 200, [{ op: 'add', path: '/data/c', value: '4' }], 'application/json-patch+json'],
          [
            'patch',
            'PATCH',
            `${one}?fieldManager=journey&force=true`,
            200,
            'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: journey-one\ndata:\n  d: "5"\n',
            'application/apply-patch+yaml',
          ],
          [
            'patch',
            'PATCH',
            `${MAPS}/journey-two?fieldManager=journey`,
            201,
            JSON.stringify(configMap('journey-two')),
            'application/apply-patch+yaml',
          ],
          ['delete', 'DELETE', one, 200],
          ['get', 'GET', one, 404],
          ['deletecollection', 'DELETE', `${MAPS}?labelSelector=journey%3Dverbs`, 200],
          ['create', 'POST', '/api/v1/namespaces/team-b/configmaps', 403, configMap('journey-one')],
        ]
        for (const [verb, method, path, status, body, type] of steps) {
          const answer = await ask(method, path, body, type)
          assert.equal(answer.status, status, `${verb} ${path}: ${answer.body}`)
          if (status >= 400) assert.equal(JSON.parse(answer.body).kind, 'Status')
          if (path === one && method === 'PATCH') assert.match(answer.body, /"a":"2"/)
        }
        const arrived = await eventually(
          () => arrivals(stage.world, '/configmaps'),
          (all) => all.length >= steps.length,
        )
        assert.deepEqual(
          arrived.map(({ verb, code }) => [verb, code]),
          steps.map(([verb, , , status]) => [verb, status]),
        )
        assert.deepEqual(
          arrived.map(({ uri }) => uri),
          steps.map(([, , path]) => path),
        )
        for (const { user, impersonated } of arrived) {
          assert.equal(impersonated?.username ?? user, `${PREFIX}alice`)
          assert.equal(impersonated === undefined, cluster === 'prod')
        }
        // No review, no discovery, nothing of ours: what callers asked is all that came.
        assert.equal((await arrivals(stage.world, '', steps.length)).length, steps.length)
        assert.equal(stage.audit('effect').length, steps.filter(([, method]) => !['GET', 'HEAD'].includes(method)).length)
      })

      test(`a watch has its head and each event at once, and ends by its age with a proper end, ${how}`, async (t) => {
        const { stage, ask, open } = await alice(t, start, cluster, proof, {
          configure: (config) => {
            config['streams'] = { maxAge: '3s' }
          },
        })
        const watch = await open(`${MAPS}?watch=1&labelSelector=journey%3Dverbs`)
        assert.match(await watch.until(/\r\n\r\n/, 3_000), /^HTTP\/1\.1 200 OK\r\n/)
        for (const n of [1, 2]) {
          assert.equal((await ask('POST', MAPS, configMap(`journey-${n}`))).status, 201)
          await watch.until(new RegExp(`"ADDED"[^\n]*journey-${n}`), 1_500)
        }
        await watch.until(/\r\n0\r\n\r\n$/, 3 * 3_000)
        const [closed] = await eventually(
          () => stage.audit('stream-closed'),
          (all) => all.length === 1,
        )
        assert.equal(closed?.cause, 'max-age')
        assert.equal((await arrivals(stage.world, 'watch=1', 1)).length, 1)
        assert.equal((await ask('DELETE', `${MAPS}?labelSelector=journey%3Dverbs`)).status, 200)
      })

      test(`a body too large is a Status, announced or not, and does not arrive, ${how}`, async (t) => {
        const { stage, lines, ask } = await alice(t, start, cluster, proof, {
          configure: (config) => {
            config['limits'] = { signIns: 1_000, body: '100kB' }
          },
        })
        const large = configMap('journey-large', { a: 'x'.repeat(300_000) })
        const announced = await ask('POST', MAPS, large)
        assert.deepEqual(
          [announced.status, codeOf(announced), JSON.parse(announced.body).reason],
          [413, 'body_too_large', 'RequestEntityTooLarge'],
        )
        assert.deepEqual(await arrivals(stage.world, '/configmaps'), [])
        const { host, port } = new URL(stage.origin)
        const connection = await openRaw(Number(port))
        connection.send(
          `POST /clusters/${cluster}${MAPS} HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`,
        )
        const chunk = 'x'.repeat(10_000)
        for (let i = 0; i < 30; i += 1) connection.send(`${chunk.length.toString(16)}\r\n${chunk}\r\n`)
        connection.send('0\r\n\r\n')
        const all = await connection.until(/"code":413/)
        assert.match(all, /^HTTP\/1\.1 413 [\s\S]*"kind":"Status"/)
        connection.socket.destroy()
        assert.equal((await ask('GET', `${MAPS}/journey-large`)).status, 404)
      })
    }

    test('a logout ends the watches of that login with a proper end, and of no other', async (t) => {
      const stage = await setStage(t, start)
      const [mine, other] = [await stage.browser('alice'), await stage.browser('alice')]
      const { host, port } = new URL(stage.origin)
      const watches = await Promise.all(
        [mine, other].map(async (browser) => {
          const connection = await openRaw(Number(port))
          connection.send(`GET /clusters/prod${PODS}?watch=1 HTTP/1.1\r\nHost: ${host}\r\nCookie: ${cookieOf(browser, stage)}\r\n\r\n`)
          await connection.until(/"ADDED"/)
          return connection
        }),
      )
      const page = await mine.get(`${stage.origin}/logout`)
      const token = /name="token" value="([^"]+)"/.exec(page.body)?.[1] ?? ''
      assert.equal((await mine.post(`${stage.origin}/logout`, { token }, { origin: stage.origin })).status, 200)
      await watches[0]?.until(/\r\n0\r\n\r\n$/, 3 * 2_000)
      const [closed] = await eventually(
        () => stage.audit('stream-closed'),
        (all) => all.length === 1,
      )
      assert.equal(closed?.cause, 'caller-ended')
      assert.doesNotMatch(watches[1]?.received() ?? '', /\r\n0\r\n\r\n$/)
      watches[1]?.socket.destroy()
    })
  })
}

/** Runs the part of the journey that needs pods which run, as a kubelet has them. */
export function followedLogs(name: string, start: StartWorld): void {
  suite(`followed logs as yourself, ${name}`, () => {
    for (const [cluster, proof, how] of WAYS) {
      test(`they come line by line, are recorded as a stream and end when the caller leaves, ${how}`, async (t) => {
        const { stage, ask, open } = await alice(t, start, cluster, proof)
        const logs = await open(`${PODS}/web/log?follow=true&tailLines=1`)
        const head = await logs.until(/\r\n\r\n/)
        assert.match(head, /content-type: text\/plain/i)
        assert.match(head, /x-content-type-options: nosniff/i)
        const before = logs.received().length
        await eventually(
          () => logs.received().length,
          (length) => length > before,
          10_000,
        )
        assert.equal(stage.audit('stream-opened').length, 1)
        logs.socket.destroy()
        const [closed] = await eventually(
          () => stage.audit('stream-closed'),
          (all) => all.length === 1,
        )
        assert.equal(closed?.cause, 'caller-gone')
        assert.equal((await ask('GET', `${PODS}/web/log?tailLines=2`)).status, 200)
        assert.equal((await ask('GET', '/api/v1/namespaces/team-b/pods/web/log')).status, 403)
        assert.equal((await arrivals(stage.world, '/log', 3)).length, 3)
      })
    }
  })
}
