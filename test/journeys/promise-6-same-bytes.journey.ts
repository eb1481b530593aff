/** Promise 6: the bytes we decide on are the bytes we forward, and client identity headers never reach an upstream. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { suite, type TestContext, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { parseRequestInfo } from '../../src/kubernetes/request-info.ts'
import { OK, type RawAnswering, startRawUpstream } from '../fakes/raw-http.ts'
import { askRaw, bearerOf } from './asks.ts'
import { setStage } from './stage.ts'
import type { StartWorld } from './world.ts'

async function stageWithRecorder(t: TestContext, start: StartWorld, answer?: RawAnswering) {
  const recorder = await startRawUpstream(answer)
  t.after(() => recorder.close())
  const stage = await setStage(t, start, {
    configure(config) {
      config.clusters['recorder'] = {
        server: recorder.origin,
        allow: { callers: ['person'] },
        as: config.clusters['named']?.['as'],
      }
    },
  })
  return { stage, recorder }
}

/** Runs the journey on a world. */
export function promise6(name: string, start: StartWorld): void {
  suite(`promise 6: the same bytes, ${name}`, () => {
    test('whatever target is taken arrives as it came, and was decided on as the API server will read it', async (t) => {
      const { stage, recorder } = await stageWithRecorder(t, start)
      const bearer = `Authorization: ${bearerOf(stage, 'alice')}`
      const word = fc.constantFrom(
        'api',
        'apis',
        'v1',
        'apps',
        'namespaces',
        'team-a',
        'pods',
        'web',
        'log',
        'watch',
        'status',
        'exec',
        'proxy',
        'nodes',
        '%C3%A9',
        'a%20b',
        'system:node',
        "x'(*)!",
        '%2e',
        '..',
        '',
        'a;b',
        '%2f',
        '%25',
      )
      const pair = fc.constantFrom(
        'watch=1',
        'watch=0',
        'follow=true',
        'fieldSelector=metadata.name%3Dweb',
        'limit=5',
        'x={a|b}^`',
        'a=%C3%A9',
        'q="<>"',
        'b=%zz',
        'c=;',
        '',
        'labelSelector=a%20in%20(b,c)',
      )
      const target = fc
        .tuple(fc.array(word, { maxLength: 7 }), fc.array(pair, { maxLength: 3 }))
        .map(([words, pairs]) => `/${words.join('/')}${pairs.length > 0 ? `?${pairs.join('&')}` : ''}`)
      let taken = 0
      await fc.assert(
        fc.asyncProperty(target, fc.constantFrom('GET', 'HEAD', 'DELETE'), async (path, method) => {
          const before = recorder.heads().length
          const answer = await askRaw(stage, `/clusters/recorder${path}`, [bearer], method)
          const heads = recorder.heads().slice(before)
          if (answer.status !== 200) {
            assert.equal(answer.status, 400, answer.all)
            assert.deepEqual(heads, [])
            return
          }
          taken += 1
          assert.deepEqual(
            heads.map((head) => head.split('\r\n')[0]),
            [`${method} ${path} HTTP/1.1`],
          )
          // Decided anew from nothing but what arrived, as the API server does.
          const [arrived = '', search = ''] = path.split(/\?(.*)/s)
          const info = parseRequestInfo(method, decodeURIComponent(arrived), new URLSearchParams(search))
          const granted = stage.audit('granted').at(-1)
          assert.equal(granted?.action, info.verb)
          const { namespace = '', resource = '', subresource = '', name: named = '' } = granted?.properties ?? {}
          if (info.isResourceRequest)
            assert.deepEqual([namespace, resource, subresource, named], [info.namespace, info.resource, info.subresource, info.name])
        }),
        { numRuns: 300 },
      )
      assert.ok(taken > 50, `only ${taken} were taken`)
    })

    test('a query that stands right behind the cluster arrives with the path it means', async (t) => {
      const { stage, recorder } = await stageWithRecorder(t, start)
      for (const [target, arrived] of [
        ['/clusters/recorder', '/'],
        ['/clusters/recorder/', '/'],
        ['/clusters/recorder?x=1', '/?x=1'],
        ['/clusters/recorder/?x=1', '/?x=1'],
      ] as const) {
        const before = recorder.heads().length
        await askRaw(stage, target, [`Authorization: ${bearerOf(stage, 'alice')}`])
        assert.ok(recorder.heads()[before]?.startsWith(`GET ${arrived} HTTP/1.1\r\n`), target)
      }
    })

    test('a body of any bytes arrives as it was sent, and an answer of any bytes comes back as it is', async (t) => {
      const up = randomBytes(300_000)
      const down = gzipSync(randomBytes(300_000))
      let received = ''
      const { stage, recorder } = await stageWithRecorder(t, start, (socket) => {
        const look = () => {
          received = recorder.connections.map((connection) => connection.received).join('')
          if (!received.endsWith(up.subarray(-100).toString('latin1'))) return
          socket.removeListener('data', look)
          socket.write(
            `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: ${down.length}\r\n\r\n`,
          )
          socket.write(down)
        }
        socket.on('data', look)
      })
      const answer = await askRaw(
        stage,
        '/clusters/recorder/api',
        [
          `Authorization: ${bearerOf(stage, 'alice')}`,
          'Content-Type: application/octet-stream',
          `Content-Length: ${up.length}`,
          'Accept-Encoding: gzip',
        ],
        'POST',
        up.toString('latin1'),
      )
      assert.ok(Buffer.from(answer.body, 'latin1').equals(down))
      assert.match(
        answer.head,
        new RegExp(
          `content-encoding: gzip[\\s\\S]*content-length: ${down.length}|content-length: ${down.length}[\\s\\S]*content-encoding: gzip`,
        ),
      )
      assert.ok(received.slice(received.indexOf('\r\n\r\n') + 4) === up.toString('latin1'))
    })

    test('whatever headers a caller makes up, who acts is said once, by us', async (t) => {
      const { stage, recorder } = await stageWithRecorder(t, start, (socket) => void socket.write(OK))
      const bearer = `Authorization: ${bearerOf(stage, 'alice')}`
      const identity = fc.mixedCase(
        fc.constantFrom(
          'x-remote-user',
          'x-remote-group',
          'x-remote-extra-a',
          'x-forwarded-user',
          'x-forwarded-for',
          'forwarded',
          'audit-id',
          'proxy-authorization',
          'x-impersonate-user',
          'x-authorization',
          'connection',
          'remote-user',
          'x-user',
          'x-m2m-token',
        ),
      )
      const spelled = identity.chain((header) => fc.boolean().map((fold) => (fold ? header.replaceAll('-', '_') : header)))
      const value = fc.constantFrom('admin', 'system:masters', 'Authorization, Impersonate-User', 'Bearer stolen')
      await fc.assert(
        fc.asyncProperty(fc.array(fc.tuple(spelled, value), { maxLength: 10 }), async (lines) => {
          const before = recorder.heads().length
          const answer = await askRaw(stage, '/clusters/recorder/api', [bearer, ...lines.map(([header, said]) => `${header}: ${said}`)])
          assert.equal(answer.status, 200, answer.all)
          const head = recorder.heads()[before] ?? ''
          assert.doesNotMatch(head, /admin|masters|stolen/)
          assert.equal(head.match(/\r\nauthorization:/gi)?.length, 1)
          assert.equal(head.match(/\r\nimpersonate-user:/gi)?.length, 1)
        }),
        { numRuns: 100 },
      )
    })
  })
}
