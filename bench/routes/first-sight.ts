/** What a token costs that Mandate sees for the first time, against verifying it with bare jose; both in this process, in turn. */
import { generateKeyPairSync } from 'node:crypto'
import { jwtVerify, SignJWT } from 'jose'
import { createBearerAuthenticator } from '../../src/authenticate/bearer-jwt.ts'
import { systemClock } from '../../src/clock.ts'
import { checkConfig } from '../../src/config/config.ts'
import { Secret } from '../../src/secret.ts'
import { median } from '../gateway/median.ts'

export interface FirstSight {
  readonly bareUs: number
  readonly mandateUs: number
}

const ISSUER = 'https://issuer.example'
const AUDIENCE = 'api://mandate'
const WARM_UP = 1_000

/** Medians over `tokens` RS256 tokens (2,048 bits), each verified once in either way. */
export async function measureFirstSight(tokens: number): Promise<FirstSight> {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 })
  const { providers } = checkConfig({
    publicUrl: 'https://mandate.example',
    listen: { http: { port: 0 } },
    store: { memory: 'singleReplica' },
    providers: {
      corp: {
        kind: 'oidc',
        issuer: ISSUER,
        clientId: 'mandate',
        clientAuth: { method: 'none' },
        audience: AUDIENCE,
        machineClients: ['robot'],
      },
    },
  })
  const { corp } = providers
  if (corp === undefined) throw new Error('the provider is missing')
  const bearers = createBearerAuthenticator({
    providers: [{ config: corp, keys: { find: async () => publicKey } }],
    revocations: { blind: false, check: () => false, watch: () => () => undefined },
    clock: systemClock,
    oldestMs: 86_400_000,
    observe: () => undefined,
  })
  const took: { bare: number[]; mandate: number[] } = { bare: [], mandate: [] }
  const measured = async (kept: number[], run: () => Promise<unknown>) => {
    const began = process.hrtime.bigint()
    await run()
    kept.push(Number(process.hrtime.bigint() - began) / 1_000)
  }
  for (let at = 0; at < WARM_UP + tokens; at += 1) {
    const text = await new SignJWT({ scope: 'read write', client_id: 'robot', jti: String(at) })
      .setProtectedHeader({ alg: 'RS256', typ: 'at+jwt', kid: 'one' })
      .setIssuer(ISSUER)
      .setAudience(AUDIENCE)
      .setSubject('robot')
      .setIssuedAt()
      .setExpirationTime('1h')
      .sign(privateKey)
    const bare = () => jwtVerify(text, publicKey, { issuer: ISSUER, audience: AUDIENCE, algorithms: ['RS256'] })
    const mandate = async () => {
      const answer = await bearers.authenticate({
        method: 'GET',
        writes: false,
        cookie: undefined,
        authorization: new Secret(`Bearer ${text}`),
        self: 'https://mandate.example',
        origin: undefined,
        fetchSite: undefined,
      })
      if (answer.result !== 'authenticated') throw new Error('the token was not taken')
    }
    // Whoever comes second finds warm caches of the processor, so they change places.
    const both = [() => measured(took.bare, bare), () => measured(took.mandate, mandate)]
    for (const one of at % 2 === 0 ? both : both.toReversed()) await one()
  }
  bearers.close()
  return { bareUs: median(took.bare.slice(WARM_UP)), mandateUs: median(took.mandate.slice(WARM_UP)) }
}
