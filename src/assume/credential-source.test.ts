import { createFakeClock } from '../clock.fake.ts'
import { ReferenceUnreadable } from '../config/references.ts'
import { Refusal } from '../errors.ts'
import { createLog } from '../log.ts'
import { bearerCaller, loginCaller, unsignedJwt } from '../principal.fake.ts'
import { Secret } from '../secret.ts'
import { cached } from './cached.ts'
import { credentialSourceConformance, type SourceUnderTest } from './credential-source.conformance.ts'
import { createForwardToken } from './forward-token.ts'
import { identified, MANDATE_HEADERS } from './identified.ts'
import { createKubernetesImpersonation } from './kubernetes-impersonation.ts'
import { createNone } from './none.ts'
import { patient } from './patient.ts'
import { createTokenExchangeSource } from './token-exchange.ts'

const TARGET = { id: 'cluster/prod', audience: 'kubernetes', scopes: [] }
const alice = loginCaller({ proof: { loginId: 'login-alice' } })
const bob = loginCaller({ principal: { subject: 'bob', kubernetesUser: 'bob' }, proof: { loginId: 'login-bob' } })

function forwardToken(): SourceUnderTest {
  const clock = createFakeClock()
  let broken = false
  const source = createForwardToken({
    token: 'id-token',
    passThroughOpen: false,
    audienceFor: () => 'kubernetes',
    takenAsBearer: () => false,
    logins: {
      async fresh(loginId) {
        if (broken) throw new Refusal('issuer_unavailable')
        return { token: new Secret(unsignedJwt({ aud: 'kubernetes', sub: loginId })), expiresAt: clock.now() + 300_000 }
      },
    },
  })
  const breakDown = () => {
    broken = true
    return () => {
      broken = false
    }
  }
  return { source, clock, target: TARGET, alice, bob, unfit: bearerCaller('a.b.c'), breakDown }
}

function impersonation(): SourceUnderTest {
  const clock = createFakeClock()
  let broken = false
  const read = () => {
    if (broken) throw new ReferenceUnreadable('the file token cannot be read')
    return new Secret('broker')
  }
  const source = createKubernetesImpersonation(
    {
      token: { read, version: () => '1' },
      prefixOf: () => 'corp:',
      prefixes: ['corp:'],
      reservedAllowed: [],
      log: createLog(() => undefined),
    },
    () => clock.now(),
  )
  const breakDown = () => {
    broken = true
    return () => {
      broken = false
    }
  }
  return {
    source,
    clock,
    target: TARGET,
    alice,
    bob,
    unfit: loginCaller({ principal: { groups: ['system:masters'] }, proof: { loginId: 'login-3' } }),
    breakDown,
  }
}

function tokenExchange(): SourceUnderTest {
  const clock = createFakeClock()
  let broken = false
  const source = createTokenExchangeSource({
    token: 'access-token',
    takenAsBearer: () => false,
    namesAnother: () => false,
    log: createLog(() => undefined),
    logins: { fresh: async (loginId) => ({ token: new Secret(`of-${loginId}`), expiresAt: clock.now() + 300_000 }) },
    issuerOf: () => ({
      accept: 'access-token',
      async exchange({ token, subject }) {
        if (broken) return { result: 'unavailable', reason: 'timeout' }
        if (subject === 'mallory') return { result: 'refused', reason: 'access_denied' }
        return { result: 'exchanged', token, expiresAt: clock.now() + 300_000, typ: undefined, audiences: [] }
      },
    }),
  })
  const breakDown = () => {
    broken = true
    return () => {
      broken = false
    }
  }
  const unfit = bearerCaller('a.b.c', { principal: { subject: 'mallory' } })
  return { source: patient(source, clock), clock, target: TARGET, alice, bob, unfit, breakDown }
}

function none(): SourceUnderTest {
  const unfit = loginCaller({ principal: { subject: '' } })
  return {
    source: identified(createNone(), MANDATE_HEADERS),
    clock: createFakeClock(),
    target: { ...TARGET, id: 'route/app' },
    alice,
    bob,
    unfit,
  }
}

function inCache(open: () => SourceUnderTest): () => SourceUnderTest {
  return () => {
    const under = open()
    return { ...under, source: cached(under.source, under.clock, { hit: () => undefined, acquired: () => undefined }) }
  }
}

credentialSourceConformance('forward-token', forwardToken)
credentialSourceConformance('forward-token in the cache', inCache(forwardToken))
credentialSourceConformance('token-exchange', tokenExchange)
credentialSourceConformance('token-exchange in the cache', inCache(tokenExchange))
credentialSourceConformance('kubernetes-impersonation', impersonation)
credentialSourceConformance('kubernetes-impersonation in the cache', inCache(impersonation))
credentialSourceConformance('none', none)
credentialSourceConformance('none in the cache', inCache(none))
