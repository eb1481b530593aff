/** The service account that two capabilities act with, and the record that comes before each of their acts. */
import type { AuditSink } from '../audit/audit-sink.ts'
import { type BearerCredential, bearerCredential } from '../credential.ts'
import { Refusal } from '../errors.ts'
import type { Secret } from '../secret.ts'

/** Where the token of the service account comes from: read at each use, because the platform rotates it. */
export interface TokenSource {
  read(): Secret
}

/** The part of an audit log that is needed here: resolves once the record is safe, and rejects when it is not. */
export type Recording = Pick<AuditSink, 'record'>

/** The account's credential now. Throws a Refusal (`credential_unavailable`): what could not be read quotes nothing. */
export function accountOf(token: TokenSource): BearerCredential {
  try {
    return bearerCredential(token.read(), Number.POSITIVE_INFINITY)
  } catch {
    throw new Refusal('credential_unavailable')
  }
}

/** Writes a record. Throws a Refusal (`audit_unavailable`), whatever the log threw. */
export async function recorded(audit: Recording, event: Parameters<Recording['record']>[0]): Promise<void> {
  try {
    await audit.record(event)
  } catch {
    throw new Refusal('audit_unavailable')
  }
}
