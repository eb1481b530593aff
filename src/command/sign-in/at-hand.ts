/**
 * The quick path: kubectl asks, and a fresh token is kept. Loads builtin modules and a few small files of ours only,
 * because kubectl runs this before each of its commands.
 */
import { parseArgs } from 'node:util'
import { execCredential, execRequest, requireGateway } from './exec-credential.ts'
import { gatewayOrigin } from './gateway-address.ts'
import { placeFor, standingOf, stateFolder } from './kept-tokens.ts'
import { requireKeptPinned } from './pins.ts'

/**
 * The answer for kubectl if it can be given from what is kept; undefined leaves everything to the whole command. Throws
 * Complaint when what is kept may not be used.
 */
export function answerAtHand(args: readonly string[], env: NodeJS.ProcessEnv): string | undefined {
  const request = execRequest(env['KUBERNETES_EXEC_INFO'])
  const options = request === undefined ? undefined : read(args)
  if (request === undefined || options?.provider === undefined) return undefined
  const gateway = gatewayOrigin(options.gateway ?? env['MANDATE_GATEWAY'])
  requireGateway(request, gateway)
  // Whoever goes on from here reads it again and says what is damaged.
  const kept = placeFor(gateway, options.provider, () => undefined, stateFolder(env)).read()
  const now = Date.now()
  if (kept === undefined || standingOf(kept, now) !== 'fresh') return undefined
  requireKeptPinned(options, kept, { gateway, provider: options.provider })
  return execCredential(request.apiVersion, kept, now)
}

/** The options that the kubeconfig has; undefined when there are others, which the whole command understands. */
function read(args: readonly string[]) {
  const text = { type: 'string' } as const
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        gateway: text,
        provider: text,
        ca: text,
        'issuer-ca': text,
        device: { type: 'boolean' },
        issuer: text,
        client: text,
        audience: text,
        resource: text,
        scopes: text,
      },
    })
    return values
  } catch {
    return undefined
  }
}
