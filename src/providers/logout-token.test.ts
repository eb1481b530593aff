import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createFakeClock } from '../clock.fake.ts'
import { Refusal } from '../errors.ts'
import { Secret } from '../secret.ts'
import { createVerifyLogoutToken } from './logout-token.ts'
import { assertRefused, mint, signKey } from './stage.fake.ts'

const ISSUER = 'https://issuer.example'
const EVENTS = { 'http://schemas.openid.net/event/backchannel-logout': {} }

function stage() {
  const clock = createFakeClock()
  const key = signKey('ES256', 'one')
  const verify = createVerifyLogoutToken(
    { issuer: ISSUER, clientId: 'web', algorithms: ['ES256'] },
    { keys: { find: async () => key.publicKey }, clock },
  )
  const now = clock.now() / 1000
  const token = (changes: object = {}, header: object = {}) =>
    new Secret(
      mint(
        key,
        { iss: ISSUER, aud: 'web', sub: 'user-ada', sid: 's1', jti: 'j1', iat: now, exp: now + 120, events: EVENTS, ...changes },
        { typ: 'logout+jwt', ...header },
      ),
    )
  return { clock, key, verify, token, now }
}

test('what is not a logout token for this client is refused', async () => {
  const { verify, token, now } = stage()
  const faults: Record<string, Secret> = {
    'without events': token({ events: undefined }),
    'with other events': token({ events: { 'https://other': {} } }),
    'with an event that is no object': token({ events: { 'http://schemas.openid.net/event/backchannel-logout': true } }),
    'with events of the prototype': token({ events: [] }),
    'with a nonce': token({ nonce: 'n' }),
    'with a null nonce': token({ nonce: null }),
    'without jti': token({ jti: undefined }),
    'with an empty jti': token({ jti: '' }),
    'without sub and sid': token({ sub: undefined, sid: undefined }),
    'with a sid that is no text': token({ sid: 1 }),
    'of another client': token({ aud: 'other' }),
    'of another issuer': token({ iss: 'https://evil.example' }),
    expired: token({ iat: now - 300, exp: now - 30 }),
    'from the future': token({ iat: now + 31 }),
    'without iat': token({ iat: undefined }),
    'without exp and too old': token({ exp: undefined, iat: now - 150 }),
    'of the type of an access token': token({}, { typ: 'at+jwt' }),
    'that calls itself an ID token': token({ typ: 'ID' }),
    unsigned: new Secret(`${token().expose().split('.').slice(0, 2).join('.')}.`),
    'that is no token': new Secret('x'),
  }
  for (const [what, fault] of Object.entries(faults)) await assertRefused(verify(fault), 'logout_token_invalid', what)
})

test('keys that cannot be had are an outage, not an invalid token', async () => {
  const { clock, token } = stage()
  const keys = {
    async find(): Promise<never> {
      throw new Refusal('issuer_unavailable')
    },
  }
  const verify = createVerifyLogoutToken({ issuer: ISSUER, clientId: 'web', algorithms: ['ES256'] }, { keys, clock })
  await assertRefused(verify(token()), 'issuer_unavailable')
})

test('a good one names what ended, and how long its jti must be remembered', async () => {
  const { verify, token, now } = stage()
  assert.deepEqual(await verify(token()), { issuer: ISSUER, subject: 'user-ada', sid: 's1', tokenId: 'j1', expiresAt: (now + 150) * 1000 })
  const { subject, sid, expiresAt } = await verify(token({ sub: undefined, exp: undefined, typ: 'Logout' }, { typ: 'JWT' }))
  assert.deepEqual([subject, sid, expiresAt], [undefined, 's1', (now + 150) * 1000])
})
