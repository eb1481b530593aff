/** A tenant's content and a stranger's page: neither may use the cookie of the origin it meets. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { askRaw, bearerOf, codeOf } from './asks.ts'
import { stageWithRecorder } from './recorder-stage.ts'
import type { StartWorld } from './world.ts'

const PODS = '/api/v1/namespaces/team-a/pods'

/** Runs the journey on a world. */
export function hostileContent(name: string, start: StartWorld): void {
  suite(`hostile content, ${name}`, () => {
    for (const [what, answer] of [
      ['a page', 'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 8\r\n\r\n<script>'],
      [
        'a page by a second content type',
        'HTTP/1.1 200 OK\r\nContent-Type: application/json, text/html\r\nContent-Length: 8\r\n\r\n<script>',
      ],
      ['something without a type', 'HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n<script>'],
      ['a picture with a script', 'HTTP/1.1 200 OK\r\nContent-Type: image/svg+xml\r\nContent-Length: 8\r\n\r\n<script>'],
    ] as const) {
      test(`a tenant's answer that is ${what} is not shown to a cookie`, async (t) => {
        const { stage } = await stageWithRecorder(t, start, (socket) => void socket.write(answer))
        const alice = await stage.browser('alice')
        const got = await alice.get(`${stage.origin}/clusters/recorder/api`)
        assert.equal(codeOf(got), 'content_refused')
        assert.doesNotMatch(got.body, /<script>/)
      })
    }

    test('what is shown to a cookie runs nothing, sets nothing and leads nowhere', async (t) => {
      const { stage } = await stageWithRecorder(
        t,
        start,
        (socket, head) =>
          void socket.write(
            head.includes('/away')
              ? 'HTTP/1.1 302 Found\r\nLocation: https://evil.example/\r\nContent-Length: 0\r\n\r\n'
              : 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nSet-Cookie: a=b\r\nRefresh: 0;url=//evil.example\r\nAccess-Control-Allow-Origin: *\r\nContent-Length: 8\r\n\r\n<script>',
          ),
      )
      const alice = await stage.browser('alice')
      const { headers } = await alice.get(`${stage.origin}/clusters/recorder/api`)
      assert.match(headers['content-security-policy'] as string, /^sandbox; default-src 'none'/)
      assert.equal(headers['x-content-type-options'], 'nosniff')
      assert.deepEqual(
        [headers['set-cookie'], headers['refresh'], headers['access-control-allow-origin']],
        [undefined, undefined, undefined],
      )
      const away = await alice.get(`${stage.origin}/clusters/recorder/away`)
      assert.deepEqual([away.status, away.headers.location], [302, undefined])
    })

    test('no cookie opens a proxy subresource, in whatever place it stands; a bearer does', async (t) => {
      const { stage, recorder } = await stageWithRecorder(t, start)
      const alice = await stage.browser('alice')
      const paths = [
        '/api/v1/namespaces/team-a/pods/web/proxy',
        '/api/v1/namespaces/team-a/pods/web:80/proxy/index.html',
        '/api/v1/namespaces/team-a/services/https:web:443/proxy/',
        '/api/v1/nodes/node-1/proxy/run',
        '/api/v1/proxy/namespaces/team-a/pods/web',
        '/api/v1/proxy/nodes/node-1',
        '/apis/metrics.k8s.io/v1/namespaces/team-a/pods/web/proxy',
      ]
      for (const path of paths) {
        const refused = await alice.get(`${stage.origin}/clusters/recorder${path}`, { headers: { origin: stage.origin } })
        assert.deepEqual([refused.status, codeOf(refused)], [403, 'proxy_subresource_refused'], path)
      }
      assert.deepEqual(recorder.heads(), [])
      for (const path of paths)
        assert.equal(
          (await askRaw(stage, `/clusters/recorder-named${path}`, [`Authorization: ${bearerOf(stage, 'alice')}`])).status,
          200,
          path,
        )
    })

    test('a cookie writes, connects and upgrades only from our own origin', async (t) => {
      const { stage, recorder } = await stageWithRecorder(t, start)
      const alice = await stage.browser('alice')
      const origins: Array<Record<string, string>> = [
        {},
        { origin: 'null' },
        { origin: 'https://evil.example' },
        { origin: `${stage.origin}.evil.example` },
        { origin: stage.origin.replace(/\d+$/, '1') },
        { origin: stage.origin.toUpperCase() },
        { 'sec-fetch-site': 'cross-site' },
        { 'sec-fetch-site': 'same-site' },
        { origin: 'https://evil.example', 'sec-fetch-site': 'same-origin' },
      ]
      for (const headers of origins) {
        for (const [method, path] of [
          ['POST', PODS],
          ['DELETE', `${PODS}/web`],
          ['PATCH', `${PODS}/web`],
          ['PUT', `${PODS}/web`],
          ['GET', `${PODS}/web/exec?command=id`],
          ['GET', `${PODS}/web/attach`],
          ['GET', `${PODS}/web/portforward`],
        ] as const) {
          const refused = await alice.get(`${stage.origin}/clusters/recorder${path}`, { method, headers })
          assert.deepEqual([refused.status, codeOf(refused)], [403, 'origin_refused'], `${method} ${path} ${JSON.stringify(headers)}`)
        }
      }
      assert.deepEqual(recorder.heads(), [])
      const fine = await alice.get(`${stage.origin}/clusters/recorder${PODS}`, {
        method: 'POST',
        body: '{}',
        headers: { origin: stage.origin },
      })
      assert.equal(fine.status, 200)
    })
  })
}
