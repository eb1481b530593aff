/** `mandate revoke`: writes a not-before for one principal into the shared revocation log, and a record of it. */
import { JsonLinesSink } from '../audit/json-lines.ts'
import { fileTarget, streamTarget } from '../audit/line-target.ts'
import { systemClock } from '../clock.ts'
import { Complaint } from '../complaint.ts'
import { composeState } from '../compose/state.ts'
import { keepRevocationsMs } from '../compose.ts'
import { type Config, loadConfig } from '../config/config.ts'
import { Lifecycle } from '../lifecycle.ts'
import { createLog } from '../log.ts'
import { createRevocations } from '../store/revocations.ts'
import { jsonOf } from './json.ts'

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
  const log = createLog((line) => process.stderr.write(line), 'warn')
  const provider = Object.values(config.providers).find((known) => known.issuer === issuer)?.name
  // Not a refusal: a replica that is still to be restarted may take tokens of a provider that this file has lost.
  if (provider === undefined) log.warn('no configured provider has this issuer; it is compared to the letter', { issuer })
  const lifecycle = new Lifecycle()
  try {
    const { store, ring } = await composeState(config, log, systemClock, lifecycle)
    const revocations = createRevocations({ store, ring, clock: systemClock, log, keepMs: keepRevocationsMs(config) })
    const notBefore = systemClock.now()
    await revocations.revoke({ kind: 'principal', issuer, subject, notBefore }).catch(() => {
      throw new Complaint('the store cannot be reached, so nothing is revoked; try again')
    })
    await record(config, { provider: provider ?? '', issuer, subject }).catch(() => {
      throw new Complaint('it is revoked, but the audit log cannot be written, so there is no record of it')
    })
    const at = new Date(notBefore).toISOString()
    process.stdout.write(
      output === 'json'
        ? `${jsonOf({ issuer, subject, notBefore: at })}\n`
        : `ended: every login and token of ${subject} issued before ${at}; in force on all replicas within 2 s\n`,
    )
  } finally {
    await lifecycle.stop()
  }
}

/**
 * The record comes after the act: an operator who ends somebody's access must not be kept from it by a full disk.
 * Where the gateway audits to its standard output it goes to standard error, because here that one is the answer.
 */
async function record({ audit }: Config, whom: { readonly provider: string; readonly issuer: string; readonly subject: string }) {
  const target = audit.file === '-' ? streamTarget(process.stderr) : fileTarget(audit.file)
  const sink = new JsonLinesSink({ target, clock: systemClock })
  try {
    await sink.record({ event: 'logout', address: '', who: undefined, ...whom, login: '', cause: 'operator' })
  } finally {
    await sink.close()
  }
}
