/** Attacks on the door: every one is refused with its code, and nothing of it comes behind it. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { drawnFrom, hostileHeads } from '../fakes/hostile/heads.ts'
import { AMBIGUOUS_TARGETS } from '../fakes/hostile/targets.ts'
import { eventually, OK, openRaw } from '../fakes/raw-http.ts'
import { arrivals, askRaw, bearerOf, codeOf, cookieOf } from './asks.ts'
import { stageWithRecorder } from './recorder-stage.ts'
import { setStage } from './stage.ts'
import { PREFIX, type StartWorld } from './world.ts'

const PODS = '/api/v1/namespaces/team-a/pods'

const namesOf = (head: string) =>
  head
    .split('\r\n')
    .slice(1)
    .map((line) => (line.split(':')[0] ?? '').toLowerCase())

/** Runs the journey on a world. */
export function hostileRequests(name: string, start: StartWorld): void {
  suite(`hostile requests, ${name}`, () => {
    test('every ambiguous target is 400 path_ambiguous over a raw socket, and none arrives anywhere', async (t) => {
      const { stage, recorder } = await stageWithRecorder(t, start)
      const lines = [`Authorization: ${bearerOf(stage, 'alice')}`]
      for (const [fault, target] of AMBIGUOUS_TARGETS) {
        for (const written of [target, target.replace('/prod', '/recorder-named')]) {
          const answer = await askRaw(stage, written, lines)
          assert.deepEqual([answer.status, codeOf(answer)], [400, 'path_ambiguous'], `${fault}: ${answer.all}`)
          if (target.startsWith('/clusters/')) assert.match(answer.body, /"kind":"Status"|urn:mandate/)
        }
      }
      assert.deepEqual(recorder.heads(), [])
      assert.deepEqual(await arrivals(stage.world), [])
    })

    for (const query of [
      'watch=0&watch=1',
      'watch=1&watch=0',
      'follow=true&follow=false',
      'fieldSelector=metadata.name%3Da&fieldSelector=metadata.name%3Db',
      'watch=1&%77atch=0',
    ]) {
      test(`a query that names twice what is decided on is refused: ${query}`, async (t) => {
        const { stage, recorder } = await stageWithRecorder(t, start)
        const answer = await askRaw(stage, `/clusters/recorder-named${PODS}?${query}`, [`Authorization: ${bearerOf(stage, 'alice')}`])
        assert.equal(codeOf(answer), 'path_ambiguous')
        assert.deepEqual(recorder.heads(), [])
      })
    }

    test('what the caller says of their identity and of the connection never reaches the cluster', async (t) => {
      const { stage, recorder } = await stageWithRecorder(t, start)
      const alice = await stage.browser('alice')
      const hostile = [
        'Connection: Authorization, Impersonate-User, Impersonate-Group, keep-alive',
        'Keep-Alive: timeout=5',
        'Proxy-Connection: keep-alive',
        'Proxy-Authorization: Basic YTpi',
        'TE: trailers',
        'X-Remote-User: admin',
        'X-Remote-Group: system:masters',
        'X-Remote-Uid: 0',
        'X-Remote-Extra-Scopes: all',
        'X_Remote_User: admin',
        'Audit-ID: chosen-by-the-caller',
        'Forwarded: for=127.0.0.1',
        'X-Forwarded-For: 127.0.0.1',
        'X-Forwarded-Uri: /x',
        'X-Forwarded-User: admin',
        'X-Forwarded-Groups: system:masters',
        'X-Original-URL: /admin',
        'X-Rewrite-URL: /admin',
        'X-HTTP-Method-Override: DELETE',
        'X-M2M-Token: stolen',
        'Sec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io.c3RvbGVu',
        'Referer: http://localhost/',
        'Accept: application/json',
      ]
      const byCookie = [`Cookie: ${cookieOf(alice, stage)}; other=1`, ...hostile]
      const byBearer = [`Authorization: ${bearerOf(stage, 'alice')}`, ...hostile]
      assert.equal((await askRaw(stage, '/clusters/recorder/api', byCookie)).status, 200)
      assert.equal((await askRaw(stage, '/clusters/recorder-named/api', byCookie)).status, 200)
      assert.equal((await askRaw(stage, '/clusters/recorder-named/api', byBearer)).status, 200)
      const [forwarded = '', ...impersonated] = recorder.heads()
      const ours = ['host', 'connection', 'accept', 'authorization']
      assert.deepEqual(namesOf(forwarded).sort(), [...ours].sort(), forwarded)
      for (const head of impersonated) {
        const names = namesOf(head)
        assert.deepEqual(
          [...new Set(names)].sort(),
          [
            ...ours,
            'impersonate-user',
            'impersonate-uid',
            'impersonate-group',
            'impersonate-extra-mandate.dev%2fprovider',
            'impersonate-extra-mandate.dev%2fsubject',
          ].sort(),
          head,
        )
        assert.equal(names.filter((header) => header === 'authorization').length, 1)
        assert.match(head, new RegExp(`\r\nImpersonate-User: ${PREFIX}alice\r\nImpersonate-Uid: `, 'i'))
        assert.match(head, /\r\nconnection: keep-alive(\r\n|$)/i)
      }
      assert.doesNotMatch(recorder.heads().join('\n'), /masters|chosen-by|stolen|127\.0\.0\.1;|Cookie/i)

      assert.equal((await askRaw(stage, `/clusters/named${PODS}`, byCookie)).status, 200)
      assert.equal((await askRaw(stage, `/clusters/prod${PODS}`, byCookie)).status, 200)
      const [named, direct] = await arrivals(stage.world, '/pods', 2)
      assert.equal(named?.impersonated?.username, `${PREFIX}alice`)
      assert.deepEqual(
        named?.impersonated?.groups?.filter((group) => group !== 'system:authenticated'),
        [`${PREFIX}team-a`],
      )
      assert.equal(direct?.user, `${PREFIX}alice`)
      for (const { auditId } of [named, direct].flatMap((entry) => entry ?? [])) assert.notEqual(auditId, 'chosen-by-the-caller')
    })

    test('every spelling of impersonation is refused with its reason as a Status, and does not arrive', async (t) => {
      const { stage, recorder } = await stageWithRecorder(t, start)
      const bearer = `Authorization: ${bearerOf(stage, 'alice')}`
      for (const header of [
        'Impersonate-User',
        'impersonate-user',
        'IMPERSONATE_USER',
        'Impersonate_Group',
        'Impersonate-Group',
        'Impersonate-Uid',
        'impersonate_uid',
        'Impersonate-Extra-Scopes',
        'Impersonate_Extra_Scopes',
        'Impersonate-Foo',
      ]) {
        for (const cluster of ['recorder-named', 'named']) {
          const answer = await askRaw(stage, `/clusters/${cluster}${PODS}`, [bearer, `${header}: admin`])
          const status = JSON.parse(answer.body)
          assert.deepEqual([answer.status, status.kind, codeOf(answer)], [400, 'Status', 'impersonation_refused'], header)
          assert.match(status.message, /--as/)
        }
      }
      assert.deepEqual(recorder.heads(), [])
      assert.deepEqual(await arrivals(stage.world), [])
    })

    test('a request hidden behind a misframed one is never acted on', async (t) => {
      const { stage, recorder } = await stageWithRecorder(t, start)
      const { host, port } = new URL(stage.origin)
      const hidden = `GET /clusters/recorder-named/hidden HTTP/1.1\r\nHost: ${host}\r\nAuthorization: ${bearerOf(stage, 'alice')}\r\n\r\n`
      const first = (...lines: string[]) =>
        `POST /clusters/recorder-named/api HTTP/1.1\r\nHost: ${host}\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`
      for (const text of [
        `${first('Transfer-Encoding: chunked', `Content-Length: ${hidden.length + 5}`)}0\r\n\r\n`,
        `${first('Transfer-Encoding: gzip, chunked')}0\r\n\r\n`,
        first('Content-Length: 0', 'Content-Length: 5'),
        first('Content-Length: 0', 'Content_Length: 500'),
        `${first('Transfer-Encoding : chunked')}0\r\n\r\n`,
        `${first('X: y', ' Transfer-Encoding: chunked')}0\r\n\r\n`,
        first('Host: evil.example', 'Content-Length: 0'),
        first('Impersonate-User: admin\n', 'Content-Length: 0'),
        `GET /clusters/recorder-named//x HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
        'GET /clusters/recorder-named/api HTTP/1.1\r\n\r\n',
        'GET /clusters/recorder-named/api HTTP/1.1\r\nHost: evil.example\r\n\r\n',
      ]) {
        const connection = await openRaw(Number(port))
        connection.send(text + hidden)
        assert.match(await connection.closed(), /^HTTP\/1\.1 4\d\d /)
      }
      assert.deepEqual(recorder.heads(), [])
    })

    test('two proofs, a cookie twice, a tampered and an invented cookie are refused, and nothing arrives', async (t) => {
      const { stage, recorder } = await stageWithRecorder(t, start)
      const alice = await stage.browser('alice')
      const cookie = cookieOf(alice, stage)
      const [, login = ''] = /(mandate-\d+)=/.exec(cookie) ?? []
      const value = new RegExp(`${login}=([\\w-]+)`).exec(cookie)?.[1] ?? ''
      const tampered = `${value.slice(0, -2)}${value.endsWith('A') ? 'BB' : 'AA'}`
      for (const [lines, status, code] of [
        [[`Cookie: ${cookie}`, `Authorization: ${bearerOf(stage, 'alice')}`], 400, 'two_credentials'],
        [[`Cookie: ${cookie}; ${login}=x`], 400, 'header_ambiguous'],
        [[`Cookie: ${cookie}`, `Cookie: ${cookie}`], 400, 'header_ambiguous'],
        [[`Cookie: ${login}=${tampered}`], 401, 'login_ended'],
        [[`Cookie: ${login}=short`], 401, 'cookie_invalid'],
        [[`Cookie: ${login}=`], 401, 'cookie_invalid'],
        [[`Cookie: ${login}=${'x'.repeat(20_000)}`], 401, 'cookie_invalid'],
        [['Authorization: Bearer'], 401, 'authorization_malformed'],
        [['Authorization: Basic YTpi'], 401, 'authorization_malformed'],
        [['Authorization: Bearer eyJhbGciOiJub25lIn0.e30.'], 401, undefined],
        [[], 401, 'not_signed_in'],
      ] as ReadonlyArray<readonly [string[], number, string | undefined]>) {
        const answer = await askRaw(stage, '/clusters/recorder/api', lines)
        assert.equal(answer.status, status, answer.all)
        if (code !== undefined) assert.equal(codeOf(answer), code)
        assert.equal(JSON.parse(answer.body).kind, 'Status')
        if (status === 401) assert.match(answer.head, /www-authenticate: bearer/)
        assert.doesNotMatch(answer.head, /set-cookie/)
      }
      assert.deepEqual(recorder.heads(), [])
    })

    test('another method, host, cluster or protocol is refused in words that a client shows', async (t) => {
      const { stage, recorder } = await stageWithRecorder(t, start)
      const bearer = `Authorization: ${bearerOf(stage, 'alice')}`
      for (const [target, lines, method, status, code] of [
        ['/clusters/recorder-named/api', [bearer], 'TRACE', 405, 'method_unsupported'],
        ['/clusters/recorder-named/api', [bearer], 'PROPFIND', 405, 'method_unsupported'],
        ['/clusters/recorder-named/api', [bearer, 'Host: evil.example'], 'GET', 421, 'host_unknown'],
        ['/clusters/recorder-named/api', [bearer, 'Host: localhost.evil.example'], 'GET', 421, 'host_unknown'],
        ['/clusters/recorder-named/api', [bearer, 'Host: localhost:80:80'], 'GET', 421, 'host_unknown'],
        ['/clusters/recorder-named/api', [bearer, 'Host: user@localhost'], 'GET', 421, 'host_unknown'],
        ['/clusters/recorder-named/api', [bearer, 'Host: '], 'GET', 421, 'host_unknown'],
        ['/clusters/nowhere/api', [bearer], 'GET', 404, 'cluster_unknown'],
        ['/clusters/constructor/api', [bearer], 'GET', 404, 'cluster_unknown'],
        ['/clusters/', [bearer], 'GET', 404, 'cluster_unknown'],
        [
          '/clusters/recorder-named/api',
          [bearer, 'Connection: Upgrade', 'Upgrade: websocket, spdy/3.1'],
          'GET',
          501,
          'upgrade_unsupported',
        ],
        ['/clusters/recorder-named/api', [bearer, 'Connection: Upgrade', 'Upgrade: spdy/2'], 'POST', 501, 'upgrade_unsupported'],
        ['/clusters/recorder-named/api/v1/watch', [bearer], 'GET', 400, 'path_ambiguous'],
      ] as const) {
        const answer = await askRaw(stage, target, lines, method)
        assert.deepEqual([answer.status, codeOf(answer)], [status, code], answer.all)
        assert.equal(JSON.parse(answer.body).kind, 'Status')
        assert.doesNotMatch(answer.all, /evil|nowhere/)
      }
      assert.deepEqual(recorder.heads(), [])
    })

    test('an upgrade whose body is still to come, behind a request that is under way, ends no process', async (t) => {
      const { stage } = await stageWithRecorder(t, start)
      const { host, port } = new URL(stage.origin)
      const connection = await openRaw(Number(port))
      const offer = 'GET /clusters/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\n'
      connection.send(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n${offer}`)
      assert.match(await connection.closed(), /^HTTP\/1\.1 [234]\d\d [\s\S]+HTTP\/1\.1 421 /)
      assert.equal((await askRaw(stage, '/clusters/recorder-named/api', [`Authorization: ${bearerOf(stage, 'alice')}`])).status, 200)
      assert.doesNotMatch(stage.logged(), /a fault/)
    })

    test('heads drawn at random, one behind another, end no process, are no fault of ours, and leave nothing behind', async (t) => {
      const { stage } = await stageWithRecorder(t, start)
      const { host, port } = new URL(stage.origin)
      const draw = drawnFrom(20_261_122)
      const authorization = bearerOf(stage, 'alice')
      for (let round = 0; round < 40; round += 1) {
        const texts = Array.from({ length: 20 }, () => hostileHeads(draw, { host, authorization }))
        await Promise.all(
          texts.map(async (text, at) => {
            const connection = await openRaw(Number(port))
            connection.send(text)
            // Half of them leave at once, the others hear something first, or nothing for a moment.
            if (at % 2 === 0) await connection.until(/HTTP/, 100).catch(() => undefined)
            connection.socket.end()
            await connection.closed()
            assert.doesNotMatch(connection.received(), /"code":"fault"/, JSON.stringify(text))
          }),
        )
      }
      assert.doesNotMatch(stage.logged(), /a fault|"code":"fault"/)
      assert.equal((await askRaw(stage, '/clusters/recorder-named/api', [`Authorization: ${authorization}`])).status, 200)
      await eventually(
        () => stage.metrics(),
        (metrics) => !/^mandate_live_streams\{.*\} [1-9]/m.test(metrics),
      )
    })

    test('more connections than configured are closed and counted, and the probes go on', async (t) => {
      const stage = await setStage(t, start, {
        configure(config) {
          config['limits'] = { connections: { plain: 2 } }
        },
      })
      const port = Number(new URL(stage.origin).port)
      const open = [await openRaw(port), await openRaw(port)]
      assert.equal(await (await openRaw(port)).closed(), '')
      assert.match(await stage.metrics(), /mandate_connections_dropped_total\{listener="http",bound="total"\} 1\n/)
      for (const { socket } of open) socket.destroy()
    })

    test('an answer beyond its length, or to nobody, reaches no other caller', async (t) => {
      const secret = OK.replaceAll('List', 'Bobs')
      const { stage } = await stageWithRecorder(t, start, (socket, head) => void socket.write(head.includes('/bob') ? OK + secret : OK))
      await askRaw(stage, '/clusters/recorder-named/bob', [`Authorization: ${bearerOf(stage, 'bob')}`])
      for (let i = 0; i < 3; i += 1) {
        const { all } = await askRaw(stage, '/clusters/recorder-named/api', [`Authorization: ${bearerOf(stage, 'alice')}`])
        assert.doesNotMatch(all, /Bobs/)
      }
    })
  })
}
