/** `mandate revoke`: writes a not-before for one principal into the shared revocation log. */
import { systemClock } from '../clock.ts'
import { Complaint } from '../complaint.ts'
import { composeState } from '../compose.ts'
import { loadConfig } from '../config/config.ts'
import { Lifecycle } from '../lifecycle.ts'
import { createLog } from '../log.ts'
import { createRevocations } from '../store/revocations.ts'

export interface RevokeOptions {
  readonly config: string
  readonly issuer: string
  readonly subject: string
  readonly output: 'text' | 'json'
}

export async function revoke({ config: path, issuer, subject, output }: RevokeOptions): Promise<void> {
  const config = await loadConfig(path)
  if ('memory' in config.store)
    throw new Complaint("store.memory lives inside the gateway's process: restart the gateway to end all logins, or use store.redis")
  if (!Object.values(config.providers).some((provider) => provider.issuer === issuer))
    throw new Complaint('no configured provider has this issuer; it is compared to the letter')
  const log = createLog((line) => process.stderr.write(line), 'warn')
  const lifecycle = new Lifecycle()
  try {
    const { store, ring } = await composeState(config, log, systemClock, lifecycle)
    const revocations = createRevocations({ store, ring, clock: systemClock, log, keepMs: config.sessions.absolute + 24 * 3_600_000 })
    const notBefore = systemClock.now()
    await revocations.revoke({ kind: 'principal', issuer, subject, notBefore }).catch(() => {
      throw new Complaint('the store cannot be reached, so nothing is revoked; try again')
    })
    const at = new Date(notBefore).toISOString()
    process.stdout.write(
      output === 'json'
        ? `${JSON.stringify({ issuer, subject, notBefore: at })}\n`
        : `ended: every login and token of ${subject} issued before ${at}; in force on all replicas within 2 s\n`,
    )
  } finally {
    await lifecycle.stop()
  }
}
