import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { systemClock } from '../clock.ts'
import { Complaint } from '../complaint.ts'
import { Secret } from '../secret.ts'
import { createMemoryStore } from './memory.ts'
import { withOutage } from './outage.fake.ts'
import { createKeyRing, open, SealBroken, type SealContext, type SealFault, seal, sealedStore } from './sealed.ts'
import { StoreUnavailable } from './store.ts'

const newKey = (id: string) => ({ id, key: new Secret(randomBytes(32).toString('base64')) })
const [january, february] = [newKey('2026-01'), newKey('2026-02')]
const ring = createKeyRing([january])
const text = (value: string) => Buffer.from(value)
const broken = (code: SealFault) => (error: unknown) => error instanceof SealBroken && error.code === code
const context: SealContext = { key: 'digest', kind: 'login', generation: 3 }

describe('a key ring refuses', () => {
  const cases: Array<[string, Array<{ id: string; key: Secret }>, RegExp]> = [
    ['no key at all', [], /at least one/],
    ['an id used twice', [january, { ...february, id: january.id }], /"2026-01": this id is used twice/],
    ['the same key under two ids', [january, { ...january, id: 'copy' }], /"copy": it is the same key as "2026-01"/],
    ['a key that is too short', [{ id: 'a', key: new Secret(randomBytes(16).toString('base64')) }], /"a": expected 32 bytes/],
    ['a key that is too long', [{ id: 'a', key: new Secret(randomBytes(33).toString('base64')) }], /"a": expected 32 bytes/],
    ['a key that is not base64', [{ id: 'a', key: new Secret('not base64!') }], /"a": expected 32 bytes/],
    ['an empty key', [{ id: 'a', key: new Secret('') }], /"a": expected 32 bytes/],
    ['an empty id', [{ ...january, id: '' }], /sealing key 1: the id/],
    ['an id that is too long', [{ ...january, id: 'x'.repeat(17) }], /sealing key 1: the id/],
    ['an id with other characters', [january, { ...february, id: 'ä' }], /sealing key 2: the id/],
  ]
  for (const [what, entries, message] of cases) {
    test(what, () => {
      assert.throws(
        () => createKeyRing(entries),
        (error) => {
          assert.ok(error instanceof Complaint)
          assert.match(error.message, message)
          for (const { key } of entries) assert.ok(key.length === 0 || !inspect(error).includes(key.expose()))
          return true
        },
      )
    })
  }
})

describe('open refuses', () => {
  test('a blob of any other place', () => {
    const unit = fc.string({ unit: 'binary', maxLength: 12 })
    const place = fc.record({ key: unit, kind: unit, generation: fc.integer({ min: 0, max: 4 }) })
    fc.assert(
      fc.property(place, place, fc.uint8Array({ maxLength: 100 }), (one, two, plaintext) => {
        const same = one.key === two.key && one.kind === two.kind && one.generation === two.generation
        const sealed = seal(ring, one, plaintext)
        if (same) assert.deepEqual(Uint8Array.from(open(ring, two, sealed)), plaintext)
        else assert.throws(() => open(ring, two, sealed), broken('not_authentic'))
      }),
      { numRuns: 500 },
    )
  })
  test('a place whose parts run together to the same text', () => {
    const sealed = seal(ring, { key: 'bc', kind: 'a', generation: 1 }, text('v'))
    for (const other of [
      { key: 'c', kind: 'ab' },
      { key: 'abc', kind: '' },
      { key: '', kind: 'abc' },
      { key: 'a', kind: 'bc' },
    ]) {
      assert.throws(() => open(ring, { ...other, generation: 1 }, sealed), broken('not_authentic'))
    }
    assert.throws(
      () => open(ring, { key: '\ud800', kind: 'a', generation: 1 }, seal(ring, { key: '\ud801', kind: 'a', generation: 1 }, text('v'))),
      SealBroken,
    )
    const padded = seal(ring, { key: '\0\0b', kind: 'a', generation: 1 }, text('v'))
    assert.throws(() => open(ring, { key: 'b', kind: 'a\0\0', generation: 1 }, padded), broken('not_authentic'))
  })
  test('a blob with any bit changed, cut or lengthened', () => {
    const sealed = Buffer.from(seal(ring, context, text('a record')))
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const changed = Buffer.from(sealed)
      changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
      assert.throws(() => open(ring, context, changed), SealBroken, `bit ${bit}`)
    }
    for (let length = 0; length < sealed.length; length++) assert.throws(() => open(ring, context, sealed.subarray(0, length)), SealBroken)
    assert.throws(() => open(ring, context, Buffer.concat([sealed, Buffer.alloc(1)])), broken('not_authentic'))
  })
  test('what was never sealed', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => assert.throws(() => open(ring, context, bytes), SealBroken)))
  })
  test('a blob of a key that left the ring, and of another key with its id', () => {
    const sealed = seal(ring, context, text('v'))
    assert.throws(() => open(createKeyRing([february]), context, sealed), broken('key_unknown'))
    assert.throws(() => open(createKeyRing([{ ...february, id: january.id }]), context, sealed), broken('not_authentic'))
  })
  test('a blob whose header names another key of the ring', () => {
    const sealed = Buffer.from(seal(ring, context, text('v')).map((byte) => byte))
    sealed.write(february.id, 2, 'latin1')
    assert.throws(() => open(createKeyRing([january, february]), context, sealed), broken('not_authentic'))
  })
})

describe('a sealed value', () => {
  test('opens again, whatever it holds', () => {
    const place = fc.record({ key: fc.string({ unit: 'binary' }), kind: fc.string(), generation: fc.maxSafeNat() })
    fc.assert(
      fc.property(place, fc.uint8Array({ maxLength: 5000 }), (at, plaintext) => {
        assert.deepEqual(Uint8Array.from(open(ring, at, seal(ring, at, plaintext))), plaintext)
      }),
    )
  })
  test('costs 30 bytes and its key id', () => {
    for (const length of [0, 1, 1000, 65_536])
      assert.equal(seal(ring, context, randomBytes(length)).length, length + 30 + january.id.length)
  })
  test('is never the same twice and shows nothing of what it holds', () => {
    const one = Buffer.from(seal(ring, context, text('a secret record')))
    const two = Buffer.from(seal(ring, context, text('a secret record')))
    assert.ok(!one.equals(two))
    assert.ok(!one.toString('latin1').includes('secret'))
  })
  test('opens under an older key of the ring while new ones use the first', () => {
    const old = seal(ring, context, text('old'))
    const rotated = createKeyRing([february, january])
    assert.equal(Buffer.from(open(rotated, context, old)).toString(), 'old')
    const fresh = seal(rotated, context, text('new'))
    assert.equal(Buffer.from(open(createKeyRing([february]), context, fresh)).toString(), 'new')
    assert.throws(() => open(ring, context, fresh), broken('key_unknown'))
  })
})

describe('a sealed store', () => {
  const life = { ttlMs: 60_000 }
  const set = () => {
    const store = createMemoryStore(systemClock)
    return { store, sealed: sealedStore(store, ring) }
  }
  test('reports a blob that does not open as broken, never as absent', async () => {
    const { store, sealed } = set()
    await store.put('login:a', text('not sealed'), { ifVersion: 0, ...life })
    await assert.rejects(sealed.get('login', 'a'), broken('malformed'))
    await assert.rejects(sealed.take('login', 'a'), broken('malformed'))
    await sealed.put('login', 'b', text('v'), { ifVersion: 0, ...life })
    await assert.rejects(sealedStore(store, createKeyRing([february])).get('login', 'b'), broken('key_unknown'))
  })
  test('refuses a blob put back as another login, another kind or a later version', async () => {
    const { store, sealed } = set()
    await sealed.put('login', 'a', text('mine'), { ifVersion: 0, ...life })
    const stolen = (await store.get('login:a'))?.value ?? new Uint8Array()
    await store.put('login:b', stolen, { ifVersion: 0, ...life })
    await store.put('state:a', stolen, { ifVersion: 0, ...life })
    await assert.rejects(sealed.get('login', 'b'), broken('not_authentic'))
    await assert.rejects(sealed.get('state', 'a'), broken('not_authentic'))
    await sealed.put('login', 'a', text('newer'), { ifVersion: 1, ...life })
    await store.put('login:a', stolen, { ifVersion: 2, ...life })
    await assert.rejects(sealed.get('login', 'a'), broken('not_authentic'))
  })
  test('passes an outage on as it is', async () => {
    const { store, down } = withOutage(createMemoryStore(systemClock))
    const sealed = sealedStore(store, ring)
    down()
    await assert.rejects(sealed.get('login', 'a'), StoreUnavailable)
    await assert.rejects(sealed.put('login', 'a', text('v'), { ifVersion: 0, ...life }), StoreUnavailable)
    await assert.rejects(sealed.take('login', 'a'), StoreUnavailable)
  })
  test('gets, takes, touches and deletes by version as the store does', async () => {
    const { sealed } = set()
    assert.equal(await sealed.get('login', 'a'), undefined)
    assert.equal(await sealed.put('login', 'a', text('1'), { ifVersion: 0, ...life }), 1)
    assert.equal(await sealed.put('login', 'a', text('x'), { ifVersion: 0, ...life }), undefined)
    assert.equal(await sealed.put('login', 'a', text('2'), { ifVersion: 1, ...life }), 2)
    assert.equal(await sealed.touch('login', 'a', 60_000), true)
    const held = await sealed.get('login', 'a')
    assert.deepEqual([Buffer.from(held?.value ?? []).toString(), held?.version], ['2', 2])
    assert.equal((await sealed.take('login', 'a'))?.version, 2)
    assert.equal(await sealed.take('login', 'a'), undefined)
    assert.equal(await sealed.delete('login', 'a'), false)
  })
})
