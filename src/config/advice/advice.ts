/** What is legal but unwise: `mandate check` prints it, and the gateway logs it at start. */

import type { Config } from '../config.ts'
import type { Fault } from '../faults/faults.ts'
import { brokerAdvice } from './broker-advice.ts'
import { clientAdvice } from './client-advice.ts'
import { forwardAuthAdvice } from './forward-auth-advice.ts'
import { FOR_ANYBODY, isForAnybody, routeAdvice } from './route-advice.ts'
import { senseless } from './senseless.ts'
import { sharedAudiences } from './shared-audiences.ts'
import { slips } from './slips.ts'

/** Advice on a configuration that loads, in the form of faults that do not prevent a start. */
export function advice(config: Config): Fault[] {
  const found: Fault[] = []
  if ('memory' in config.store) {
    found.push({ path: 'store.memory', problem: 'keeps logins in this process: a restart signs everybody out', mend: 'use store.redis' })
  }
  if ('redis' in config.store && config.store.redis.plaintextOpen) {
    found.push({
      path: 'store.redis.plaintextOpen',
      problem: 'lets whoever is on the network to Redis read its password and undo sign-outs',
      mend: 'use rediss:// and remove it',
    })
  }
  if (config.tracing?.plaintextOpen === true) {
    found.push({
      path: 'tracing.plaintextOpen',
      problem: 'lets whoever is on the network to the collector read and forge traces',
      mend: 'use https and remove it',
    })
  }
  for (const cluster of Object.values(config.clusters)) {
    const at = `clusters.${cluster.name}`
    if (cluster.as.kind === 'impersonate') {
      found.push({
        path: `${at}.as`,
        problem: 'impersonates: whoever holds that token is whoever they like',
        mend: 'have the cluster trust the issuer and use forward-token, or bound the account by resourceNames',
      })
      for (const identity of cluster.as.reservedAllowed) {
        found.push({
          path: `${at}.as.reservedAllowed`,
          problem: `lets an issuer name ${identity}`,
          mend: 'remove it unless the issuer is as trusted as the cluster itself',
        })
      }
    }
    if (cluster.as.kind === 'forward-token' && cluster.as.passThroughOpen) {
      found.push({
        path: `${at}.as.passThroughOpen`,
        problem: "sends a caller's bearer on: the cluster could use it against Mandate",
        mend: 'let people sign in, or have the caller get an exchanged token',
      })
    }
    if (cluster.server.startsWith('http:')) {
      found.push({ path: `${at}.server`, problem: 'is plain http on loopback', mend: 'use https outside of trials' })
    }
  }
  const several = Object.keys(config.providers).length > 1
  for (const { name, allow } of Object.values(config.clusters)) {
    if (several && isForAnybody(allow)) found.push({ path: `clusters.${name}.allow`, ...FOR_ANYBODY })
    if (!several || allow.groups === undefined || allow.providers !== undefined) continue
    found.push({
      path: `clusters.${name}.allow.groups`,
      problem: 'counts a group of this name from any provider',
      mend: 'name the providers in allow.providers whose groups are meant',
    })
  }
  for (const provider of Object.values(config.providers)) {
    const at = `providers.${provider.name}`
    if (provider.prefix === '')
      found.push({
        path: `${at}.kubernetes.prefix`,
        problem: 'is empty: the issuer can name any user of the cluster',
        mend: 'use a prefix',
      })
    // A user pool has no other kind of either.
    if (provider.refreshTokens !== 'rotating' && provider.kind !== 'cognito') {
      found.push({
        path: `${at}.refreshTokens`,
        problem: 'lets a refresh token be presented again',
        mend: 'keep rotating unless the issuer documents that it takes a used token',
      })
    }
    if (provider.accessTokenType === 'jwt' && provider.accept === 'access-token' && provider.kind !== 'cognito') {
      found.push({
        path: `${at}.accessTokenType`,
        problem: 'cannot tell access tokens from others by their header',
        mend: 'use at+jwt if the issuer can send it',
      })
    }
    if (provider.issuer.startsWith('http:'))
      found.push({ path: `${at}.issuer`, problem: 'is plain http on loopback', mend: 'use https outside of trials' })
  }
  return [
    ...found,
    ...slips(config),
    ...clientAdvice(config),
    ...sharedAudiences(config),
    ...routeAdvice(config),
    ...senseless(config),
    ...forwardAuthAdvice(config),
    ...brokerAdvice(config),
    ...longLives(config),
  ]
}

const HOUR = 3_600_000

/** Lifetimes that load but make "ended" a long time coming when nobody says that something has ended. */
function longLives({ sessions, streams }: Config): Fault[] {
  const lives: ReadonlyArray<readonly [path: string, ms: number, mostMs: number, problem: string, mend: string]> = [
    ['sessions.idle', sessions.idle, 24 * HOUR, 'lets an unused login live for more than a day', 'write a day at most'],
    [
      'sessions.absolute',
      sessions.absolute,
      7 * 24 * HOUR,
      'lets a login, stolen ones too, live for more than a week',
      'write a week at most',
    ],
    [
      'streams.maxAge',
      streams.maxAge,
      24 * HOUR,
      'keeps a stream open for more than a day on the rights of its start',
      'write a day at most',
    ],
    [
      'streams.blindFor',
      streams.blindFor,
      HOUR / 12,
      'keeps streams open for more than five minutes without sight of what was revoked',
      'write five minutes at most',
    ],
  ]
  return lives.filter(([, ms, mostMs]) => ms > mostMs).map(([path, , , problem, mend]) => ({ path, problem, mend }))
}
