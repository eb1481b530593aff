/**
 * Asks a gateway what a command line needs to know (GET /.mandate/command-line), and takes the answer apart strictly.
 *
 * Security: the answer decides where a person is sent to type a password. It is believed only over a TLS connection that
 * was verified, no redirect is followed, it is bounded, and every member has exactly the form that it must have. Its issuer
 * must be https; an issuer on this machine's own loopback is believed of a gateway there alone (`mandate dev`), because
 * anybody else's word must not make this machine ask its own services.
 */
import { request } from 'node:https'
import { z } from 'zod'
import { Complaint } from '../../complaint.ts'
import { isLoopbackHost } from '../../config/loopback.ts'
import { codeOf } from './private-file.ts'

const WITHIN_MS = 10_000
const LARGEST_BYTES = 65_536

const word = z.string().regex(/^[\x21-\x7e]{1,512}$/)
const described = z.strictObject({
  name: z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/),
  title: z.string().min(1).max(200),
  issuer: word,
  clientId: word,
  scopes: z.array(word).min(1).max(64),
  resource: word.optional(),
  token: z.enum(['access-token', 'id-token']),
  audience: word,
})
const document = z.strictObject({ providers: z.array(described).max(64) })

/** What the command line needs to know of one provider. */
export type CommandLineProvider = Readonly<z.output<typeof described>>

/**
 * The provider of that name, or the only one. `ca`: PEM to trust for the gateway instead of Node's own certificates.
 * Throws Complaint.
 */
export async function commandLineProvider(gateway: string, ca: string | undefined, name: string | undefined): Promise<CommandLineProvider> {
  const { status, text } = await askGateway(gateway, '/.mandate/command-line', ca)
  if (status === 404) throw new Complaint(`${gateway} is no Mandate gateway, or an old one: it has no /.mandate/command-line`)
  if (status !== 200) throw new Complaint(`${gateway} answered ${status} instead of saying how to sign in`)
  const { providers } = parse(gateway, text)
  const list = providers.map((one) => `  ${one.name}`).join('\n')
  if (providers.length === 0) {
    throw new Complaint(`${gateway} offers no sign-in from the command line; its operator sets providers.NAME.commandLine`)
  }
  if (name === undefined) {
    const [only, ...others] = providers
    if (only === undefined || others.length > 0) throw new Complaint(`${gateway} has several providers; choose one by --provider:\n${list}`)
    return only
  }
  const found = providers.find((one) => one.name === name)
  if (found === undefined) throw new Complaint(`${gateway} has no provider ${name} for the command line; it has:\n${list}`)
  return found
}

function parse(gateway: string, text: string): z.output<typeof document> {
  const wrong = (what: string) => new Complaint(`the answer of ${gateway} about its command line ${what}; is it a Mandate gateway?`)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw wrong('is not JSON')
  }
  const { success, data } = document.safeParse(value)
  if (!success) throw wrong('does not have the form that it must have')
  const here = isLoopbackHost(new URL(gateway).hostname)
  for (const { name, issuer } of data.providers) {
    const url = URL.parse(issuer)
    const plain = url?.protocol === 'http:' && here && isLoopbackHost(url.hostname)
    if (url === null || url.username !== '' || url.password !== '' || !(url.protocol === 'https:' || plain)) {
      throw new Complaint(`${gateway} names an issuer for ${name} that is not https, so nobody is sent there`)
    }
    // OpenID Connect Discovery 1.0 section 2: an issuer has neither.
    if (/[?#]/.test(issuer)) throw new Complaint(`${gateway} names an issuer for ${name} with a query or fragment, so it is none`)
  }
  return data
}

/** RFC 5280 path building and RFC 9110 4.3.4 names failed, as Node and OpenSSL call it. */
const UNTRUSTED = /CERT|VERIFY|SELF_SIGNED|ALTNAME|ISSUER/

/** One question to a gateway, without a credential. Throws Complaint when it gives no whole answer within bounds. */
export function askGateway(
  gateway: string,
  path: string,
  ca: string | undefined,
): Promise<{ readonly status: number; readonly text: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>()
  const asked = request(`${gateway}${path}`, {
    headers: { accept: 'application/json' },
    agent: false,
    // Said here, so that NODE_TLS_REJECT_UNAUTHORIZED has no say.
    rejectUnauthorized: true,
    signal: AbortSignal.timeout(WITHIN_MS),
    ...(ca === undefined ? {} : { ca }),
  })
  asked.on('error', (error) => {
    const code = codeOf(error)
    if (UNTRUSTED.test(code))
      reject(new Complaint(`the certificate of ${gateway} is not trusted (${code}): name its authority with --ca FILE`))
    else reject(new Complaint(`${gateway} cannot be reached (${code})`))
  })
  asked.on('response', (answer) => {
    const chunks: Buffer[] = []
    let length = 0
    answer.on('data', (chunk: Buffer) => {
      length += chunk.length
      chunks.push(chunk)
      if (length > LARGEST_BYTES) asked.destroy(Object.assign(new Error('too large'), { code: 'too_large' }))
    })
    answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }))
    answer.on('error', () => reject(new Complaint(`${gateway} broke its answer off`)))
  })
  asked.end()
  return promise
}
