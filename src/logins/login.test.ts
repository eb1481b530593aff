import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { Principal } from '../principal.ts'
import type { TokenSet } from '../providers/tokens.ts'
import { Secret } from '../secret.ts'
import { randomKey } from '../store/key.ts'
import { createKeyRing, seal } from '../store/sealed.ts'
import { decodeRecord, decodeTokens, encodeRecord, encodeTokens, type LoginRecord } from './login.ts'

const NOW = Date.UTC(2026, 0, 1)

/** What lies in Redis: `<version>:<sealed value>`. */
function stored(kind: string, plain: Uint8Array): number {
  // The longest id that a key may have.
  const ring = createKeyRing([{ id: 'rotated-in-10-26', key: randomKey() }])
  return '12:'.length + seal(ring, { key: 'k'.repeat(43), kind, generation: 12 }, plain).length
}

/** As Entra says it, which is the longest-winded: groups are GUIDs. */
function typicalRecord(groups: number): LoginRecord {
  const subject = randomBytes(32).toString('base64url')
  const name = 'Alexandra Featherstonehaugh'
  const email = 'alexandra.featherstonehaugh@subsidiary.corp.example'
  const principal: Principal = {
    kind: 'person',
    provider: 'entra',
    issuer: `https://login.microsoftonline.com/${randomUUID()}/v2.0`,
    subject,
    groups: Array.from({ length: groups }, () => randomUUID()),
    name,
    email,
    kubernetesUser: subject,
  }
  return {
    principal,
    shown: { sub: subject, name, preferred_username: email, email, groups: [...principal.groups] },
    sid: randomUUID(),
    signedInAt: NOW,
    endsAt: NOW + 8 * 3_600_000,
    generation: 12,
    refresh: { state: 'presenting', presenter: randomBytes(12).toString('base64url'), leaseUntil: NOW, since: NOW },
  }
}

function typicalTokens(access: number, id: number, refresh: number): TokenSet {
  const text = (length: number) => new Secret(randomBytes(length).toString('base64url').slice(0, length))
  return {
    accessToken: text(access),
    accessExpiresAt: NOW + 300_000,
    idToken: id === 0 ? undefined : text(id),
    idExpiresAt: id === 0 ? undefined : NOW + 300_000,
    refreshToken: text(refresh),
    obtainedAt: NOW,
  }
}

describe('what a login takes in the store', () => {
  test('its record: at most 1 kB with ten groups of an issuer that names them by GUIDs', () => {
    const bytes = stored('login', encodeRecord(typicalRecord(10)))
    assert.ok(bytes <= 1_024, `${bytes} bytes`)
  })

  test('each further group: its text and three bytes, once', () => {
    const [some, more] = [stored('login', encodeRecord(typicalRecord(10))), stored('login', encodeRecord(typicalRecord(1_010)))]
    assert.ok((more - some) / 1_000 <= 39, `${(more - some) / 1_000} bytes a group`)
  })

  for (const [whose, access, id, refresh] of [
    ['Keycloak', 1_300, 1_100, 700],
    ['Entra', 1_800, 1_200, 1_100],
    ['the embedded issuer', 560, 620, 43],
    ['an issuer of opaque access tokens', 43, 900, 43],
  ] as const) {
    test(`its tokens: at most their raw size and 15 %, with those of ${whose}`, () => {
      const raw = access + id + refresh
      const bytes = stored('tokens', encodeTokens(typicalTokens(access, id, refresh)))
      assert.ok(bytes <= raw * 1.15, `${bytes} bytes for ${raw}, ${Math.round((bytes / raw - 1) * 1_000) / 10} % more`)
    })
  }
})

describe('a login', () => {
  const text = fc.string({ minLength: 1, unit: 'grapheme' })
  const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined })
  const groups = fc.array(text, { maxLength: 5 })
  const record: fc.Arbitrary<LoginRecord> = fc
    .record({
      issuer: fc.webUrl(),
      subject: text,
      groups,
      name: optional(text),
      email: optional(fc.emailAddress()),
      kubernetesUser: optional(text),
      others: fc.dictionary(fc.string(), fc.jsonValue()),
      shows: fc.subarray(['sub', 'groups', 'name', 'email', 'roles', '__proto__', 'constructor']),
      sid: optional(text),
      refresh: fc.oneof(
        fc.record({ state: fc.constant('idle' as const) }),
        fc.record({ state: fc.constant('idle' as const), since: fc.integer() }),
        fc.record({ state: fc.constant('presenting' as const), presenter: fc.uuid(), leaseUntil: fc.integer(), since: fc.integer() }),
        fc.record({ state: fc.constant('unknown' as const), presenter: fc.uuid() }),
        fc.record({ state: fc.constant('refused' as const) }),
      ),
    })
    .map(({ issuer, subject, groups: named, name, email, kubernetesUser, others, shows, sid, refresh }) => {
      const claims: Record<string, unknown> = { sub: subject, groups: [...named], name, email, roles: [...named] }
      const given = shows.filter((claim) => claim.includes('o') || claims[claim] !== undefined)
      return {
        principal: {
          kind: 'person' as const,
          provider: 'corp',
          issuer,
          subject,
          groups: named,
          ...(name === undefined ? {} : { name }),
          ...(email === undefined ? {} : { email }),
          ...(kubernetesUser === undefined ? {} : { kubernetesUser }),
        },
        shown: Object.fromEntries([
          ...Object.entries(others),
          ...given.map((claim) => [claim, Object.hasOwn(claims, claim) ? claims[claim] : 'text'] as const),
        ]),
        sid,
        signedInAt: NOW,
        endsAt: NOW + 1,
        generation: 3,
        refresh,
      }
    })

  test('is read as it was written, whatever the issuer says', () => {
    fc.assert(
      fc.property(record, (written) => {
        assert.deepEqual(JSON.parse(JSON.stringify(decodeRecord(encodeRecord(written)))), JSON.parse(JSON.stringify(written)))
      }),
    )
  })

  test('shows its claims in the order in which the issuer gave them', () => {
    const written = { ...typicalRecord(2), shown: { zebra: 1, groups: ['x'], name: 'Alexandra Featherstonehaugh', alpha: 2 } }
    assert.deepEqual(Object.keys(decodeRecord(encodeRecord(written)).shown), ['zebra', 'groups', 'name', 'alpha'])
  })

  test('cannot be changed by whoever is given it', () => {
    const { principal, shown } = decodeRecord(encodeRecord(typicalRecord(2)))
    for (const one of [principal, principal.groups, shown]) assert.ok(Object.isFrozen(one))
  })

  test('of bytes that are no login is a fault', () => {
    for (const bytes of ['', '{}', 'null', '[]', '{"p":1}']) {
      assert.throws(() => decodeRecord(Buffer.from(bytes)))
      assert.throws(() => decodeTokens(Buffer.from(bytes)))
    }
  })
})

test('tokens are read as they were written', () => {
  for (const tokens of [typicalTokens(10, 20, 30), typicalTokens(10, 0, 30), { ...typicalTokens(10, 20, 30), refreshToken: undefined }]) {
    const read = decodeTokens(encodeTokens(tokens))
    for (const name of ['accessToken', 'idToken', 'refreshToken'] as const) assert.equal(read[name]?.expose(), tokens[name]?.expose())
    for (const name of ['accessExpiresAt', 'idExpiresAt', 'obtainedAt'] as const) assert.equal(read[name], tokens[name])
  }
})
