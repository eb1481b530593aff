/** exec through Mandate over WebSocket: as the caller and nobody else, by the same rules as any request, and no longer than the caller. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ExecOptions, openExec, type PodExec, refusedExec } from '../fakes/pod-exec.ts'
import { eventually, openRaw } from '../fakes/raw-http.ts'
import { arrivals, askRaw, bearerOf, codeOf, cookieOf } from './asks.ts'
import { stageWithRecorder } from './recorder-stage.ts'
import { type Stage, setStage } from './stage.ts'
import { PREFIX, type StartWorld } from './world.ts'

const PODS = '/api/v1/namespaces/team-a/pods'
const WEB = `${PODS}/web/exec`
/** The 2 s of promise 4, at three times their value. */
const BOUND_MS = 6_000

const subprotocol = (token: string) => `base64url.bearer.authorization.k8s.io.${Buffer.from(token).toString('base64url')}`
const bare = (authorization: string) => authorization.replace(/^Bearer /, '')
const HANDSHAKE = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Version: 13']

/** An exec by alice's bearer that goes on until something ends it. */
function execAt(origin: string, options: Partial<ExecOptions> & { readonly cluster?: string; readonly path?: string }): Promise<PodExec> {
  const { cluster = 'named', path = WEB, ...more } = options
  return openExec({ url: `${origin}/clusters/${cluster}${path}`, command: ['cat'], stdin: true, ...more })
}

async function says(exec: PodExec, text: string): Promise<void> {
  await exec.write(`${text}\n`)
  await exec.untilStdout(text)
}

async function endsWithin(exec: PodExec, ms: number): Promise<void> {
  const timer = new AbortController()
  const late = sleep(ms, undefined, { signal: timer.signal }).then(() => assert.fail(`the exec goes on after ${ms} ms`))
  await Promise.race([exec.closed, late])
  timer.abort()
}

/** Runs the journey on a world whose pods can be exec'd into. */
export function kubernetesStreams(name: string, start: StartWorld): void {
  suite(`streams that change the protocol, refused, ${name}`, () => {
    test('what asks wrongly is refused before anything reaches the cluster', async (t) => {
      const { stage, recorder } = await stageWithRecorder(t, start)
      const token = bearerOf(stage, 'alice')
      const bearer = `Authorization: ${token}`
      const cookie = `Cookie: ${cookieOf(await stage.browser('alice'), stage)}`
      const at = `/clusters/recorder-named${WEB}`
      const own = `Sec-WebSocket-Protocol: v5.channel.k8s.io, ${subprotocol(bare(token))}`
      for (const [fault, target, lines, method, status, code] of [
        ['nobody', at, [], 'GET', 401, 'not_signed_in'],
        ['a bad bearer in a subprotocol', at, [`Sec-WebSocket-Protocol: x, ${subprotocol('a.b.c')}`], 'GET', 401, 'token_malformed'],
        ['a bearer in a subprotocol that is not base64url', at, [`${own}!`], 'GET', 401, 'authorization_malformed'],
        ['an empty one', at, [`Sec-WebSocket-Protocol: x, ${subprotocol('')}`], 'GET', 401, 'authorization_malformed'],
        ['two of them', at, [`${own}, ${subprotocol(bare(token))}`], 'GET', 400, 'header_ambiguous'],
        ['one beside an Authorization', at, [own, bearer], 'GET', 400, 'two_credentials'],
        ['one beside a cookie', at, [own, cookie, `Origin: ${stage.origin}`], 'GET', 400, 'two_credentials'],
        ['subprotocols that are no tokens', at, [bearer, 'Sec-WebSocket-Protocol: "x"'], 'GET', 400, 'header_ambiguous'],
        ['subprotocols in two lines', at, [bearer, own, 'Sec-WebSocket-Protocol: x'], 'GET', 400, 'header_ambiguous'],
        ['a cookie without an origin', at, [cookie], 'GET', 403, 'origin_refused'],
        ['a cookie from elsewhere', at, [cookie, 'Origin: https://evil.example'], 'GET', 403, 'origin_refused'],
        [
          'a watch by a cookie from elsewhere',
          `/clusters/recorder-named${PODS}?watch=1`,
          [cookie, 'Origin: null'],
          'GET',
          403,
          'origin_refused',
        ],
        [
          'a cookie at a proxied pod',
          at.replace('/exec', '/proxy/'),
          [cookie, `Origin: ${stage.origin}`],
          'GET',
          403,
          'proxy_subresource_refused',
        ],
        ['impersonation', at, [bearer, 'Impersonate-User: root'], 'GET', 400, 'impersonation_refused'],
        ['a body', at, [bearer, 'Content-Length: 4'], 'POST', 400, 'header_ambiguous'],
        ['chunks', at, [bearer, 'Transfer-Encoding: chunked'], 'POST', 400, 'header_ambiguous'],
        ['another method', at, [bearer], 'PUT', 405, 'method_unsupported'],
        ['another host', at, [bearer, 'Host: evil.example'], 'GET', 421, 'host_unknown'],
        ['another cluster', `/clusters/nowhere${WEB}`, [bearer], 'GET', 404, 'cluster_unknown'],
        ['an ambiguous path', `/clusters/recorder-named//${WEB}`, [bearer], 'GET', 400, 'path_ambiguous'],
      ] as const) {
        const answer = await askRaw(stage, target, [...lines, ...HANDSHAKE], method)
        assert.deepEqual([answer.status, codeOf(answer)], [status, code], `${fault}: ${answer.all}`)
        assert.match(answer.head, /\r\nconnection: close/, fault)
      }
      for (const path of ['/whoami', '/', '/login', '/nowhere']) {
        const answer = await askRaw(stage, path, [bearer, ...HANDSHAKE])
        assert.deepEqual([answer.status, codeOf(answer)], [501, 'upgrade_unsupported'], path)
      }
      assert.deepEqual(recorder.heads(), [])
      assert.doesNotMatch(stage.logged(), new RegExp(bare(token)))
    })

    test('an upgrade behind a request that is still being answered ends the connection', async (t) => {
      const watch = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{}\n\r\n'
      const { stage, recorder } = await stageWithRecorder(t, start, (socket) => void socket.write(watch))
      const { host, port } = new URL(stage.origin)
      const connection = await openRaw(Number(port))
      const lines = (more: readonly string[]) =>
        [`Host: ${host}`, `Authorization: ${bearerOf(stage, 'alice')}`, ...more, '', ''].join('\r\n')
      connection.send(`GET /clusters/recorder-named${PODS}?watch=1 HTTP/1.1\r\n${lines([])}`)
      await connection.until(/\{\}/)
      connection.send(`GET /clusters/recorder-named${WEB} HTTP/1.1\r\n${lines(HANDSHAKE)}`)
      assert.doesNotMatch(await connection.closed(), /101/)
      assert.equal(recorder.heads().length, 1)
    })

    test("the bearer in a subprotocol is the caller's, and never goes on", async (t) => {
      const { stage, recorder } = await stageWithRecorder(t, start)
      const token = bearerOf(stage, 'alice')
      const protocols = `Sec-WebSocket-Protocol: ${subprotocol(bare(token))}, v5.channel.k8s.io, v4.channel.k8s.io`
      const smuggled = ['X-Remote-User: root', 'Sec-WebSocket-Extensions: permessage-deflate', 'Cookie: x=1', 'Audit-ID: mine']
      const answer = await askRaw(stage, `/clusters/recorder-named${WEB}?command=id`, [protocols, ...smuggled, ...HANDSHAKE])
      // The recorder answers 200, which is no change of protocol.
      assert.deepEqual([answer.status, codeOf(answer)], [502, 'upstream_broke'], answer.all)
      const [head = ''] = recorder.heads()
      assert.match(head, new RegExp(`^GET ${WEB}\\?command=id HTTP/1\\.1\r\n`))
      assert.match(head, /\r\nSec-WebSocket-Protocol: v5\.channel\.k8s\.io, v4\.channel\.k8s\.io\r\n/)
      assert.match(head, new RegExp(`\r\nImpersonate-User: ${PREFIX}alice\r\n`))
      assert.doesNotMatch(head, /base64url|remote|extensions|cookie|audit-id/i)
      assert.doesNotMatch(head, new RegExp(bare(token)))
    })
  })

  suite(`streams that change the protocol, ${name}`, () => {
    test('an exec runs as the caller, and is recorded from its grant to its end', async (t) => {
      const stage = await setStage(t, start)
      const exec = await execAt(stage.origin, { headers: { authorization: bearerOf(stage, 'alice') } })
      await says(exec, 'hello')
      exec.destroy()
      const [closed] = await eventually(
        () => stage.audit('stream-closed'),
        ({ length }) => length === 1,
      )
      assert.deepEqual(
        stage.audit().map(({ event }) => event),
        ['granted', 'effect', 'stream-opened', 'stream-closed'],
      )
      assert.ok((closed?.bytes ?? 0) > 0)
      const [arrived] = await arrivals(stage.world, '/exec')
      assert.equal(arrived?.impersonated?.username, `${PREFIX}alice`)
      assert.equal(arrived?.code, 101)
    })

    test('a browser execs by its cookie, from our own origin', async (t) => {
      const stage = await setStage(t, start)
      const cookie = cookieOf(await stage.browser('alice'), stage)
      const exec = await execAt(stage.origin, { cluster: 'prod', headers: { cookie, origin: stage.origin } })
      await says(exec, 'hello')
      exec.destroy()
    })

    test('a client that has only subprotocols execs by the bearer in one of them', async (t) => {
      const stage = await setStage(t, start)
      const protocols = ['v5.channel.k8s.io', subprotocol(bare(bearerOf(stage, 'alice')))]
      const exec = await execAt(stage.origin, { protocols })
      assert.equal(exec.protocol, 'v5.channel.k8s.io')
      await says(exec, 'hello')
      exec.destroy()
    })

    test('what the cluster refuses is said in its words, and the connection is done', async (t) => {
      const stage = await setStage(t, start)
      const ask = (path: string) =>
        refusedExec({
          url: `${stage.origin}/clusters/named${path}`,
          headers: { authorization: bearerOf(stage, 'alice') },
          command: ['cat'],
        })
      const gone = await ask(`${PODS}/gone/exec`)
      assert.equal(gone.status, 404)
      assert.match(gone.body, /pods \\?"gone\\?" not found/)
      const forbidden = await ask(WEB.replace('team-a', 'team-b'))
      assert.equal(forbidden.status, 403)
      assert.match(forbidden.body, /corp:alice/)
      assert.equal(forbidden.headers.connection, 'close')
    })

    test('an API server that dies mid-stream ends it, and says so in the record', async (t) => {
      const stage = await setStage(t, start)
      const exec = await execAt(stage.origin, { headers: { authorization: bearerOf(stage, 'alice') } })
      await says(exec, 'hello')
      await stage.world.cluster.down()
      try {
        await endsWithin(exec, 30_000)
      } finally {
        await stage.world.cluster.up()
      }
      const [closed] = await eventually(
        () => stage.audit('stream-closed'),
        ({ length }) => length === 1,
      )
      assert.match(closed?.cause ?? '', /^(complete|upstream-broke)$/)
    })

    test('an exec by cookie ends at every replica within the bound of a logout, one by bearer within that of a revocation', async (t) => {
      const stage = await setStage(t, start, { replicas: 2 })
      const [, other = ''] = stage.origins
      const alice = await stage.browser('alice')
      const byCookie = await execAt(other, { headers: { cookie: cookieOf(alice, stage), origin: stage.origin }, cluster: 'prod' })
      const byBearer = await execAt(other, { headers: { authorization: bearerOf(stage, 'alice') } })
      await Promise.all([says(byCookie, 'one'), says(byBearer, 'two')])
      await revokeAll(stage, 'alice')
      await Promise.all([endsWithin(byCookie, BOUND_MS), endsWithin(byBearer, BOUND_MS)])
      const closed = await eventually(
        () => stage.audit('stream-closed'),
        ({ length }) => length === 2,
      )
      assert.deepEqual(
        closed.map(({ cause }) => cause),
        ['caller-ended', 'caller-ended'],
      )
    })

    test('a blind replica ends an exec after blindFor', async (t) => {
      const stage = await setStage(t, start, {
        configure(config) {
          config['streams'] = { blindFor: '3s' }
        },
      })
      const exec = await execAt(stage.origin, { headers: { authorization: bearerOf(stage, 'alice') } })
      await says(exec, 'hello')
      await stage.world.storeDown()
      try {
        await endsWithin(exec, 3_000 + BOUND_MS)
      } finally {
        await stage.world.storeUp()
      }
    })
  })
}

/** Ends every login and token of a person issued before now, as `mandate revoke` does. */
async function revokeAll(stage: Stage, subject: string): Promise<void> {
  const [replica] = stage.replicas
  await replica?.revocations.revoke({ kind: 'principal', issuer: stage.world.issuer.issuer, subject, notBefore: Date.now() + 1_000 })
}
