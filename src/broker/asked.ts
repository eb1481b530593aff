/**
 * One request for an operation: what expressions may use of it, and how it is known again when it is retried.
 *
 * A retry is known by names, not by a memory of ours: `unique` is made of the caller, the operation and the Idempotency-Key,
 * so that the second request asks for the same object and the API server itself refuses to make it twice. It holds on every
 * replica, and after a restart.
 */
import { hash, randomBytes } from 'node:crypto'
import { Refusal } from '../errors.ts'
import type { Principal } from '../principal.ts'
import type { Json } from '../template/json.ts'

/** A request as the writes of it are marked. */
export interface Asked {
  readonly attempt: string
  readonly broker: string
  readonly principal: Principal
  /** Digest of issuer and subject: a pseudonym, the same wherever this caller asks. */
  readonly caller: string
  /** Digest of the Idempotency-Key together with who sent it and to which operation. */
  readonly key: string | undefined
  /** Digest of path and body; says whether a retry is one. */
  readonly request: string
  readonly unique: string
}

const DIGEST_LENGTH = 40
const UNIQUE_LENGTH = 10

/** Throws a Refusal (`idempotency_key_invalid`) for a key that is none. */
export function askedOf(of: {
  readonly attempt: string
  readonly broker: string
  readonly operation: string
  readonly principal: Principal
  readonly idempotencyKey: string | undefined
  readonly path: Readonly<Record<string, string>>
  readonly body: Buffer
}): Asked {
  const { attempt, broker, operation, principal, idempotencyKey, path, body } = of
  if (idempotencyKey !== undefined && !/^[\x21-\x7e]{1,255}$/.test(idempotencyKey)) throw new Refusal('idempotency_key_invalid')
  const who = identityOf(principal)
  const key = idempotencyKey === undefined ? undefined : digest([broker, operation, who, idempotencyKey])
  return {
    attempt,
    broker,
    principal,
    caller: digest([principal.issuer, principal.subject]),
    key,
    request: digest([path, hash('sha256', body, 'hex')]),
    unique: word(key === undefined ? randomBytes(8) : Buffer.from(key.slice(0, 16), 'hex')),
  }
}

/** What expressions see of the caller: what the issuer said, and nothing that is secret. */
export function principalOf({ issuer, subject, provider, kind, groups, name, email }: Principal): Json {
  return {
    issuer,
    subject,
    provider,
    kind,
    groups: [...groups],
    ...(name === undefined ? {} : { name }),
    ...(email === undefined ? {} : { email }),
  }
}

/** An agent's retry is not its person's: whoever acts for a principal is part of who asks. */
function identityOf({ issuer, subject, actor }: Principal): unknown {
  return [issuer, subject, actor === undefined ? null : identityOf(actor)]
}

function digest(parts: unknown): string {
  return hash('sha256', JSON.stringify(parts), 'hex').slice(0, DIGEST_LENGTH)
}

/** Lower-case letters and digits, as names of objects take them. */
function word(bytes: Buffer): string {
  return bytes.readBigUInt64BE().toString(36).padStart(UNIQUE_LENGTH, '0').slice(-UNIQUE_LENGTH)
}
