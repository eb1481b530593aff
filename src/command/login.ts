/**
 * `mandate login`: signs a person in on their own machine, keeps the tokens, and answers kubectl as its credential plugin.
 *
 * Security: the token is printed only where kubectl asks for it or somebody says `-o kubernetes`; what is said to a person
 * goes to standard error and never holds one. What talks to issuers loads only when it is needed.
 */
import { isAbsolute, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Complaint } from '../complaint.ts'
import { Refusal } from '../errors.ts'
import { jsonOf } from './json.ts'
import { certificatesIn } from './sign-in/certificates.ts'
import { execCredential, execRequest, requireGateway, V1 } from './sign-in/exec-credential.ts'
import { gatewayOrigin } from './sign-in/gateway-address.ts'
import type { CommandLineProvider } from './sign-in/gateway-document.ts'
import type { Issuer } from './sign-in/issuer.ts'
import { askAgainAt, type KeptTokens, type Place, placeFor } from './sign-in/kept-tokens.ts'
import { type Pins, requireKeptPinned, type Where } from './sign-in/pins.ts'
import { type Source, tokensFor } from './sign-in/renew.ts'

export interface LoginOptions extends Pins {
  readonly gateway?: string
  readonly provider?: string
  readonly ca?: string
  readonly issuerCa?: string
  readonly device?: boolean
  readonly browser?: boolean
  readonly forget?: boolean
  readonly output?: 'text' | 'json' | 'kubernetes'
}

const SIGN_IN_WITHIN_MS = 5 * 60_000
/** Longer than a sign-in may take, shorter than people wait for nothing. */
const WAIT_FOR_OTHERS_MS = SIGN_IN_WITHIN_MS + 30_000

export async function login(options: LoginOptions): Promise<void> {
  const request = execRequest(process.env['KUBERNETES_EXEC_INFO'])
  const gateway = gatewayOrigin(options.gateway)
  if (request !== undefined) requireGateway(request, gateway)
  const ca = options.ca === undefined ? request?.cluster?.ca : certificatesIn(options.ca)
  const describe = remembered(async () =>
    (await import('./sign-in/gateway-document.ts')).commandLineProvider(gateway, ca, options.provider),
  )
  const name = options.provider ?? (await describe()).name
  const place = placeFor(gateway, name, say)
  if (options.forget === true) return await forget(place, { gateway, name }, describe, options)
  const where = { gateway, provider: name }
  const kept = await tokensFor({
    place: pinnedPlace(place, options, where),
    interactive: request === undefined || request.interactive,
    open: () => open(describe, options, where),
    say,
    waitMs: WAIT_FOR_OTHERS_MS,
  })
  const output = options.output ?? (request === undefined ? 'text' : 'kubernetes')
  const endsAt = new Date(kept.expiresAt).toISOString()
  switch (output) {
    case 'kubernetes':
      process.stdout.write(execCredential(request?.apiVersion ?? V1, kept, Date.now()))
      return
    case 'json': {
      const { issuer, subject, who, refreshToken } = kept
      const renewAt = new Date(askAgainAt(kept, Date.now())).toISOString()
      const facts = {
        gateway,
        provider: name,
        issuer,
        subject,
        name: who,
        endsAt,
        renewAt,
        renewable: refreshToken !== undefined,
        file: place.file,
      }
      process.stdout.write(`${jsonOf(facts)}\n`)
      return
    }
    case 'text':
      process.stdout.write(
        `You are ${kept.who} (${name}) at ${gateway}.\n` +
          `The token ends ${endsAt.replace(/^(.{10})T(.{5}).*$/, '$1 $2 UTC')}${kept.refreshToken === undefined ? '; then sign in again' : ' and is renewed by itself'}.\n` +
          `It is kept in ${place.file}\n`,
      )
  }
}

/** The same place, which complains when what is kept there is not what the command was told. */
function pinnedPlace(place: Place, pins: Pins, where: Where): Place {
  return {
    ...place,
    read() {
      const kept = place.read()
      if (kept !== undefined) requireKeptPinned(pins, kept, where)
      return kept
    },
  }
}

/** Loads what talks to issuers, and asks the gateway where to. */
async function open(describe: () => Promise<CommandLineProvider>, options: LoginOptions, where: Where): Promise<Source> {
  const described = await describe()
  const [{ openIssuer }, { sourceOf }] = await Promise.all([import('./sign-in/issuer.ts'), import('./sign-in/source.ts')])
  const issuer = openIssuer(described, issuerCa(options))
  const signIn = () =>
    (options.device === true ? byDevice(issuer) : byBrowser(issuer, options)).catch((error: unknown) => {
      throw complaintOf(error, described)
    })
  return sourceOf(described, { where, pins: options, issuer, signIn, say })
}

async function byBrowser({ signIn }: Issuer, { browser }: LoginOptions) {
  const { signInByBrowser } = await import('./sign-in/browser.ts')
  const start = async (url: string) => (await import('open')).default(url)
  return signInByBrowser(signIn, { say, open: browser === false || !hasDisplay() ? undefined : start, withinMs: SIGN_IN_WITHIN_MS })
}

/** Without one xdg-open would start a browser in the terminal, which is kubectl's. */
function hasDisplay({ platform, env } = process): boolean {
  return platform !== 'linux' || ['DISPLAY', 'WAYLAND_DISPLAY', 'WSL_DISTRO_NAME'].some((name) => (env[name] ?? '') !== '')
}

async function byDevice({ parts }: Issuer) {
  const { signInByDevice } = await import('./sign-in/device.ts')
  return signInByDevice(parts, { say, progress: (sign) => void process.stderr.write(sign), wait: (ms) => sleep(ms) })
}

/** Deletes what is kept, and has the issuer end the refresh token. Under the lock: a renewal must not bring it back. */
async function forget(
  place: Place,
  { gateway, name }: { readonly gateway: string; readonly name: string },
  describe: () => Promise<CommandLineProvider>,
  options: LoginOptions,
): Promise<void> {
  const { tryLock } = await import('./sign-in/lock.ts')
  const lock = await tryLock(place.lock)
  if (lock === undefined) throw new Complaint('another mandate login is under way; finish or end that one first')
  let kept: KeptTokens | undefined
  try {
    kept = place.read()
    place.remove()
  } finally {
    lock.release()
  }
  const revoked = kept?.refreshToken === undefined ? undefined : await revoke(kept, describe, options)
  if (options.output === 'json') {
    process.stdout.write(`${jsonOf({ gateway, provider: name, forgotten: kept !== undefined, revoked: revoked ?? null })}\n`)
    return
  }
  const ending = revoked === false ? ' The issuer could not be told; the sign-in there ends by itself, or with your password.' : ''
  process.stdout.write(
    kept === undefined
      ? `Nobody was signed in with ${name} at ${gateway}.\n`
      : `Forgotten: ${kept.who} (${name}) at ${gateway}.${ending}\n`,
  )
}

async function revoke(kept: KeptTokens, describe: () => Promise<CommandLineProvider>, options: LoginOptions): Promise<boolean> {
  const { openIssuer } = await import('./sign-in/issuer.ts')
  try {
    const described = await describe()
    // Shown to nobody but who issued it.
    if (described.issuer !== kept.issuer || described.clientId !== kept.clientId || kept.refreshToken === undefined) return false
    const issuer = openIssuer(described, issuerCa(options))
    try {
      return await issuer.revoke(kept.refreshToken)
    } finally {
      await issuer.close()
    }
  } catch (error) {
    if (error instanceof Complaint) return false
    throw error
  }
}

function complaintOf(error: unknown, { issuer }: CommandLineProvider): unknown {
  if (!(error instanceof Refusal)) return error
  if (error.code === 'issuer_unavailable')
    return new Complaint(`${issuer} cannot be reached or answers wrongly; is its authority in --issuer-ca FILE?`)
  return new Complaint(`nobody is signed in: ${error.message} (${error.code})`)
}

function issuerCa({ issuerCa: file }: LoginOptions): string | undefined {
  if (file === undefined) return undefined
  certificatesIn(file)
  return isAbsolute(file) ? file : resolve(file)
}

function say(line: string): void {
  process.stderr.write(`${line}\n`)
}

/** Asked once, answered as often as it is needed. */
function remembered<T>(ask: () => Promise<T>): () => Promise<T> {
  let answer: Promise<T> | undefined
  return () => (answer ??= ask())
}
