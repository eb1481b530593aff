/**
 * A stage with services that take tokens of the world's issuer for their own audience and nothing else: as a route on
 * `reports.localhost`, as the cluster `reports`, and under audiences that the issuer does not give.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { type JWTPayload, jwtVerify } from 'jose'
import type { Issuer } from '../../src/dev/issuer/issuer.ts'
import { type Stage, type StageOptions, setStage } from './stage.ts'
import { AUDIENCE, CLIENT, clientsOf, type StartWorld } from './world.ts'

export const REPORTS = 'api://reports'
/** Not one that the issuer gives tokens for. */
export const NOWHERE = 'api://nowhere'

/** One request to a service, as it came. */
export interface Visit {
  readonly path: string
  readonly authorization: string | undefined
  /** Claims of the token, where it held. */
  readonly claims: JWTPayload | undefined
  readonly headers: string
}

/** A service on loopback that tells everybody whom it takes them for. */
export interface TokenService {
  readonly origin: string
  visits(): readonly Visit[]
  /** Whose tokens it takes; until it is told, nobody's. */
  trust(issuer: Issuer): void
  /** Takes no token for so many requests. */
  takeNone(times: number): void
}

export interface ExchangeStage {
  readonly stage: Stage
  readonly service: TokenService
  /** Origin of the route `reports` at the first replica. */
  readonly reports: string
}

const CALLERS = ['person', 'machine']
export const as = (audience: string, more: object = {}) => ({ kind: 'token-exchange', audience, ...more })

export async function stageWithExchange(t: TestContext, start: StartWorld, options: StageOptions = {}): Promise<ExchangeStage> {
  const service = await startTokenService(t)
  const route = (host: string, how: object) => {
    return { name: host, match: { host: `${host}.localhost`, path: '/**' }, allow: { callers: CALLERS }, upstream: service.origin, as: how }
  }
  const stage = await setStage(t, start, {
    ...options,
    issuer: (origin) => ({
      audience: [AUDIENCE, REPORTS],
      clients: clientsOf(origin).map((client) =>
        client.id === CLIENT && 'secret' in client ? { ...client, exchanges: [AUDIENCE] } : client,
      ),
      ...(typeof options.issuer === 'function' ? options.issuer(origin) : options.issuer),
    }),
    async configure(config, world) {
      service.trust(world.issuer)
      const allow = { callers: CALLERS, providers: ['corp'] }
      config.clusters['reports'] = { server: service.origin, allow, as: as(REPORTS) }
      config.clusters['by-id'] = { server: service.origin, allow, as: as(REPORTS, { token: 'id-token' }) }
      config.clusters['nowhere'] = { server: service.origin, allow, as: as(NOWHERE) }
      config['routes'] = [
        route('reports', as(REPORTS)),
        route('nowhere', as(NOWHERE)),
        route('wide', as(REPORTS, { scopes: ['everything'] })),
      ]
      await options.configure?.(config, world)
    },
  })
  return { stage, service, reports: stage.origin.replace('//localhost', '//reports.localhost') }
}

/** Starts a service; it ends with the test. */
export async function startTokenService(t: TestContext): Promise<TokenService> {
  const visits: Visit[] = []
  let trusted: Issuer | undefined
  let none = 0
  const server = createServer((request, response) => {
    const { authorization } = request.headers
    const taking = none > 0 || trusted === undefined ? Promise.reject(new Error('none is taken')) : claimsOf(trusted, authorization)
    none = Math.max(0, none - 1)
    const answer = (status: number, claims?: JWTPayload) => {
      visits.push({ path: request.url ?? '', authorization, claims, headers: JSON.stringify(request.rawHeaders) })
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ sub: claims?.sub ?? null }))
    }
    void taking.then(
      (claims) => answer(200, claims),
      () => answer(401),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    visits: () => visits,
    trust(issuer) {
      trusted = issuer
    },
    takeNone(times) {
      none = times
    },
  }
}

/** As a service does it that trusts the issuer: signature, issuer, its own audience, and the type. */
async function claimsOf(issuer: Issuer, authorization = ''): Promise<JWTPayload> {
  const [, token = ''] = /^Bearer (\S+)$/.exec(authorization) ?? []
  const { payload } = await jwtVerify(token, issuer.signingKey().publicKey, { issuer: issuer.issuer, audience: REPORTS, typ: 'at+jwt' })
  return payload
}
