import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { Credential, HeaderLine } from '../credential.ts'
import { inboundRouteHeaders, outboundRouteHeaders, switchedRouteHeaders } from './route-headers.ts'

const ORIGINS = new Set(['http://app.svc:8080', 'http://app-2.svc:8080'])
const ARRIVAL = { address: '192.0.2.7', protocol: 'https', host: 'app.example', requestId: 'r-1' }
const IDENTITY: Credential = { kind: 'identity', lines: [['X-Mandate-Subject', 'alice']], expiresAt: 1 }
const OURS = [
  ...['X-Forwarded-For', '192.0.2.7', 'X-Forwarded-Proto', 'https', 'X-Forwarded-Host', 'app.example', 'X-Request-Id', 'r-1'],
  ...['X-Mandate-Subject', 'alice'],
]

/** By which other proxies say who asks, from where, or what else is meant. */
const OF_OTHER_PROXIES = [
  ...['Forwarded', 'X-Forwarded-For', 'x-forwarded-host', 'X-Forwarded-User', 'X-Forwarded-Client-Cert', 'X-Forwarded', 'Forwarded-For'],
  ...['X-Real-IP', 'True-Client-IP', 'CF-Connecting-IP', 'X-Client-IP', 'Client-IP', 'X-Cluster-Client-IP', 'Fastly-Client-IP'],
  ...['X-Originating-IP', 'X-Azure-ClientIP', 'X-Envoy-External-Address', 'X-Envoy-Peer-Metadata', 'X-Trusted-Proxy', 'X-Request-Id'],
  ...['X-Original-URL', 'X-Original-Host', 'X-Original-Method', 'X-Rewrite-Url', 'X-Rewrite-Uri', 'X-Override-URL', 'X-Host'],
  ...['X-Envoy-Original-Path', 'X-Accel-Internal', 'X-HTTP-Host-Override'],
  ...['X-HTTP-Method', 'X-HTTP-Method-Override', 'X-Method-Override'],
  ...['Remote-User', 'X-Remote-User', 'X-Proxy-User', 'X-Auth-Request-Email', 'X-Auth-User', 'X-Auth-Token', 'X-Authenticated-User'],
  ...['X-Authenticated', 'X-WebAuth-User', 'X-Impersonate-User', 'X-User', 'X-User-Id', 'X-Username', 'X-Userinfo', 'X-Email', 'X-Groups'],
  ...['X-Roles', 'X-JWT-Assertion', 'X-Access-Token', 'X-Id-Token', 'X-Token-Subject', 'X-Scope-OrgID', 'X-Consumer-Username'],
  ...['X-Credential-Identifier', 'X-Anonymous-Consumer', 'OIDC-CLAIM-sub', 'SM-USER', 'SMUSER', 'iv-user', 'kubeflow-userid'],
  ...['Client-Cert', 'Client-Cert-Chain', 'X-Client-Cert', 'X-SSL-Cert', 'X-SSL-Client', 'SSL-Client-Cert', 'X-TLS-Client-Cert'],
  ...['X-ARR-ClientCert', 'X-Amzn-Mtls-Clientcert-Subject', 'X-Amzn-Oidc-Data', 'X-Amzn-Request-Context'],
  ...['X-Goog-Authenticated-User-Email', 'X-Goog-Iap-Jwt-Assertion', 'X-Apigateway-Api-Userinfo', 'X-Endpoint-API-UserInfo'],
  ...['X-MS-Client-Principal', 'X-MS-TOKEN-AAD-ID-TOKEN', 'Cf-Access-Jwt-Assertion', 'Tailscale-User-Login'],
  ...['X-Pomerium-Jwt-Assertion', 'X-authentik-username', 'X-Vouch-User', 'X-GitLab-User'],
]

/** Ordinary ones, some of which begin like one of those. */
const ORDINARY = [
  ...[
    'Accept',
    'Accept-Charset',
    'Accept-Encoding',
    'Accept-Language',
    'Accept-CH',
    'Cache-Control',
    'Pragma',
    'Priority',
    'Prefer',
    'DNT',
  ],
  ...['Content-Type', 'Content-Length', 'Content-Encoding', 'Content-Language', 'Content-Disposition', 'Content-Range', 'Content-MD5'],
  ...['If-Match', 'If-None-Match', 'If-Modified-Since', 'If-Unmodified-Since', 'If-Range', 'If', 'Range', 'Last-Event-ID', 'Save-Data'],
  ...['Origin', 'Referer', 'User-Agent', 'X-User-Agent', 'Via', 'Date', 'From', 'Max-Forwards', 'Upgrade-Insecure-Requests'],
  ...['Access-Control-Request-Method', 'Access-Control-Request-Headers', 'Sec-Fetch-Site', 'Sec-CH-UA', 'Sec-GPC'],
  ...[
    'X-Requested-With',
    'X-CSRF-Token',
    'X-CSRFToken',
    'X-XSRF-TOKEN',
    'Idempotency-Key',
    'X-Correlation-Id',
    'X-Api-Key',
    'X-Api-Version',
  ],
  ...[
    'traceparent',
    'tracestate',
    'baggage',
    'b3',
    'X-B3-TraceId',
    'X-Amzn-Trace-Id',
    'X-Cloud-Trace-Context',
    'sentry-trace',
    'uber-trace-id',
  ],
  ...['Depth', 'Destination', 'Overwrite', 'Lock-Token', 'Tus-Resumable', 'Upload-Offset', 'Digest', 'Signature', 'Signature-Input'],
  ...['HX-Request', 'X-Inertia', 'Turbo-Frame', 'Apollo-Require-Preflight', 'Connect-Protocol-Version', 'Grpc-Timeout', 'X-Grpc-Web'],
  ...[
    'X-Hub-Signature-256',
    'X-GitHub-Event',
    'Stripe-Signature',
    'X-Amz-Date',
    'x-ms-date',
    'x-ms-client-request-id',
    'X-Goog-Api-Client',
  ],
  ...['X-Client-Version', 'X-Timezone', 'X-Grafana-Org-Id', 'X-Origin', 'X-Token', 'SOAPAction', 'MCP-Session-Id'],
]

/** What of these lines reaches the service, without ours. */
function passed(...lines: ReadonlyArray<readonly [string, string]>): Array<[string, string]> {
  const out = outboundRouteHeaders(lines.flat(), ARRIVAL, IDENTITY)
  assert.deepEqual(out.slice(-OURS.length), OURS)
  const own = out.slice(0, -OURS.length)
  return own.flatMap((name, at) => (at % 2 === 0 ? [[name, own[at + 1] ?? ''] as [string, string]] : []))
}

describe('of what a caller sends, the service never gets', () => {
  for (const name of [
    'X-Mandate-Subject',
    'x-mandate-subject',
    'X-MANDATE-GROUPS',
    'X_Mandate_Subject',
    'X-Mandate_Email',
    'X.Mandate.Subject',
    'x~mandate+subject',
    'x-mandate-anything',
    'X-Mandate',
    'Authorization',
    'authorization',
    'Proxy-Authorization',
    'Proxy-Connection',
    'Host',
    'Some_Name',
    'Connection',
    'Keep-Alive',
    'TE',
    'Trailer',
    'Transfer-Encoding',
    'Upgrade',
    'Expect',
    'HTTP2-Settings',
    'Sec-WebSocket-Protocol',
    'Sec-WebSocket-Key',
    ...OF_OTHER_PROXIES,
  ]) {
    test(name, () => {
      assert.deepEqual(passed([name, 'x'], ['Accept', 'a/b']), [['Accept', 'a/b']])
      assert.deepEqual(passed([name.toUpperCase(), 'x'], [name.replaceAll('-', '.'), 'x'], [name.replaceAll('-', '_'), 'x']), [])
    })
  }

  test('what its route withholds, in any spelling; another route passes it', () => {
    const lines = ['X-Remote-Login', 'x', 'x-remote-LOGIN', 'x', 'Login.As', 'x', 'Accept', 'a/b']
    const withheld = new Set(['x-remote-login', 'login-as'])
    assert.deepEqual(outboundRouteHeaders(lines, { ...ARRIVAL, withheld }, IDENTITY), ['Accept', 'a/b', ...OURS])
    assert.deepEqual(outboundRouteHeaders(['Login.As', 'x'], ARRIVAL, IDENTITY), ['Login.As', 'x', ...OURS])
  })

  test('what Connection names, in whatever case and on whichever line', () => {
    assert.deepEqual(
      passed(['Connection', 'close, X-Secret'], ['connection', 'x-other'], ['x-SECRET', '1'], ['X-Other', '2'], ['X-Third', '3']),
      [['X-Third', '3']],
    )
    // A name that is as long says nothing about the connection.
    assert.deepEqual(passed(['User-Agent', 'X-Other'], ['X-Other', '2']), [
      ['User-Agent', 'X-Other'],
      ['X-Other', '2'],
    ])
  })

  test('our cookies, wherever they stand; others keep their order and their bytes', () => {
    for (const [sent, left] of [
      ['__Host-mandate=v', undefined],
      ['__Host-mandate-browser=v; __Host-mandate=v', undefined],
      ['mandate-8080=v', undefined],
      ['mandate-browser-8080=v', undefined],
      ['a=1; __Host-mandate=v; b="2 3"', 'a=1; b="2 3"'],
      ['__Host-mandate=v;a=1', 'a=1'],
      ['a=1;  mandate-80=v', 'a=1'],
      ['__host-MANDATE=v; a=1', 'a=1'],
      ['=__Host-mandate=v; a=1', 'a=1'],
      ['__Host-mandate', undefined],
      ['mandate=1; mandate-x=2; x-mandate-80=3; a=__Host-mandate', 'mandate=1; mandate-x=2; x-mandate-80=3; a=__Host-mandate'],
    ] as const)
      assert.deepEqual(passed(['Cookie', sent]), left === undefined ? [] : [['Cookie', left]], sent)
  })

  test('anything twice that says who asks, however it is made up', () => {
    const name = fc.mixedCase(
      fc.constantFrom('x-mandate-subject', 'x-mandate-groups', 'authorization', 'x-forwarded-for', 'forwarded', 'connection'),
    )
    const spelled = name.chain((header) => fc.boolean().map((fold) => (fold ? header.replaceAll('-', '_') : header)))
    const value = fc.constantFrom('admin', 'X-Mandate-Subject', 'x-mandate-subject, x-request-id, x-forwarded-for')
    fc.assert(
      fc.property(fc.array(fc.tuple(spelled, value), { maxLength: 8 }), (lines) => assert.deepEqual(passed(...lines), [])),
      { numRuns: 300 },
    )
  })
})

test('ordinary headers pass, however they are spelled', () => {
  for (const name of ORDINARY.flatMap((each) => [each, each.toLowerCase()])) assert.deepEqual(passed([name, 'x']), [[name, 'x']])
})

test('everything else passes as it came, in its order', () => {
  const lines: Array<[string, string]> = [
    ['accept', '*/*'],
    ['Content-Type', 'text/plain'],
    ['Content-Length', '4'],
    ['X-Custom', 'one'],
    ['X-Custom', 'two'],
    ['X-Empty', ''],
    ['Range', 'bytes=0-1'],
    ['Origin', 'https://app.example'],
    ['Sec-Fetch-Site', 'same-origin'],
    ['traceparent', '00-1'],
    ['Cookie', 'a=1; b=2'],
  ]
  assert.deepEqual(passed(...lines), lines)
})

test('what describes the body passes whatever Connection names: it would be framed or read as another than was sent', () => {
  const described: Array<[string, string]> = [
    ['Content-Length', '3'],
    ['Content-Type', 'application/json'],
    ['content-encoding', 'gzip'],
    ['Content-Range', 'bytes 0-2/9'],
    ['Cache-Control', 'no-store'],
  ]
  const named = described.map(([name]) => name).join(', ')
  assert.deepEqual(passed(['Connection', `${named}, X-Hop`], ...described, ['X-Hop', '1']), described)
})

describe('of what the service answers', () => {
  const back = (...lines: HeaderLine[]) => inboundRouteHeaders(lines, ORIGINS, 'https://app.example', 200)
  const VARY: HeaderLine = ['Vary', 'Service-Worker']
  const ENDS: readonly HeaderLine[] = [['Cache-Control', 'private'], VARY]

  for (const name of [
    'Connection',
    'Keep-Alive',
    'Transfer-Encoding',
    'Trailer',
    'Upgrade',
    'Proxy-Authenticate',
    'X-Mandate-Subject',
    'Alt-Svc',
    'Clear-Site-Data',
    'Service-Worker-Allowed',
    'SERVICE-WORKER-ALLOWED',
    'NEL',
    'Report-To',
    'Reporting-Endpoints',
    'CDN-Cache-Control',
    'Cloudflare-CDN-Cache-Control',
    'Edge-Control',
    'Surrogate-Control',
    'Surrogate-Key',
    'X-Accel-Redirect',
    'X-Accel-Expires',
    'X-Sendfile',
    'X-Lighttpd-Send-File',
    'X-LiteSpeed-Location',
  ])
    test(`${name} is dropped`, () => assert.deepEqual(back([name, 'x']), ENDS))

  test('Strict-Transport-Security is dropped when it speaks for other hosts, in whatever spelling', () => {
    for (const value of ['max-age=9; includeSubDomains', 'max-age=9;INCLUDESUBDOMAINS; preload', 'includeSubDomains ; max-age=9'])
      assert.deepEqual(back(['Strict-Transport-Security', value]), ENDS, value)
    assert.deepEqual(back(['Strict-Transport-Security', 'max-age=9']), [['Strict-Transport-Security', 'max-age=9'], ...ENDS])
    assert.deepEqual(back(['X-Policy', 'includeSubDomains']), [['X-Policy', 'includeSubDomains'], ...ENDS])
  })

  test('a length is dropped of what has none', () => {
    const of = (status: number) => inboundRouteHeaders([['Content-Length', '5']], ORIGINS, 'https://app.example', status)
    assert.deepEqual(of(204), ENDS)
    for (const status of [200, 206, 304]) assert.deepEqual(of(status), [['Content-Length', '5'], ...ENDS])
  })

  test('what Connection names is dropped', () => {
    assert.deepEqual(back(['Connection', 'X-Hop'], ['x-hop', '1'], ['X-End', '2']), [['X-End', '2'], ...ENDS])
  })

  test('what Connection names is kept where it describes the answer', () => {
    const described: HeaderLine[] = [
      ['Content-Encoding', 'gzip'],
      ['Content-Type', 'text/plain'],
      ['Content-Security-Policy', 'sandbox'],
      ['Cache-Control', 'no-store, private'],
    ]
    const named = described.map(([name]) => name).join(',')
    assert.deepEqual(back(['Connection', named], ...described), [...described, VARY])
  })

  test('a cookie under a name of ours, or for other hosts, is dropped; its own pass, each on its line', () => {
    for (const value of [
      '__Host-mandate=x; Path=/; Secure',
      '__host-mandate-browser=x',
      ' mandate-443=x',
      'mandate-browser-8080=x',
      '=__Host-mandate=x',
      'a=1; Domain=example',
      'a=1; Path=/; domain = .example',
      'a=1;DOMAIN',
    ])
      assert.deepEqual(back(['Set-Cookie', value]), ENDS, value)
    const own: HeaderLine[] = [
      ['Set-Cookie', 'sid=1; Path=/; HttpOnly'],
      ['Set-Cookie', 'domain=2; Secure'],
    ]
    assert.deepEqual(back(...own), [...own, ...ENDS])
  })

  for (const [location, becomes] of [
    ['/next?x#y', '/next?x#y'],
    ['next', 'next'],
    ['http://app.svc:8080/next?x=1#y', 'https://app.example/next?x=1#y'],
    ['HTTP://APP.SVC:8080', 'https://app.example/'],
    ['https://app.svc:8080/next', 'https://app.svc:8080/next'],
    ['http://app.svc/next', 'http://app.svc/next'],
    ['http://app.svc:8080@evil.example/', 'http://app.svc:8080@evil.example/'],
    ['https://elsewhere.example/', 'https://elsewhere.example/'],
    ['http://[', 'http://['],
    ['blob:http://app.svc:8080/x', 'blob:http://app.svc:8080/x'],
  ] as const) {
    test(`Location ${location} leads to ${becomes}`, () => assert.deepEqual(back(['Location', location]), [['Location', becomes], ...ENDS]))
  }

  for (const [said, becomes] of [
    ['public, max-age=60', 'max-age=60, private'],
    ['s-maxage=60', 'private'],
    ['no-store', 'no-store, private'],
    ['No-Store, max-age=0', 'No-Store, max-age=0, private'],
    ['private', 'private'],
  ] as const) {
    test(`Cache-Control ${said} becomes ${becomes}`, () =>
      assert.deepEqual(back(['Cache-Control', said]), [['Cache-Control', becomes], VARY]))
  }

  test('a script in a cache is no service worker: what varies otherwise goes on to', () => {
    assert.deepEqual(back(['Vary', 'Accept'], ['Cache-Control', 'max-age=9']), [
      ['Vary', 'Accept'],
      ['Cache-Control', 'max-age=9, private'],
      VARY,
    ])
  })

  test('of two lines that could each be believed the first passes, and none that could not be written', () => {
    assert.deepEqual(back(['Content-Type', 'text/plain'], ['content-type', 'text/html'], ['X-A', 'a\u0000b'], ['X-B', 'é']), [
      ['Content-Type', 'text/plain'],
      ['X-B', 'é'],
      ...ENDS,
    ])
  })
})

describe('of what the service answers to a handshake', () => {
  const SWITCHED: readonly HeaderLine[] = [
    ['Connection', 'Upgrade'],
    ['Upgrade', 'websocket'],
  ]

  for (const [name, value] of [
    ['Connection', 'X-Hop'],
    ['Upgrade', 'h2c'],
    ['X-Mandate-Subject', 'admin'],
    ['X-Custom', 'x'],
    ['Set-Cookie', 'a=1; Domain=example'],
    ['Set-Cookie', '__Host-mandate=x'],
    ['Sec-WebSocket-Accept', 'a\u0000b'],
    ['Sec-WebSocket-Protocol', 'a\r\nX-Custom: b'],
  ] as const)
    test(`${name}: ${JSON.stringify(value)} is dropped`, () => assert.deepEqual(switchedRouteHeaders([[name, value]]), SWITCHED))

  test('the handshake itself passes, and its own cookies', () => {
    const lines: readonly HeaderLine[] = [
      ['Sec-WebSocket-Accept', 'x'],
      ['sec-websocket-protocol', 'chat'],
      ['Sec-WebSocket-Extensions', 'permessage-deflate'],
      ['Set-Cookie', 'sid=1; Path=/'],
    ]
    assert.deepEqual(switchedRouteHeaders(lines), [...SWITCHED, ...lines])
  })
})
