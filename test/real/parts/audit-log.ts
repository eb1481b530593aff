import { readFile } from 'node:fs/promises'

/** One line of the API server's audit log, at level Metadata. */
export interface AuditEntry {
  readonly auditID: string
  readonly stage: 'ResponseStarted' | 'ResponseComplete' | 'Panic'
  readonly verb: string
  readonly requestURI: string
  readonly user: AuditUser
  readonly impersonatedUser?: AuditUser
  readonly objectRef?: {
    readonly resource?: string
    readonly subresource?: string
    readonly namespace?: string
    readonly name?: string
    readonly apiGroup?: string
    readonly apiVersion?: string
  }
  readonly responseStatus?: { readonly code?: number; readonly reason?: string; readonly message?: string }
  readonly userAgent?: string
  readonly sourceIPs?: readonly string[]
  readonly annotations?: Readonly<Record<string, string>>
  readonly requestReceivedTimestamp: string
}

export interface AuditUser {
  readonly username?: string
  readonly uid?: string
  readonly groups?: readonly string[]
  readonly extra?: Readonly<Record<string, readonly string[]>>
}

/** The policy that the API server records by: every request once or, for streams, at their start and end. */
export const auditPolicy = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  // The API server's requests to itself would bury what a test asks about.
  rules: [{ level: 'None', users: ['system:apiserver'] }, { level: 'Metadata' }],
}

/** The entries of an audit log, in the order in which the API server wrote them. Throws when there is no such file. */
export async function readAuditLog(path: string): Promise<AuditEntry[]> {
  // The last line may be half written.
  const lines = (await readFile(path, 'utf8')).split('\n').slice(0, -1)
  return lines.map((line) => JSON.parse(line) as AuditEntry)
}
