import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { misspelled, refuseUnpassable } from './forward-auth-caller.ts'
import { readHead } from './request-head.ts'

const pass = (...lines: string[]) => refuseUnpassable(readHead(lines))
const BEARER = 'base64url.bearer.authorization.k8s.io.c2VjcmV0'

describe('a request that a proxy would pass is refused', () => {
  const refuses = (what: string, code: string, ...lines: string[]) => void test(what, () => assert.throws(() => pass(...lines), { code }))

  for (const protocol of ['h2c', 'H2C', 'h2', 'spdy/3.1', 'TLS/1.0', 'other', '', 'websocket, h2c', 'h2c, websocket', 'websocket/13'])
    refuses(`that changes to ${JSON.stringify(protocol)}`, 'question_unclear', 'Connection', 'Upgrade', 'Upgrade', protocol)
  refuses('that could change to HTTP/2', 'question_unclear', 'HTTP2-Settings', 'AAMAAABkAAQCAAAAAAIAAAAA')
  refuses('that could, beside a WebSocket', 'question_unclear', 'Upgrade', 'websocket', 'http2-settings', '')
  for (const named of ['X-Mandate-Subject', 'close, x-mandate-subject', 'Upgrade, X-Custom-User', 'Cookie', 'Authorization', 'upgrade x'])
    refuses(`whose Connection says ${named}`, 'question_unclear', 'Connection', named)
  refuses('whose second Connection names a header', 'question_unclear', 'Connection', 'Upgrade', 'connection', 'X-Mandate-Kind')
  for (const offered of [BEARER, `chat, ${BEARER}`, `${BEARER},chat`, BEARER.toUpperCase(), `chat ,\t${BEARER}`]) {
    refuses(`with the bearer among ${offered}`, 'authorization_malformed', 'Upgrade', 'websocket', 'Sec-WebSocket-Protocol', offered)
    refuses(`with the bearer among ${offered} and no Upgrade`, 'authorization_malformed', 'Sec-WebSocket-Protocol', offered)
  }
})

describe('a name that may be read as another is refused', () => {
  const WITHHELD = new Set(['x-custom-user'])
  for (const sign of "_.!#$%&'*+^`|~")
    test(`spelled with ${sign}`, () => {
      for (const name of ['X-Mandate-Subject', 'x-m2m-client-id', 'X-Custom-User', 'Remote-User', 'X-Forwarded-User', 'HTTP2-Settings'])
        for (const alias of [name.replaceAll('-', sign), name.replace('-', sign)])
          assert.equal(misspelled([alias, 'x'], WITHHELD)?.code, 'question_unclear', alias)
    })
  test('wherever it stands', () => {
    assert.equal(misspelled(['Accept', '*/*', 'X_Mandate_Actor', 'x'], undefined)?.code, 'question_unclear')
  })
})

describe('what a proxy passes', () => {
  test('may open a WebSocket, and keep or close its connection', () => {
    for (const lines of [
      [],
      ['Connection', 'close'],
      ['Connection', 'Keep-Alive'],
      ['Connection', 'keep-alive, Upgrade', 'Upgrade', 'WebSocket', 'Sec-WebSocket-Protocol', 'chat, v2.bearer'],
      ['Connection', 'TE', 'TE', 'trailers'],
    ])
      assert.doesNotThrow(() => pass(...lines))
  })
  test('may say with hyphens what the proxy replaces, and have names of its own', () => {
    const lines = ['X-Mandate-Subject', 'a', 'X-Custom-User', 'a', 'X_Own', 'a', 'Own.Name', 'a', 'x_user_agent', 'a']
    assert.equal(misspelled(lines, new Set(['x-custom-user'])), undefined)
  })
})
