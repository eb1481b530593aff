import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { bearerCredential, type Credential, impersonationCredential, present } from '../credential.ts'
import { Secret } from '../secret.ts'
import { inboundHeaders, outboundHeaders, switchedHeaders } from './header-boundary.ts'

const bearer = bearerCredential(new Secret('token-of-the-caller'), Number.MAX_SAFE_INTEGER)
const impersonation = impersonationCredential({
  broker: new Secret('token-of-the-broker'),
  user: 'corp:alice',
  uid: 'u',
  groups: ['corp:a', 'corp:b'],
  extra: [['mandate.dev/provider', 'corp']],
  expiresAt: Number.MAX_SAFE_INTEGER,
})
const credentials: readonly Credential[] = [bearer, impersonation, { kind: 'identity', expiresAt: Number.MAX_SAFE_INTEGER }]

/** Headers that must reach nobody behind us, whatever a caller makes of them. */
const NEVER = [
  'authorization',
  'proxy-authorization',
  'cookie',
  'connection',
  'keep-alive',
  'te',
  'trailer',
  'upgrade',
  'transfer-encoding',
  'host',
  'expect',
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-uri',
  'x-forwarded-user',
  'x-real-ip',
  'x-remote-user',
  'x-remote-group',
  'x-remote-extra-scopes',
  'x-remote-uid',
  'audit-id',
  'impersonate-user',
  'impersonate-group',
  'impersonate-uid',
  'impersonate-extra-x',
  'origin',
  'referer',
  'sec-websocket-protocol',
  'x-m2m-token',
  'x-http-method-override',
  'x-original-url',
  'x-rewrite-url',
]
const ALLOWED = ['accept', 'accept-encoding', 'content-type', 'user-agent', 'if-none-match', 'kubectl-command', 'traceparent']

const linesOf = (flat: readonly string[]) => flat.flatMap((name, i) => (i % 2 === 0 ? [[name, flat[i + 1] ?? ''] as const] : []))

suite('the header boundary', () => {
  test("whatever comes in, what goes out is the allowed lines and then exactly the credential's", () => {
    const known = fc
      .mixedCase(fc.constantFrom(...NEVER, ...ALLOWED))
      .chain((name) => fc.boolean().map((fold) => (fold ? name.replaceAll('-', '_') : name)))
    const name = fc.oneof({ weight: 4, arbitrary: known }, fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20}$/))
    const value = fc.oneof(
      fc.stringMatching(/^[\x21-\x7e]{0,20}$/),
      fc.constantFrom('Authorization', 'close, Impersonate-User', 'Bearer stolen'),
    )
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value), { maxLength: 30 }), fc.constantFrom(...credentials), (incoming, credential) => {
        const out = linesOf(outboundHeaders(incoming.flat(), credential))
        const dressed = present(credential)
        assert.deepEqual(out.slice(out.length - dressed.length), dressed)
        const passed = out.slice(0, out.length - dressed.length)
        for (const [header] of passed) {
          assert.ok(!NEVER.includes(header.toLowerCase()), header)
          assert.doesNotMatch(header, /_|^impersonate|^authorization/i)
        }
        const again = [...incoming]
        for (const [header, content] of passed) {
          const at = again.findIndex(([h, v]) => h === header && v === content)
          assert.notEqual(at, -1, 'a line that nobody sent')
          again.splice(0, at + 1)
        }
        assert.equal(out.filter(([header]) => header.toLowerCase() === 'authorization').length, credential.kind === 'identity' ? 0 : 1)
      }),
      { numRuns: 5_000 },
    )
  })

  test('what clients of the API server say passes as it came, in its order', () => {
    const lines = [
      'Accept',
      'Accept-Encoding',
      'accept-language',
      'Content-Type',
      'Content-Length',
      'Content-Encoding',
      'User-Agent',
      'If-None-Match',
      'If-Match',
      'If-Modified-Since',
      'Kubectl-Command',
      'Kubectl-Session',
      'traceparent',
      'tracestate',
      'X-Stream-Protocol-Version',
    ].flatMap((name, at) => [name, `value ${at}`])
    assert.deepEqual(outboundHeaders(lines, bearer), [...lines, ...present(bearer).flat()])
  })

  test('a change of protocol is asked for without what belongs to a body, in our words', () => {
    const asked = { protocol: 'websocket', subprotocols: ['v5.channel.k8s.io', 'v4.channel.k8s.io'] }
    const own = ['Sec-WebSocket-Key', 'k', 'sec-websocket-version', '13', 'Origin', 'https://x.example', 'X-Stream-Protocol-Version', 'v4']
    const others = ['Content-Type', 'a/b', 'Content-Length', '1', 'Content-Encoding', 'gzip', 'Upgrade', 'h2c', 'Connection', 'Cookie']
    const hidden = ['Sec-WebSocket-Protocol', 'base64url.bearer.authorization.k8s.io.x', 'Sec-WebSocket-Extensions', 'x']
    const ours = ['Connection', 'Upgrade', 'Upgrade', 'websocket', 'Sec-WebSocket-Protocol', 'v5.channel.k8s.io, v4.channel.k8s.io']
    const dressed = present(bearer).flat()
    assert.deepEqual(outboundHeaders([...own, ...others, ...hidden], bearer, asked), [...own, ...ours, ...dressed])
    assert.deepEqual(outboundHeaders([], bearer, { protocol: 'SPDY/3.1', subprotocols: [] }), [
      ...['Connection', 'Upgrade', 'Upgrade', 'SPDY/3.1'],
      ...dressed,
    ])
    // A handshake that nobody asks for is none.
    assert.deepEqual(outboundHeaders(own.slice(0, 6), bearer), dressed)
  })

  test('of the answer to that, what says more than its protocol passes, and nothing else', () => {
    const said = [
      ['Sec-WebSocket-Accept', 'x'],
      ['sec-websocket-protocol', 'v5.channel.k8s.io'],
      ['X-Stream-Protocol-Version', 'v4'],
      ['Audit-ID', 'a'],
    ] as const
    const more = [
      ['Connection', 'close'],
      ['Upgrade', 'h2c'],
      ['Set-Cookie', 'a=b'],
      ['Sec-WebSocket-Extensions', 'x'],
      ['X-Stream-Protocol-Version', 'a\x01'],
    ] as const
    assert.deepEqual(switchedHeaders([...said, ...more], { protocol: 'websocket', subprotocols: [] }), [
      ['Connection', 'Upgrade'],
      ['Upgrade', 'websocket'],
      ...said,
    ])
  })

  test('what the API server answers passes as it came, in its order', () => {
    const lines = [
      'Content-Type',
      'Content-Length',
      'content-encoding',
      'ETag',
      'Last-Modified',
      'Expires',
      'Vary',
      'Date',
      'Retry-After',
      'Warning',
      'Audit-Id',
      'X-Kubernetes-Pf-Flowschema-Uid',
      'X-Kubernetes-Pf-Prioritylevel-Uid',
      'Allow',
    ].map((name, at) => [name, `value ${at}`] as const)
    assert.deepEqual(inboundHeaders(lines, '/clusters/prod'), [...lines, ['Cache-Control', 'no-cache, private']])
  })

  test('of two lines that could each be believed only the first passes; a warning is one of several', () => {
    for (const name of ['Content-Type', 'Content-Length', 'Content-Encoding', 'Date', 'ETag', 'Last-Modified', 'Expires'])
      assert.deepEqual(
        inboundHeaders(
          [
            [name, 'one'],
            [name.toLowerCase(), 'two'],
          ],
          '',
        ).slice(0, -1),
        [[name, 'one']],
        name,
      )
    assert.deepEqual(
      inboundHeaders(
        [
          ['Location', '/a'],
          ['location', '/b'],
          ['Cache-Control', 'no-store'],
          ['cache-control', 'max-age=9'],
          ['Warning', '1'],
          ['Warning', '2'],
        ],
        '',
      ),
      [
        ['Location', '/a'],
        ['Cache-Control', 'no-store, private'],
        ['Warning', '1'],
        ['Warning', '2'],
      ],
    )
  })

  test('groups and extras of an impersonation are lines of their own', () => {
    const out = linesOf(outboundHeaders([], impersonation))
    assert.deepEqual(
      out.filter(([name]) => name === 'Impersonate-Group'),
      [
        ['Impersonate-Group', 'corp:a'],
        ['Impersonate-Group', 'corp:b'],
      ],
    )
  })

  test('an answer brings neither cookies nor hop-by-hop headers nor anything else that is not known', () => {
    const lines = [
      'set-cookie',
      'connection',
      'transfer-encoding',
      'keep-alive',
      'upgrade',
      'www-authenticate',
      'clear-site-data',
      'access-control-allow-origin',
      'content-security-policy',
      'strict-transport-security',
      'refresh',
      'link',
      'server',
      'trailer',
      'x-anything',
    ].map((name) => [name, 'x'] as const)
    assert.deepEqual(inboundHeaders(lines, '/clusters/prod'), [['Cache-Control', 'no-cache, private']])
  })

  for (const [location, passed] of [
    ['/api/v1/pods', '/clusters/prod/api/v1/pods'],
    ['https://evil.example/', undefined],
    ['//evil.example/', undefined],
    ['/\\evil.example', undefined],
    ['relative', undefined],
    ['http:evil.example', undefined],
  ] as const) {
    test(`a Location of ${location} ${passed === undefined ? 'is dropped' : 'leads below the mount'}`, () => {
      const found = inboundHeaders([['Location', location]], '/clusters/prod').find(([name]) => name === 'Location')?.[1]
      assert.equal(found, passed)
    })
  }

  for (const [said, passed] of [
    ['no-cache, private', 'no-cache, private'],
    ['public, max-age=60', 'max-age=60, private'],
    ['s-maxage=9,immutable', 'immutable, private'],
    ['PUBLIC', 'private'],
    ['no-store', 'no-store, private'],
  ] as const) {
    test(`no store may keep for others what says "${said}"`, () => {
      assert.deepEqual(inboundHeaders([['Cache-Control', said]], ''), [['Cache-Control', passed]])
    })
  }

  test('a value that Node would not send is dropped with its line', () => {
    assert.deepEqual(
      inboundHeaders(
        [
          ['Warning', 'a\x01b'],
          ['Warning', '299 - "\xe9"'],
          ['Cache-Control', 'private'],
        ],
        '',
      ),
      [
        ['Warning', '299 - "\xe9"'],
        ['Cache-Control', 'private'],
      ],
    )
  })
})
