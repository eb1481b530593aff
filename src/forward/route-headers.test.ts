import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { Credential, HeaderLine } from '../credential.ts'
import { inboundRouteHeaders, outboundRouteHeaders } from './route-headers.ts'

const ARRIVAL = { address: '192.0.2.7', protocol: 'https', host: 'app.example', requestId: 'r-1' }
const IDENTITY: Credential = { kind: 'identity', lines: [['X-Mandate-Subject', 'alice']], expiresAt: 1 }
const OURS = [
  ...['X-Forwarded-For', '192.0.2.7', 'X-Forwarded-Proto', 'https', 'X-Forwarded-Host', 'app.example', 'X-Request-Id', 'r-1'],
  ...['X-Mandate-Subject', 'alice'],
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
    'Authorization',
    'authorization',
    'Proxy-Authorization',
    'Proxy-Connection',
    'Host',
    'Forwarded',
    'X-Forwarded-For',
    'x-forwarded-host',
    'X-Forwarded-User',
    'X_Forwarded_For',
    'X-Real-IP',
    'X_Real_IP',
    'X-Request-Id',
    'Remote-User',
    'X-Remote-User',
    'X-Auth-Request-Email',
    'X-Original-URL',
    'X-Rewrite-Url',
    'Some_Name',
    'Connection',
    'Keep-Alive',
    'TE',
    'Trailer',
    'Transfer-Encoding',
    'Upgrade',
    'Expect',
    'HTTP2-Settings',
  ]) {
    test(name, () => assert.deepEqual(passed([name, 'x'], ['Accept', 'a/b']), [['Accept', 'a/b']]))
  }

  test('what Connection names, in whatever case and on whichever line', () => {
    assert.deepEqual(
      passed(['Connection', 'close, X-Secret'], ['connection', 'x-other'], ['x-SECRET', '1'], ['X-Other', '2'], ['X-Third', '3']),
      [['X-Third', '3']],
    )
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

test('everything else passes as it came, in its order', () => {
  const lines: Array<[string, string]> = [
    ['accept', '*/*'],
    ['Content-Type', 'text/plain'],
    ['Content-Length', '4'],
    ['X-Custom', 'one'],
    ['X-Custom', 'two'],
    ['Range', 'bytes=0-1'],
    ['Origin', 'https://app.example'],
    ['Sec-Fetch-Site', 'same-origin'],
    ['traceparent', '00-1'],
    ['Cookie', 'a=1; b=2'],
  ]
  assert.deepEqual(passed(...lines), lines)
})

describe('of what the service answers', () => {
  const back = (...lines: HeaderLine[]) => inboundRouteHeaders(lines, 'http://app.svc:8080', 'https://app.example')
  const PRIVATE: HeaderLine = ['Cache-Control', 'private']

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
  ])
    test(`${name} is dropped`, () => assert.deepEqual(back([name, 'x']), [PRIVATE]))

  test('what Connection names is dropped', () => {
    assert.deepEqual(back(['Connection', 'X-Hop'], ['x-hop', '1'], ['X-End', '2']), [['X-End', '2'], PRIVATE])
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
      assert.deepEqual(back(['Set-Cookie', value]), [PRIVATE], value)
    const own: HeaderLine[] = [
      ['Set-Cookie', 'sid=1; Path=/; HttpOnly'],
      ['Set-Cookie', 'domain=2; Secure'],
    ]
    assert.deepEqual(back(...own), [...own, PRIVATE])
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
  ] as const) {
    test(`Location ${location} leads to ${becomes}`, () => assert.deepEqual(back(['Location', location]), [['Location', becomes], PRIVATE]))
  }

  for (const [said, becomes] of [
    ['public, max-age=60', 'max-age=60, private'],
    ['s-maxage=60', 'private'],
    ['no-store', 'no-store, private'],
    ['No-Store, max-age=0', 'No-Store, max-age=0, private'],
    ['private', 'private'],
  ] as const) {
    test(`Cache-Control ${said} becomes ${becomes}`, () => assert.deepEqual(back(['Cache-Control', said]), [['Cache-Control', becomes]]))
  }

  test('of two lines that could each be believed the first passes, and none that could not be written', () => {
    assert.deepEqual(back(['Content-Type', 'text/plain'], ['content-type', 'text/html'], ['X-A', 'a\u0000b'], ['X-B', 'é']), [
      ['Content-Type', 'text/plain'],
      ['X-B', 'é'],
      PRIVATE,
    ])
  })
})
