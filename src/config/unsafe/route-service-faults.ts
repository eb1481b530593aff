/**
 * Routes whose service must not be reached in the way that is configured.
 *
 * Security: a credential that goes over plain http is anybody's on that network; a header that is to carry a bearer, or
 * to say who asks, must not be one that means something else; and a route that nobody forwards is a mistake.
 */
import { spelled } from '../../header-names.ts'
import type { Config } from '../config.ts'
import type { Fault } from '../faults/faults.ts'
import { isLoopbackHost } from '../loopback.ts'
import type { RouteConfig } from '../route.ts'

type Parts = Pick<Config, 'listen' | 'providers'>

/** Names that belong to HTTP itself, to the connection or to Mandate: neither identity nor a bearer may travel under them. */
const TAKEN = new Set([
  ...['proxy-connection', 'http2-settings', 'content-encoding', 'content-range', 'accept-encoding', 'if-match', 'if-none-match', 'date'],
  ...['authorization', 'host', 'cookie', 'set-cookie', 'origin', 'content-length', 'content-type', 'transfer-encoding', 'connection'],
  ...['upgrade', 'te', 'trailer', 'keep-alive', 'expect', 'location', 'x-request-id', 'x-forwarded-for', 'x-forwarded-proto'],
  ...['x-forwarded-host', 'forwarded', 'x-real-ip', 'www-authenticate', 'referer', 'range', 'accept', 'user-agent'],
])

const TAKEN_PREFIXES = ['sec-', 'proxy-', 'access-control-', 'impersonate'] as const

export function faultsOfService(config: Parts, route: RouteConfig, at: number): Fault[] {
  const path = `routes.${at}`
  return [...destination(config, route, path), ...credential(config, route, path), ...headers(route, path)]
}

function destination({ listen }: Parts, { upstream, forwardAuth, websockets, as }: RouteConfig, path: string): Fault[] {
  if (!forwardAuth)
    return upstream === undefined
      ? [{ path: `${path}.upstream`, problem: 'is missing', mend: 'name the service, or write forwardAuth: true' }]
      : []
  const faults: Fault[] = []
  if (upstream !== undefined)
    faults.push({ path: `${path}.upstream`, problem: 'stands beside forwardAuth', mend: 'remove one: with forwardAuth the proxy forwards' })
  if (listen.forwardAuth === undefined)
    faults.push({ path: `${path}.forwardAuth`, problem: 'has nowhere to be asked', mend: 'configure listen.forwardAuth' })
  if (websockets) faults.push({ path: `${path}.websockets`, problem: 'is for the proxy to say where it forwards', mend: 'remove it' })
  if (as.kind === 'forward-token')
    faults.push({
      path: `${path}.as`,
      problem: 'cannot be done by a proxy without its seeing the token',
      mend: 'use token-exchange or none',
    })
  return faults
}

function credential({ listen, providers }: Parts, { upstream, forwardAuth, as, plaintextOpen, allow }: RouteConfig, path: string): Fault[] {
  if (as.kind === 'none') return []
  const faults: Fault[] = (upstream?.servers ?? [])
    .filter((server) => !plaintextOpen && server.startsWith('http:') && !isLoopbackHost(new URL(server).hostname))
    .map(() => ({
      path: `${path}.upstream`,
      problem: 'is plain http, and would be sent a credential of the caller',
      mend: 'use https, or write plaintextOpen: true',
    }))
  // A forward-token route has a fault of its own there, and so has one that has nowhere to be asked.
  const { forwardAuth: asked } = listen
  const inTheOpen = asked !== undefined && asked.cert === undefined && !isLoopbackHost(asked.host)
  if (forwardAuth && as.kind === 'token-exchange' && inTheOpen && !plaintextOpen)
    faults.push({
      path: `${path}.forwardAuth`,
      problem: 'is answered over plain http, and the answer has a credential of the caller',
      mend: 'give cert and key in listen.forwardAuth, or write plaintextOpen: true',
    })
  if (as.kind === 'forward-token' && as.audience === undefined)
    faults.push({ path: `${path}.as.audience`, problem: 'is missing', mend: 'name what aud of a token for this service contains' })
  if (as.kind === 'token-exchange') faults.push(...exchange(providers, as, allow, path))
  return faults
}

/** Who cannot exchange: a provider by which Mandate proves nothing, or a target that has no name. */
export function exchange(
  providers: Config['providers'],
  as: { readonly audience?: string | undefined; readonly resource?: string | undefined },
  rules: ReadonlyArray<{ readonly providers?: readonly string[] | undefined }>,
  path: string,
): Fault[] {
  const faults: Fault[] = []
  if (as.audience === undefined && as.resource === undefined)
    faults.push({ path: `${path}.as.audience`, problem: 'is missing, as is resource', mend: 'name for whom the token is to be' })
  const named = rules.flatMap((rule) => rule.providers ?? Object.keys(providers))
  for (const name of new Set(named)) {
    const provider = Object.hasOwn(providers, name) ? providers[name] : undefined
    if (provider === undefined) continue
    if (provider.kind === 'cognito') {
      faults.push({
        path: `${path}.as`,
        problem: `needs an issuer that exchanges tokens, and providers.${name} is Cognito, which does not`,
        mend: `use none, or leave ${name} out of allow.providers`,
      })
    }
    if (provider.clientAuth.method !== 'none' || provider.kind === 'cognito') continue
    faults.push({
      path: `providers.${name}.clientAuth`,
      problem: 'proves nothing, and an issuer exchanges tokens for a proven client alone',
      mend: `give Mandate a client with a proof, or leave ${name} out of allow.providers of ${path}`,
    })
  }
  return faults
}

function headers({ identity, bearerHeader }: RouteConfig, path: string): Fault[] {
  const names = Object.keys(identity.headers ?? {})
  const isTaken = (name: string) => TAKEN.has(spelled(name)) || TAKEN_PREFIXES.some((prefix) => spelled(name).startsWith(prefix))
  // What `m2m` adds would come twice, or be what a caller sent as its bearer.
  const added = identity.m2m ? ['x-m2m-client-id', 'x-m2m-scope'] : []
  const faults = names
    .filter(
      (name, place) =>
        isTaken(name) || added.includes(spelled(name)) || names.findIndex((other) => spelled(other) === spelled(name)) !== place,
    )
    .map((name) => ({ path: `${path}.identity.headers.${name}`, problem: 'means something else already', mend: 'choose another name' }))
  if (bearerHeader === undefined) return faults
  if (
    isTaken(bearerHeader) ||
    added.includes(spelled(bearerHeader)) ||
    spelled(bearerHeader).startsWith('x-mandate') ||
    names.some((name) => spelled(name) === spelled(bearerHeader))
  )
    faults.push({ path: `${path}.bearerHeader`, problem: 'means something else already', mend: 'choose another name, such as X-M2M-Token' })
  return faults
}
