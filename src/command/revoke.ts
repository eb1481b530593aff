/**
 * `mandate revoke`: writes a not-before for one principal into the shared revocation log, and a record of it.
 *
 * Security: issuers and subjects are compared to the letter, so one that is mistyped ends nothing. An issuer that no provider
 * has is refused until the operator says that it is meant, and how many logins were ended is not said: they are sealed in the
 * store, where nobody can count those of one person, and bearers are in no store at all.
 */
import { JsonLinesSink } from '../audit/json-lines.ts'
import { fileTarget, streamTarget } from '../audit/line-target.ts'
import { systemClock } from '../clock.ts'
import { Complaint, WrongUsage } from '../complaint.ts'
import { composeState } from '../compose/state.ts'
import { keepRevocationsMs } from '../compose.ts'
import { type Config, loadConfig } from '../config/config.ts'
import { ConfigFaulty } from '../config/faults/faults.ts'
import { nearest } from '../config/faults/nearest.ts'
import { Lifecycle } from '../lifecycle.ts'
import { createLog } from '../log.ts'
import { createRevocations } from '../store/revocations.ts'
import { exitStatusOf, wordsFor } from './complain.ts'
import { jsonOf } from './json.ts'

export interface RevokeOptions {
  readonly config: string
  readonly issuer: string
  readonly subject: string
  /** The issuer may be one that no provider has. */
  readonly unconfigured?: boolean
  readonly output: 'text' | 'json'
}

interface Revoked {
  readonly issuer: string
  readonly subject: string
  readonly notBefore: string
  readonly warnings: readonly string[]
}

/** Prints what is revoked. For machines failures are JSON as well, on standard output. */
export async function revoke(options: RevokeOptions): Promise<void> {
  if (options.output === 'json') {
    const answer = await revoked(options).then(
      (done) => ({ ok: true, ...done }),
      (error: unknown) => {
        process.exitCode = exitStatusOf(error)
        return { ok: false, error: wordsFor(error), ...(error instanceof ConfigFaulty ? { faults: error.faults } : {}) }
      },
    )
    process.stdout.write(`${jsonOf(answer)}\n`)
    return
  }
  const { subject, notBefore, warnings } = await revoked(options)
  for (const warning of warnings) process.stderr.write(`mandate: ${warning}\n`)
  process.stdout.write(
    `revoked: every login and token of ${jsonOf(subject)} that was issued before ${notBefore}, on all replicas within 2 s\n` +
      'How many there were is not known here; a subject that the issuer does not have ends nothing.\n',
  )
}

async function revoked({ config: path, issuer, subject, unconfigured = false }: RevokeOptions): Promise<Revoked> {
  if (issuer.trim() === '') throw new WrongUsage('--issuer is empty')
  if (subject.trim() === '')
    throw new WrongUsage('--subject is empty, so it names nobody; the subject of an attempt stands in the audit log')
  const config = await loadConfig(path)
  if ('memory' in config.store)
    throw new Complaint("store.memory lives inside the gateway's process: restart the gateway to end all logins, or use store.redis")
  const provider = Object.values(config.providers).find((known) => known.issuer === issuer)?.name
  if (provider === undefined && !unconfigured) throw unknownIssuer(config, issuer)
  // A replica that is still to be restarted may take tokens of a provider that this file has lost.
  const warnings = provider === undefined ? [`no configured provider has the issuer ${jsonOf(issuer)}; it is compared to the letter`] : []
  const log = createLog((line) => process.stderr.write(line), 'warn')
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
    return { issuer, subject, notBefore: new Date(notBefore).toISOString(), warnings }
  } finally {
    await lifecycle.stop()
  }
}

function unknownIssuer({ providers }: Config, issuer: string): Complaint {
  const known = Object.values(providers).map((provider) => provider.issuer)
  const loose = (text: string) => text.trim().replace(/\/+$/, '').toLowerCase()
  const meant = known.find((one) => loose(one) === loose(issuer)) ?? nearest(issuer, known)
  const mend = meant === undefined ? `it has ${known.join(', ')}` : `did you mean ${meant}?`
  return new Complaint(`no provider of this configuration has the issuer ${jsonOf(issuer)}; ${mend} (--unconfigured to go on)`)
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
