/** The contract of the audit log: no record, no action (promise 7). */
import type { AuditEvent } from './audit-event.ts'

export interface AuditSink {
  /** Resolves once the kernel has accepted the record. Rejects with Refusal `audit_unavailable`; then nothing may be done. */
  record(event: AuditEvent): Promise<void>
  /** Accepts a record of something already over; written within 100 ms. Never throws. */
  note(event: AuditEvent): void
}
