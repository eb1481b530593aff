import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ExecOptions, openExec, type PodExec, refusedExec } from '../../../test/fakes/pod-exec.ts'
import { Api, type Question, type Reply } from './conformance/api-client.ts'
import { assertStatus } from './conformance/refusals.ts'
import type { PodLogsTarget } from './pod-logs.conformance.ts'

/** A server with a node, or something that plays one, on which commands can be run. */
export type PodStreamsTarget = PodLogsTarget & {
  /** What it recorded so far of requests for this path. */
  audit(path: string): Promise<readonly { stage: string; verb: string; code: number | undefined; subresource: string | undefined }[]>
}

const protocols = ['v4.channel.k8s.io', 'v5.channel.k8s.io'] as const
const bearerProtocol = 'base64url.bearer.authorization.k8s.io.'
const rbac = '/apis/rbac.authorization.k8s.io/v1'

/** Header lines of a handshake: what is refused shall be refused as an ordinary answer. */
function handshake(...offered: readonly string[]): [string, string][] {
  const lines: [string, string][] = [
    ['Connection', 'Upgrade'],
    ['Upgrade', 'websocket'],
    ['Sec-WebSocket-Version', '13'],
    ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ=='],
  ]
  return offered.length === 0 ? lines : [...lines, ['Sec-WebSocket-Protocol', offered.join(', ')]]
}

/**
 * What pods/exec and pods/attach over WebSocket are to this project. It runs on the stand-in and on a real API server
 * whose node is kwok, and asks nothing that these do not share: kwok calls every failure of a command an internal
 * error, whatever its exit code, and never tells a command that its input ended. So exit codes and the end of stdin are
 * the stand-in's own test, and the commands here end by themselves.
 */
export function podStreamsConformance(name: string, start: () => Promise<PodStreamsTarget>): void {
  describe(name, { concurrency: 4 }, () => {
    let api: Api
    let target: PodStreamsTarget
    let pods = ''
    let pod = ''
    let path = ''

    const open = (options: Partial<ExecOptions> = {}, token: string = target.adminToken): Promise<PodExec> =>
      openExec({
        url: `${target.url}${path}/exec`,
        ...(target.ca === undefined ? {} : { ca: target.ca }),
        headers: token === '' ? {} : { authorization: `Bearer ${token}` },
        ...options,
      })
    const shake = (url: string, question: Question = {}): Promise<Reply> =>
      api.get(`${url}?command=true&stdout=true`, { headers: handshake('v5.channel.k8s.io'), ...question })

    /** A bearer with these verbs, and no others, on the connections of the namespace's pods. */
    const connecting = async (...verbs: string[]): Promise<string> => {
      const user = api.name('user')
      const namespace = pods.split('/')[4]
      const resources = ['pods/exec', 'pods/attach', 'pods/portforward']
      await api.post(`${rbac}/namespaces/${namespace}/roles`, { metadata: { name: user }, rules: [{ apiGroups: [''], resources, verbs }] })
      await api.post(`${rbac}/namespaces/${namespace}/rolebindings`, {
        metadata: { name: user },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: user },
        subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: user }],
      })
      return target.userToken(user, [])
    }

    before(async () => {
      target = await start()
      api = new Api(target)
      const namespace = await api.namespace()
      pods = `/api/v1/namespaces/${namespace}/pods`
      pod = api.name('streams')
      path = `${pods}/${pod}`
      await api.post(pods, { metadata: { name: pod }, spec: { containers: [{ name: 'c', image: 'i' }] } })
      await target.untilRunning(namespace, pod)
    })
    after(async () => {
      await target.close()
    })

    test('refuses a bearer that nobody knows, wherever it stands, and a protocol that is only a bearer', async () => {
      const encode = (token: string): string => `${bearerProtocol}${Buffer.from(token).toString('base64url')}`
      const admin = encode(target.adminToken)
      const offers: string[][] = [
        [encode('nobody'), 'v5.channel.k8s.io'],
        [admin],
        [`${bearerProtocol}not+base64url`, 'v5.channel.k8s.io'],
        [`${admin}=`, 'v5.channel.k8s.io'],
        [admin, admin, 'v5.channel.k8s.io'],
      ]
      for (const offer of offers) {
        const reply = await api.get(`${path}/exec?command=true&stdout=true`, { token: '', headers: handshake(...offer) })
        assertStatus(reply, 401, 'Unauthorized', 'Unauthorized')
      }
      assertStatus(await shake(`${path}/exec`, { token: 'nobody' }), 401, 'Unauthorized', 'Unauthorized')
      // Without a handshake a protocol proves nothing.
      const plain = await api.get(`${path}/exec`, { token: '', headers: [['Sec-WebSocket-Protocol', `${admin}, v5.channel.k8s.io`]] })
      assertStatus(plain, 403, 'Forbidden', /User "system:anonymous" cannot get resource "pods\/exec"/)
    })

    test('refuses no bearer, one without rights, and one that may get but not create', async () => {
      const cannot = (user: RegExp | string, verb: string, resource: string): RegExp =>
        new RegExp(`^pods ".*" is forbidden: User "${user}" cannot ${verb} resource "pods/${resource}" in API group ""`)
      const nobody = await target.userToken(api.name('nobody'), [])
      const reader = await connecting('get')
      const writer = await connecting('create')
      for (const subresource of ['exec', 'attach', 'portforward']) {
        const url = `${path}/${subresource}`
        assertStatus(await shake(url, { token: '' }), 403, 'Forbidden', cannot('system:anonymous', 'get', subresource))
        assertStatus(await shake(url, { token: nobody }), 403, 'Forbidden', cannot('nobody.*', 'get', subresource))
        assertStatus(await shake(url, { token: writer }), 403, 'Forbidden', cannot('user.*', 'get', subresource))
        // The right to create is asked for behind authorization, which leaves the refusal without a reason. Who may not
        // connect does not learn either whether there is such a pod.
        for (const place of [url, `${pods}/absent/${subresource}`]) {
          const name = place === url ? pod : 'absent'
          const isJudged = (reply: Reply): boolean => !String(reply.json.message).includes('cannot get')
          const reply = await api.until(() => shake(place, { token: reader }), isJudged)
          assertStatus(reply, 403, 'Forbidden', `pods "${name}" is forbidden: `)
        }
        const posted = await api.post(url, {}, { token: reader })
        assertStatus(posted, 403, 'Forbidden', cannot('user.*', 'create', subresource))
      }
    })

    test('refuses a pod that is not there, a container that is none, and none of several', async () => {
      for (const subresource of ['exec', 'attach', 'portforward']) {
        assertStatus(await shake(`${pods}/absent/${subresource}`), 404, 'NotFound', 'pods "absent" not found')
      }
      const two = api.name('two')
      const spec = {
        containers: [
          { name: 'a', image: 'i' },
          { name: 'b', image: 'i' },
        ],
      }
      await api.post(pods, { metadata: { name: two }, spec })
      await target.untilRunning(pods.split('/')[4] ?? '', two)
      for (const subresource of ['exec', 'attach']) {
        const other = await api.get(`${path}/${subresource}?stdout=true&container=other`, { headers: handshake('v5.channel.k8s.io') })
        assertStatus(other, 400, 'BadRequest', `container other is not valid for pod ${pod}`)
        const message = `a container name must be specified for pod ${two}, choose one of: [a b]`
        assertStatus(await shake(`${pods}/${two}/${subresource}`), 400, 'BadRequest', message)
      }
    })

    test('refuses what is no upgrade, another method, and no stream at all', async () => {
      for (const subresource of ['exec', 'attach', 'portforward']) {
        const url = `${path}/${subresource}?command=true&stdout=true`
        assertStatus(await api.get(url), 400, 'BadRequest', 'Upgrade request required')
        assertStatus(await api.post(url, {}), 400, 'BadRequest', 'Upgrade request required')
        assertStatus(await api.ask('PUT', url, { body: {} }), 405, 'MethodNotAllowed')
      }
      const none = await api.get(`${path}/exec?command=true`, { headers: handshake('v4.channel.k8s.io') })
      assert.deepEqual([none.status, none.text], [400, 'you must specify at least 1 of stdin, stdout, stderr\n'])
    })

    test('refuses protocols it does not know with 403 and no word', async () => {
      const refused = await refusedExec({
        url: `${target.url}${path}/exec`,
        ...(target.ca === undefined ? {} : { ca: target.ca }),
        headers: { authorization: `Bearer ${target.adminToken}` },
        protocols: ['v9.channel.k8s.io'],
        command: ['true'],
      })
      assert.deepEqual([refused.status, refused.body], [403, ''])
    })

    test('chooses v5 before v4, whatever the order, and never the bearer', async () => {
      const bearer = `${bearerProtocol}${Buffer.from(target.adminToken).toString('base64url')}`
      const offers: [string[], string][] = [
        [['v4.channel.k8s.io', 'v5.channel.k8s.io'], 'v5.channel.k8s.io'],
        [['v9.channel.k8s.io', 'v4.channel.k8s.io'], 'v4.channel.k8s.io'],
        [[bearer, 'v5.channel.k8s.io'], 'v5.channel.k8s.io'],
        [['v4.channel.k8s.io', bearer], 'v4.channel.k8s.io'],
      ]
      for (const [offer, chosen] of offers) {
        // Where a bearer is offered it is the only proof.
        const stream = await open({ protocols: offer, command: ['echo', 'hi'] }, offer.includes(bearer) ? '' : target.adminToken)
        assert.equal(stream.protocol, chosen)
        assert.equal((await stream.result)?.status, 'Success')
        assert.equal(stream.stdout(), 'hi\n')
      }
    })

    test('opens to one who may get and create', async () => {
      const token = await connecting('get', 'create')
      const isLet = (reply: Reply): boolean => reply.status !== 403
      await api.until(() => shake(`${pods}/absent/exec`, { token }), isLet)
      const stream = await open({ command: ['echo', 'hi'] }, token)
      assert.equal((await stream.result)?.status, 'Success')
    })

    for (const protocol of protocols) {
      const offer = [protocol]

      test(`${protocol}: stdout and stderr come apart, then the status, and a proper end`, async () => {
        const stream = await open({ protocols: offer, command: ['sh', '-c', 'echo out; echo err >&2'] })
        assert.equal((await stream.result)?.status, 'Success')
        assert.equal((await stream.closed).code, 1000)
        assert.deepEqual([stream.stdout(), stream.stderr()], ['out\n', 'err\n'])
      })

      test(`${protocol}: a stream not asked for does not come`, async () => {
        const stream = await open({ protocols: offer, command: ['sh', '-c', 'echo out; echo err >&2'], stderr: false })
        assert.equal((await stream.result)?.status, 'Success')
        assert.deepEqual([stream.stdout(), stream.stderr()], ['out\n', ''])
      })

      test(`${protocol}: a command that fails says so at the end`, async () => {
        const stream = await open({ protocols: offer, command: ['sh', '-c', 'echo before; exit 3'] })
        const status = await stream.result
        assert.equal(status?.status, 'Failure')
        assert.match(status?.message ?? '', /exit status 3$/)
        assert.equal(stream.stdout(), 'before\n')
      })

      test(`${protocol}: stdin reaches the command as it is sent, and its output comes at once`, async () => {
        const stream = await open({ protocols: offer, command: ['cat'], stdin: true })
        for (const line of ['one\n', 'two\n']) {
          await stream.write(line)
          await stream.untilStdout(line)
        }
        assert.equal(stream.stdout(), 'one\ntwo\n')
        stream.destroy()
        assert.equal((await stream.closed).code, 1006)
      })

      test(`${protocol}: a mebibyte each way arrives whole`, async () => {
        const size = 1 << 20
        const stream = await open({ protocols: offer, command: ['head', '-c', String(size)], stdin: true })
        const sent = Buffer.alloc(size, 'abcdefghijklmnopqrstuvwxyz\n')
        for (let at = 0; at < size; at += 50_000) await stream.write(sent.subarray(at, at + 50_000))
        assert.equal((await stream.result)?.status, 'Success')
        assert.ok(sent.equals(Buffer.from(stream.stdout())))
      })

      test(`${protocol}: a terminal has a size and one output`, async () => {
        // Looked at while it runs: kwok may lose what a terminal shows last.
        const command = ['sh', '-c', 'echo err >&2; cat']
        const stream = await open({ protocols: offer, command, stdin: true, stderr: false, tty: true })
        stream.resize(80, 24)
        await stream.untilStdout('err')
        await stream.write('said\n')
        await stream.untilStdout('said')
        assert.equal(stream.stderr(), '')
        stream.destroy()
        await stream.closed
      })

      test(`${protocol}: attach shows what the container prints from then on`, async () => {
        const stream = await open({ url: `${target.url}${path}/attach`, protocols: offer })
        const line = api.name('line')
        let found = false
        const seen = stream.untilStdout(`${line}\n`).finally(() => {
          found = true
        })
        // The node begins to follow a moment after the upgrade.
        while (!found) {
          target.addLogLine(pods.split('/')[4] ?? '', pod, line)
          await sleep(50)
        }
        await seen
        stream.destroy()
        await stream.closed
      })
    }

    test('is recorded as get of the subresource: at the upgrade with 101, and at its end', async () => {
      const stream = await open({ command: ['cat'], stdin: true, container: 'c' })
      await stream.write('x')
      await stream.untilStdout('x')
      const query = '?stdin=true&stdout=true&stderr=true&container=c&command=cat'
      const entry = { verb: 'get', code: 101, subresource: 'exec' }
      assert.deepEqual(await target.audit(`${path}/exec${query}`), [{ stage: 'ResponseStarted', ...entry }])
      stream.destroy()
      const ended = [
        { stage: 'ResponseStarted', ...entry },
        { stage: 'ResponseComplete', ...entry },
      ]
      const deadline = Date.now() + 10_000
      while ((await target.audit(`${path}/exec${query}`)).length < 2 && Date.now() < deadline) await sleep(20)
      assert.deepEqual(await target.audit(`${path}/exec${query}`), ended)
      await shake(`${pods}/absent/exec`)
      const refused = (await target.audit(`${pods}/absent/exec?command=true&stdout=true`)).filter(({ code }) => code === 404)
      assert.deepEqual(refused.map(({ stage, code }) => [stage, code]).slice(-2), [
        ['ResponseStarted', 404],
        ['ResponseComplete', 404],
      ])
    })
  })
}
