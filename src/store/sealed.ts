/**
 * Sealing: what lies in the store is ciphertext that fits one place only.
 *
 * Security: AES-256-GCM under a ring of keys; the first key seals, all of them open. The associated data name the store
 * key, the kind and the generation (the version that the write creates), each with its length in front, so no two
 * places share an encoding: a blob copied to another login, another kind or a later version does not open. A blob that
 * does not open is an error of its own, never an absence: somebody wrote to the store, or a key was taken away early.
 *
 * Nonces are 96 random bits. NIST SP 800-38D 8.3 bounds that at 2^32 seals a key: at 1,000 seals a second across all
 * replicas that is 49 days, so rotate keys monthly on a busy installation. To rotate: add the new key as second on
 * every replica, then make it first, and remove the old one after the longest life of an entry (a login 8 h, a
 * revocation 32 h).
 *
 * Layout: 1 byte format, 1 byte length of key id, key id, 12 bytes nonce, ciphertext, 16 bytes tag. 30 bytes + key id.
 */
import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import { Complaint } from '../complaint.ts'
import type { Secret } from '../secret.ts'
import type { Entry, PutOptions, Store } from './store.ts'

export interface KeyEntry {
  /** 1 to 16 letters, digits, `-`, `_` or `.`; written in clear before each sealed value. */
  readonly id: string
  /** 32 random bytes as base64. */
  readonly key: Secret
}

/** The keys of one installation. Holds key objects only; it has nothing that prints. */
export interface KeyRing {
  /** Seals. */
  readonly current: { readonly id: string; readonly key: KeyObject }
  /** Opens, by id. */
  readonly keys: ReadonlyMap<string, KeyObject>
}

/** The place a blob belongs to. */
export interface SealContext {
  readonly key: string
  readonly kind: string
  /** A whole number: the version which the write creates. */
  readonly generation: number
}

export type SealFault = 'malformed' | 'key_unknown' | 'not_authentic'

/** A stored value is there and does not open. */
export class SealBroken extends Error {
  override readonly name = 'SealBroken'
  /** Also a log code: `key_unknown` is a key removed from the ring too early. */
  readonly code: SealFault

  constructor(code: SealFault) {
    super(`a stored value does not open: ${code}`)
    this.code = code
  }
}

const FORMAT = 1
const NONCE = 12
const TAG = 16
const BASE64_OF_32 = /^[A-Za-z0-9+/]{43}=$/

/** Why a text is no sealing key, and the mend; undefined when it is one. */
export function keyFault(key: Secret): { readonly problem: string; readonly mend: string } | undefined {
  if (BASE64_OF_32.test(key.expose().trim())) return undefined
  return { problem: 'is not 32 bytes in base64', mend: 'openssl rand -base64 32' }
}

/** Builds a ring; throws a Complaint that names the faulty entry and never quotes a key. */
export function createKeyRing(entries: readonly KeyEntry[]): KeyRing {
  const keys = new Map<string, KeyObject>()
  for (const [position, { id, key }] of entries.entries()) {
    if (!/^[A-Za-z0-9._-]{1,16}$/.test(id)) {
      throw new Complaint(`sealing key ${position + 1}: the id must be 1 to 16 letters, digits, "-", "_" or "."`)
    }
    if (keys.has(id)) throw new Complaint(`sealing key "${id}": this id is used twice`)
    if (keyFault(key) !== undefined) {
      throw new Complaint(`sealing key "${id}": expected 32 bytes as base64 (44 characters), as \`openssl rand -base64 32\` prints`)
    }
    const object = createSecretKey(key.expose().trim(), 'base64')
    const twin = [...keys].find(([, other]) => other.equals(object))
    if (twin) throw new Complaint(`sealing key "${id}": it is the same key as "${twin[0]}"`)
    keys.set(id, object)
  }
  const [first] = keys
  if (!first) throw new Complaint('no sealing key: at least one is needed')
  return { current: { id: first[0], key: first[1] }, keys }
}

/** Seals a value for one place under the current key. */
export function seal(ring: KeyRing, context: SealContext, plaintext: Uint8Array): Uint8Array {
  const { id, key } = ring.current
  const header = Buffer.concat([Buffer.from([FORMAT, id.length]), Buffer.from(id, 'latin1')])
  const nonce = randomBytes(NONCE)
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG })
  cipher.setAAD(associatedData(header, context))
  return Buffer.concat([header, nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
}

/** Opens a value that was sealed for exactly this place; throws SealBroken for every other. */
export function open(ring: KeyRing, context: SealContext, sealed: Uint8Array): Uint8Array {
  const blob = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength)
  const body = 2 + (blob[1] ?? 0)
  if (blob[0] !== FORMAT || blob.length < body + NONCE + TAG) throw new SealBroken('malformed')
  const header = blob.subarray(0, body)
  const key = ring.keys.get(header.toString('latin1', 2))
  if (!key) throw new SealBroken('key_unknown')
  const decipher = createDecipheriv('aes-256-gcm', key, blob.subarray(body, body + NONCE), { authTagLength: TAG })
  decipher.setAAD(associatedData(header, context))
  decipher.setAuthTag(blob.subarray(blob.length - TAG))
  try {
    return Buffer.concat([decipher.update(blob.subarray(body + NONCE, blob.length - TAG)), decipher.final()])
  } catch {
    throw new SealBroken('not_authentic')
  }
}

/** Every part with its length in front, UTF-16 so that no two strings (lone surrogates too) share an encoding. */
function associatedData(header: Buffer, { key, kind, generation }: SealContext): Buffer {
  const parts = [header, Buffer.from(kind, 'utf16le'), Buffer.from(key, 'utf16le')]
  const data = Buffer.alloc(parts.reduce((sum, part) => sum + 4 + part.length, 8))
  let at = data.writeBigUInt64BE(BigInt(generation))
  for (const part of parts) {
    at = data.writeUInt32BE(part.length, at)
    at += part.copy(data, at)
  }
  return data
}

/** The entries of a store as typed plaintext. Rejects with StoreUnavailable as the store does, and with SealBroken. */
export interface SealedStore {
  get(kind: string, key: string): Promise<Entry | undefined>
  /** As Store.put: resolves to the new version, or undefined when another version was there. */
  put(kind: string, key: string, value: Uint8Array, options: PutOptions): Promise<number | undefined>
  /** As Store.take. The entry is gone even when it turns out not to open. */
  take(kind: string, key: string): Promise<Entry | undefined>
  delete(kind: string, key: string): Promise<boolean>
  touch(kind: string, key: string, ttlMs: number): Promise<boolean>
}

/** Wraps a store. `kind` is a short fixed word such as `login`; `key` is a digest, never an id that works by itself. */
export function sealedStore(store: Store, ring: KeyRing): SealedStore {
  const place = (kind: string, key: string) => `${kind}:${key}`
  const opened = (kind: string, key: string, entry: Entry | undefined): Entry | undefined =>
    entry && { version: entry.version, value: open(ring, { key, kind, generation: entry.version }, entry.value) }
  return {
    async get(kind, key) {
      return opened(kind, key, await store.get(place(kind, key)))
    },
    async put(kind, key, value, options) {
      const sealed = seal(ring, { key, kind, generation: options.ifVersion + 1 }, value)
      return store.put(place(kind, key), sealed, options)
    },
    async take(kind, key) {
      return opened(kind, key, await store.take(place(kind, key)))
    },
    delete: (kind, key) => store.delete(place(kind, key)),
    touch: (kind, key, ttlMs) => store.touch(place(kind, key), ttlMs),
  }
}
