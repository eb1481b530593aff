/**
 * Where `mandate login` keeps a person's tokens: one file for each gateway and provider, in a folder of the person's own.
 *
 * Security:
 * - The file names the issuer and the client that its refresh token belongs to. It is presented only there, whatever the
 *   gateway says today (pins.ts).
 * - While a refresh token is being presented the file does not hold it but says so. Who finds that, and holds the lock,
 *   knows that the presenter died, and does not present it again (promise 1).
 * - Loaded on the quick path of every kubectl: builtin modules and small files of ours only.
 */
import { createHash } from 'node:crypto'
import { rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { Complaint } from '../../complaint.ts'
import { Secret } from '../../secret.ts'
import { privateFolder, readPrivate, writePrivate } from './private-file.ts'

/** Times are milliseconds since the epoch. */
export interface KeptTokens {
  readonly issuer: string
  readonly clientId: string
  readonly audience: string
  readonly resource: string | undefined
  readonly kind: 'access-token' | 'id-token'
  /** What kubectl sends. */
  readonly token: Secret
  readonly obtainedAt: number
  readonly expiresAt: number
  readonly refreshToken: Secret | undefined
  /** A refresh token was presented and nothing is known of the outcome yet. */
  readonly presenting: boolean
  readonly subject: string
  /** What to call the person. */
  readonly who: string
}

export interface Place {
  readonly file: string
  /** For lock.ts. */
  readonly lock: string
  /** Undefined when nothing usable is kept. Throws Complaint when the file or folder is not the person's alone. */
  read(): KeptTokens | undefined
  /** On the disk when it returns. */
  write(kept: KeptTokens): void
  remove(): void
}

/** The folder by MANDATE_STATE, else by the XDG base directory specification. */
export function stateFolder(env: NodeJS.ProcessEnv = process.env): string {
  const { MANDATE_STATE: own, XDG_STATE_HOME: state } = env
  if (own !== undefined && own !== '') {
    if (!isAbsolute(own)) throw new Complaint('MANDATE_STATE is not an absolute path')
    return own
  }
  // The specification has relative paths ignored.
  return join(state !== undefined && isAbsolute(state) ? state : join(homedir(), '.local', 'state'), 'mandate')
}

/** The place for one provider of one gateway. Makes the folder; `warn` hears of a file that is damaged. */
export function placeFor(gateway: string, provider: string, warn: (line: string) => void, folder: string = stateFolder()): Place {
  privateFolder(folder)
  const name = createHash('sha256')
    .update(JSON.stringify([gateway, provider]))
    .digest('base64url')
  const file = join(folder, `${name}.json`)
  return {
    file,
    lock: join(folder, `${name}.lock`),
    read() {
      const content = readPrivate(file)
      const kept = content === undefined ? undefined : parse(content)
      if (content !== undefined && kept === undefined) warn(`${file} is damaged and is treated as absent`)
      return kept
    },
    write: (kept) => writePrivate(file, serialise(kept)),
    remove: () => rmSync(file, { force: true }),
  }
}

/** How a kept token stands: good for long, good but due to be renewed, or not to be sent any more. */
export type Standing = 'fresh' | 'due' | 'spent'

const RENEW_BEFORE_MS = 300_000
const LEAST_LEFT_MS = 10_000

/** Margins scale with the life of the token: some live for a minute. */
function margins({ obtainedAt, expiresAt }: KeptTokens): { readonly renew: number; readonly least: number } {
  const life = Math.max(0, expiresAt - obtainedAt)
  return { renew: Math.min(RENEW_BEFORE_MS, life / 5), least: Math.min(LEAST_LEFT_MS, life / 10) }
}

export function standingOf(kept: KeptTokens, now: number): Standing {
  const { renew, least } = margins(kept)
  const left = kept.expiresAt - now
  if (left > renew) return 'fresh'
  return left > least ? 'due' : 'spent'
}

/** Until when somebody may go on with this token before asking again. */
export function askAgainAt(kept: KeptTokens, now: number): number {
  const { renew, least } = margins(kept)
  return kept.expiresAt - (standingOf(kept, now) === 'fresh' ? renew : least)
}

const FORMAT = 2

function serialise({ token, refreshToken, ...plain }: KeptTokens): string {
  return `${JSON.stringify({ format: FORMAT, ...plain, token: token.expose(), refreshToken: refreshToken?.expose() })}\n`
}

function parse(content: string): KeptTokens | undefined {
  let value: unknown
  try {
    value = JSON.parse(content)
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  const found = value as Partial<Record<string, unknown>>
  const text = (name: string): string | undefined => (typeof found[name] === 'string' && found[name] !== '' ? found[name] : undefined)
  const { obtainedAt, expiresAt, presenting, kind } = found
  const [issuer, clientId, audience] = [text('issuer'), text('clientId'), text('audience')]
  const [token, subject, who] = [text('token'), text('subject'), text('who')]
  if (found['format'] !== FORMAT || typeof presenting !== 'boolean' || (kind !== 'access-token' && kind !== 'id-token')) return undefined
  if (!Number.isFinite(obtainedAt) || !Number.isFinite(expiresAt)) return undefined
  if (issuer === undefined || clientId === undefined || audience === undefined) return undefined
  if (token === undefined || subject === undefined || who === undefined) return undefined
  const refreshToken = text('refreshToken')
  return {
    issuer,
    clientId,
    audience,
    resource: text('resource'),
    kind,
    token: new Secret(token),
    obtainedAt: Number(obtainedAt),
    expiresAt: Number(expiresAt),
    refreshToken: refreshToken === undefined ? undefined : new Secret(refreshToken),
    presenting,
    subject,
    who,
  }
}
