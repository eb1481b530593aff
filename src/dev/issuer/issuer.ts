/**
 * The OpenID provider that `mandate dev` and the tests carry along: oidc-provider, with test users instead of passwords.
 *
 * It is a stand-in for a company's issuer and must never be reachable by others: whoever reaches it can be anybody. It
 * binds to loopback unless told otherwise.
 */
import { once } from 'node:events'
import { createServer as createHttpServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { isLoopbackHost } from '../../config/loopback.ts'
import { createAccounts } from './accounts.ts'
import { createLogoutDelivery, type LogoutDelivery } from './logout-delivery.ts'
import { createMemoryStorage } from './memory-storage.ts'
import { type MintOverrides, mintAccessToken, mintIdToken, mintLogoutToken } from './mint.ts'
import { createObservations, type Endpoint, type Redemption } from './observations.ts'
import { DEFAULT_LIFETIMES, type IssuerOptions, type TestUser } from './options.ts'
import { createCookieKeys, createProvider } from './provider.ts'
import { SIGN_IN_PATH, serveSignIn } from './sign-in-page.ts'
import { createSigningKey, type SigningKey } from './signing-keys.ts'

/** A running issuer. Users are named by their `name`; naming one who does not exist throws. */
export interface Issuer {
  /** The issuer URL, without a slash at the end. */
  readonly issuer: string
  /** The URL it listens at: equal to `issuer` unless `issuerUrl` was given. */
  readonly listening: string
  close(): Promise<void>
  /** Every presentation of a refresh token so far. */
  redemptions(): readonly Redemption[]
  /** Requests so far, by endpoint. */
  requests(): Readonly<Record<Endpoint, number>>
  /** Signs with a new key from now on. Earlier keys stay published unless `forgetOld` is set. */
  rotateKeys(rotation?: { readonly forgetOld?: boolean }): Promise<void>
  /** The key that signs now. */
  signingKey(): SigningKey
  mintIdToken(user: string, clientId: string, overrides?: MintOverrides): string
  /** For a person at a client, or with `{ client }` for a machine. The audience is the first one configured. */
  mintAccessToken(subject: string | { readonly client: string }, overrides?: MintOverrides): string
  mintLogoutToken(user: string, clientId: string, overrides?: MintOverrides): string
  /** Ends all of a person's sessions here, their refresh tokens too, and tells the clients by back-channel logout. */
  endSession(user: string): Promise<readonly LogoutDelivery[]>
}

/** Starts an issuer. Rejects when the port is taken or the options contradict themselves. */
export async function startIssuer(options: IssuerOptions): Promise<Issuer> {
  const accounts = createAccounts(options.users)
  const storage = createMemoryStorage()
  const observations = createObservations()
  const delivery = createLogoutDelivery(options.trustedCertificates)
  const cookieKeys = createCookieKeys()
  const lifetimes = { ...DEFAULT_LIFETIMES, ...options.lifetimes }
  const signingAlg = options.signingAlg ?? 'RS256'
  const audience = typeof options.audience === 'string' ? options.audience : options.audience[0]
  if (audience === undefined) throw new Error('the issuer needs an audience for its access tokens')

  const listener: { serve: RequestListener } = { serve: (_request, response) => response.writeHead(503).end() }
  const [firstKey, server] = await Promise.all([
    createSigningKey(signingAlg),
    listen(options, (request, response) => listener.serve(request, response)),
  ])
  const { port } = server.address() as AddressInfo
  const listening = `${options.tls === undefined ? 'http' : 'https'}://${options.publicHost ?? 'localhost'}:${port}`
  const issuer = new URL(options.issuerUrl ?? listening).origin

  const keys = [firstKey]
  const signingKey = () => keys[0] ?? firstKey
  const start = () => {
    const provider = createProvider({ issuer, options, accounts, storage, cookieKeys, keys, fetch: delivery.fetch })
    provider.use(observations.watchRefreshes)
    const serveProtocol = provider.callback()
    listener.serve = (request, response) => {
      const pathname = URL.parse(request.url ?? '/', issuer)?.pathname ?? '/'
      observations.countRequest(pathname)
      if (!isAddressed(request, issuer)) return void response.writeHead(421).end()
      pinAddress(request, issuer)
      const served = pathname.startsWith(SIGN_IN_PATH)
        ? serveSignIn(provider, accounts, options.users, request, response)
        : serveProtocol(request, response)
      served.catch((error: Error) => {
        options.onFault?.(error)
        response.destroy()
      })
    }
  }
  try {
    start()
  } catch (error) {
    server.close()
    throw error
  }

  const person = (name: string): TestUser => {
    const user = accounts.byName(name)
    if (user === undefined) throw new Error(`the issuer has no user ${name}`)
    return user
  }
  const minting = (lifetime: number) => ({ issuer, key: signingKey(), lifetime })
  const anyClient = options.clients.find((client) => (client.redirectUris?.length ?? 0) > 0)?.id ?? 'unknown'

  return {
    issuer,
    listening,
    redemptions: () => observations.redemptions,
    requests: observations.requests,
    signingKey,
    async rotateKeys({ forgetOld = false } = {}) {
      const next = await createSigningKey(signingAlg)
      keys.splice(0, forgetOld ? keys.length : 0, next)
      start()
    },
    mintIdToken: (user, clientId, overrides) => mintIdToken(minting(lifetimes.idToken), person(user), clientId, overrides),
    mintAccessToken(subject, overrides) {
      const who = typeof subject === 'string' ? { user: person(subject), clientId: anyClient } : { clientId: subject.client }
      return mintAccessToken(minting(lifetimes.accessToken), who, audience, overrides)
    },
    mintLogoutToken: (user, clientId, overrides) => mintLogoutToken(minting(120), person(user), clientId, undefined, overrides),
    async endSession(name) {
      const user = person(name)
      const told: Promise<LogoutDelivery>[] = []
      for (const session of storage.sessionsOf(user.sub)) {
        for (const [clientId, { sid }] of Object.entries(session.authorizations ?? {})) {
          const url = options.clients.find(({ id }) => id === clientId)?.backchannelLogoutUri
          if (url !== undefined) told.push(delivery.deliver(clientId, url, mintLogoutToken(minting(120), user, clientId, sid)))
        }
        storage.endSession(session)
      }
      return Promise.all(told)
    },
    async close() {
      server.closeAllConnections()
      await Promise.all([new Promise((resolve) => server.close(resolve)), delivery.close()])
    },
  }
}

async function listen(options: IssuerOptions, serve: RequestListener): Promise<Server> {
  const { tls } = options
  const server =
    tls === undefined ? createHttpServer(serve) : createHttpsServer({ cert: tls.certificatePem, key: tls.privateKeyPem }, serve)
  server.listen(options.port ?? 0, options.host ?? '127.0.0.1')
  await once(server, 'listening')
  return server
}

/**
 * Whether it came by a name of the issuer or of this machine. A page of another website whose name was made to lead here
 * (DNS rebinding) sends that name, and must not sign anybody in or get a token by the passwords that everybody knows.
 */
function isAddressed({ headers }: IncomingMessage, issuer: string): boolean {
  const hostname = URL.parse(`http://${headers.host ?? ''}`)?.hostname ?? ''
  return isLoopbackHost(hostname) || hostname.endsWith('.localhost') || hostname === new URL(issuer).hostname
}

/** Every link the issuer writes is built on these; nothing that a caller sends may change them. */
function pinAddress(request: IncomingMessage, issuer: string): void {
  const { host, protocol } = new URL(issuer)
  request.headers.host = host
  request.headers['x-forwarded-host'] = host
  request.headers['x-forwarded-proto'] = protocol.slice(0, -1)
}
