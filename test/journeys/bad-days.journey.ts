/** Bad days: what Mandate stands between goes away, is slow or answers nonsense, and the disk is full. */
import assert from 'node:assert/strict'
import { suite, type TestContext, test } from 'node:test'
import { fileTarget, type LineTarget } from '../../src/audit/line-target.ts'
import { type Fault, startFaultyIssuer } from '../fakes/faulty-issuer.ts'
import { eventually, openRaw } from '../fakes/raw-http.ts'
import { arrivals, askRaw, bearerOf, codeOf, cookieOf, untilCallback } from './asks.ts'
import { setStage } from './stage.ts'
import { stageTwoIssuers } from './two-issuers.ts'
import { PREFIX, type StartWorld } from './world.ts'

const PODS = '/clusters/named/api/v1/namespaces/team-a/pods'

async function stageWithFaultyLab(t: TestContext, start: StartWorld, down = false) {
  const faulty = await startFaultyIssuer()
  t.after(() => faulty.close())
  if (down) await faulty.refuse()
  const { stage, lab } = await stageTwoIssuers(t, start, { labUrl: faulty.url })
  faulty.setTarget(lab.listening)
  return { stage, faulty }
}

/** An audit target that takes nothing while the disk is full. */
function fillableDisk(): LineTarget & { full: boolean; readonly lines: string[] } {
  const lines: string[] = []
  return {
    full: false,
    lines,
    async write(part) {
      if (this.full) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
      lines.push(part.toString('utf8'))
    },
    close: async () => undefined,
  }
}

/** Runs the journey on a world. */
export function badDays(name: string, start: StartWorld): void {
  suite(`bad days, ${name}`, () => {
    test('an issuer that is down at the start keeps nobody else out, the sign-in page says so, and it comes back by itself', async (t) => {
      const { stage, faulty } = await stageWithFaultyLab(t, start, true)
      const page = await (await stage.browser()).get(`${stage.origin}/login`)
      assert.equal(page.status, 200)
      assert.match(page.body, /Continue with Corp<\/a>/)
      assert.match(page.body, /Continue with Lab<small>is not answering/)
      const alice = await stage.browser()
      await alice.signIn(`${stage.origin}/login?provider=corp&return_to=/whoami`, 'alice')
      assert.equal((await alice.get(`${stage.origin}/whoami`)).status, 200)
      const refused = await alice.get(`${stage.origin}/login?provider=lab`)
      assert.deepEqual([refused.status, codeOf(refused)], [503, 'issuer_unavailable'])
      assert.ok(Number(refused.headers['retry-after']) >= 1)
      await faulty.accept()
      await eventually(
        async () => (await alice.get(`${stage.origin}/login?provider=lab`)).status,
        (status) => status === 303,
        20_000,
      )
    })

    test('an issuer that hangs does not hold up the sign-in page', async (t) => {
      const { stage, faulty } = await stageWithFaultyLab(t, start)
      faulty.inject('discovery', { kind: 'hang' })
      const began = performance.now()
      const page = await (await stage.browser()).get(`${stage.origin}/login`)
      assert.match(page.body, /Lab<small>is not answering/)
      assert.ok(performance.now() - began < 3 * 1_500)
    })

    const faults: ReadonlyArray<readonly [what: string, fault: Fault, codes: readonly string[]]> = [
      ['answers 500', { kind: 'status', status: 500 }, ['issuer_unavailable']],
      ['answers 429', { kind: 'status', status: 429, retryAfter: '30' }, ['issuer_unavailable']],
      ['answers with a page', { kind: 'html' }, ['sign_in_token_invalid', 'issuer_unavailable']],
      ['breaks off its answer', { kind: 'half-body' }, ['issuer_unavailable', 'sign_in_token_invalid']],
      ['resets', { kind: 'reset' }, ['issuer_unavailable']],
      ['loses its answer', { kind: 'lost-answer' }, ['issuer_unavailable']],
      [
        'redirects',
        { kind: 'redirect', location: 'https://evil.example/token', status: 307 },
        ['issuer_unavailable', 'sign_in_token_invalid'],
      ],
      ['says too much', { kind: 'huge-body', bytes: 50_000_000 }, ['issuer_unavailable', 'sign_in_token_invalid']],
      ['gives no ID token', { kind: 'rewrite', rewrite: ({ id_token: _gone, ...rest }) => rest }, ['sign_in_token_invalid']],
      [
        'gives a token that is none',
        { kind: 'rewrite', rewrite: (answer) => ({ ...answer, id_token: 'a.b.c' }) },
        ['sign_in_token_invalid'],
      ],
      [
        'gives an empty access token',
        { kind: 'rewrite', rewrite: (answer) => ({ ...answer, access_token: '' }) },
        ['sign_in_token_invalid'],
      ],
    ]
    for (const [what, fault, codes] of faults) {
      test(`a token endpoint that ${what} is a clear page and no login, and the next sign-in works`, async (t) => {
        const { stage, faulty } = await stageWithFaultyLab(t, start)
        const browser = await stage.browser()
        const callback = await untilCallback(browser, `${stage.origin}/login?provider=lab`, 'dora')
        faulty.inject('token', fault)
        const page = await browser.get(callback)
        assert.ok(codes.includes(codeOf(page)), page.body)
        assert.match(page.headers['content-type'] ?? '', /text\/html/)
        assert.equal(page.headers['set-cookie'], undefined)
        assert.ok(!page.body.includes(new URL(callback).searchParams.get('code') ?? ''))
        assert.equal(stage.audit('login').length, 0)
        assert.ok(codes.includes(stage.audit('refused').at(-1)?.code ?? ''))
        faulty.heal()
        await browser.signIn(`${stage.origin}/login?provider=lab&return_to=/whoami`, 'dora')
        assert.equal((await browser.get(`${stage.origin}/whoami`)).status, 200)
      })
    }

    test('an issuer that is merely slow is waited for', async (t) => {
      const { stage, faulty } = await stageWithFaultyLab(t, start)
      const browser = await stage.browser()
      faulty.inject('token', { kind: 'slow', ms: 700 })
      await browser.signIn(`${stage.origin}/login?provider=lab&return_to=/whoami`, 'dora')
      assert.equal((await browser.get(`${stage.origin}/whoami`)).status, 200)
    })

    test('an API server that is down is 502 with a Status, for a body as well, and back by itself', async (t) => {
      const stage = await setStage(t, start)
      const bearer = [`Authorization: ${bearerOf(stage, 'alice')}`]
      const alice = await stage.browser('alice')
      assert.equal((await askRaw(stage, PODS, bearer)).status, 200)
      await stage.world.cluster.down()
      const body = JSON.stringify({ filler: 'x'.repeat(2_000_000) })
      for (const answer of [
        await askRaw(stage, PODS, bearer),
        await askRaw(stage, PODS, [...bearer, 'Content-Type: application/json', `Content-Length: ${body.length}`], 'POST', body),
        await alice.get(stage.origin + PODS),
      ]) {
        assert.deepEqual(
          [answer.status, codeOf(answer), JSON.parse(answer.body).kind],
          [502, 'upstream_unavailable', 'Status'],
          answer.body,
        )
      }
      // The first request may count as failed too: a real API server sends its answer in chunks, and `askRaw` stays only for the head.
      assert.equal(stage.audit('failed').filter(({ code }) => code === 'upstream_unavailable').length, 3)
      await stage.world.cluster.up()
      await eventually(
        async () => (await alice.get(stage.origin + PODS)).status,
        (status) => status === 200,
        30_000,
      )
    })

    test('an API server that goes away ends a watch as broken, not as done', async (t) => {
      const stage = await setStage(t, start)
      const { host, port } = new URL(stage.origin)
      const connection = await openRaw(Number(port))
      connection.send(`GET ${PODS}?watch=1 HTTP/1.1\r\nHost: ${host}\r\nAuthorization: ${bearerOf(stage, 'alice')}\r\n\r\n`)
      await connection.until(/"ADDED"/)
      await stage.world.cluster.down()
      await connection.closed(30_000)
      await eventually(
        () => stage.audit('stream-closed').length,
        (count) => count === 1,
      )
      await stage.world.cluster.up()
    })

    test('a full disk under the audit log is 503, nothing reaches the cluster, nobody signs in; and it passes by itself', async (t) => {
      const disk = fillableDisk()
      const stage = await setStage(t, start, { auditTarget: disk })
      const bearer = [`Authorization: ${bearerOf(stage, 'alice')}`]
      const browser = await stage.browser()
      const callback = await untilCallback(browser, `${stage.origin}/login`, 'alice')
      disk.full = true
      for (const [target, method] of [
        [PODS, 'GET'],
        [PODS, 'POST'],
        [`${PODS}?watch=1`, 'GET'],
        [`${PODS}/web`, 'DELETE'],
      ] as const) {
        const answer = await askRaw(stage, target, bearer, method)
        assert.deepEqual([answer.status, codeOf(answer), JSON.parse(answer.body).kind], [503, 'audit_unavailable', 'Status'])
        assert.match(answer.head, /retry-after: \d/)
      }
      assert.equal(codeOf(await askRaw(stage, PODS)), 'audit_unavailable')
      const refused = await browser.get(callback)
      assert.deepEqual([refused.status, codeOf(refused), refused.headers['set-cookie']], [503, 'audit_unavailable', undefined])
      assert.deepEqual(await arrivals(stage.world, '/pods'), [])
      assert.match(await stage.metrics(), /mandate_audit_up 0/)
      assert.match(await stage.metrics(), /mandate_active_logins 0/, 'no login lies about that nobody holds')
      disk.full = false
      assert.equal((await askRaw(stage, PODS, bearer)).status, 200)
      assert.match(await stage.metrics(), /mandate_audit_up 1/)
    })

    test('a disk that fills up during a stream does not let a new one begin', async (t) => {
      const disk = fillableDisk()
      const stage = await setStage(t, start, { auditTarget: disk })
      const { host, port } = new URL(stage.origin)
      const head = `GET ${PODS}?watch=1 HTTP/1.1\r\nHost: ${host}\r\nAuthorization: ${bearerOf(stage, 'alice')}\r\n\r\n`
      const [first, second] = [await openRaw(Number(port)), await openRaw(Number(port))]
      first.send(head)
      await first.until(/"ADDED"/)
      disk.full = true
      second.send(head)
      assert.match(await second.until(/\r\n\r\n/), /^HTTP\/1\.1 503 /)
      assert.ok(!first.socket.destroyed)
      first.socket.destroy()
      disk.full = false
      await eventually(
        () => disk.lines.join(''),
        (lines) => lines.includes('"stream-closed"'),
      )
    })

    test('/dev/full is a full disk', async (t) => {
      const stage = await setStage(t, start, { auditTarget: fileTarget('/dev/full') })
      const answer = await askRaw(stage, PODS, [`Authorization: ${bearerOf(stage, 'alice')}`])
      assert.deepEqual([answer.status, codeOf(answer)], [503, 'audit_unavailable'])
      assert.deepEqual(await arrivals(stage.world, '/pods'), [])
    })

    test('stopping ends streams properly, lets answers finish and takes nothing new', async (t) => {
      const stage = await setStage(t, start)
      const alice = await stage.browser('alice')
      const { host, port } = new URL(stage.origin)
      const watches = await Promise.all(
        Array.from({ length: 5 }, async (_, i) => {
          const connection = await openRaw(Number(port))
          connection.send(
            `GET ${PODS}?watch=1 HTTP/1.1\r\nHost: ${host}\r\n${i % 2 === 0 ? `Cookie: ${cookieOf(alice, stage)}` : `Authorization: ${bearerOf(stage, 'alice')}`}\r\n\r\n`,
          )
          await connection.until(/"ADDED"/)
          return connection
        }),
      )
      const began = performance.now()
      await stage.replicas[0]?.stop()
      for (const watch of watches) assert.match(await watch.closed(1_000), /\r\n0\r\n\r\n$/)
      assert.ok(performance.now() - began < 3 * 5_000, 'within three times the grace')
      assert.deepEqual(
        stage.audit('stream-closed').map(({ cause }) => cause),
        Array.from({ length: 5 }, () => 'stopping'),
      )
      await assert.rejects(openRaw(Number(port)))
    })

    test('who acted is known although the caller went away in the middle', async (t) => {
      const stage = await setStage(t, start)
      const { host, port } = new URL(stage.origin)
      const connection = await openRaw(Number(port))
      connection.send(`GET ${PODS}?watch=1 HTTP/1.1\r\nHost: ${host}\r\nAuthorization: ${bearerOf(stage, 'alice')}\r\n\r\n`)
      await connection.until(/"ADDED"/)
      connection.socket.resetAndDestroy()
      const [closed] = await eventually(
        () => stage.audit('stream-closed'),
        (all) => all.length === 1,
      )
      assert.deepEqual([closed?.cause, closed?.who?.subject], ['caller-gone', 'alice'])
      const [watch] = await arrivals(stage.world, 'watch=1')
      assert.equal(watch?.impersonated?.username, `${PREFIX}alice`)
      await eventually(
        () => stage.metrics(),
        (text) => /mandate_live_streams\{route="cluster\/named"\} 0/.test(text),
      )
    })
  })
}
