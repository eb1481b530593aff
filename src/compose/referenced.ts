/**
 * What references lead to, judged before a start: by `mandate check` and by the start alike, so that neither takes what
 * the other refuses.
 *
 * Security: what is read is judged here and dropped. A fault says where a value stands and what is wrong with it, never the
 * value.
 */

import type { Config } from '../config/config.ts'
import type { Fault } from '../config/faults/faults.ts'
import { ReferenceUnreadable, secretSource } from '../config/references.ts'
import { authorityFault, certificateAdvice, type Judged, pairFaults, privateKeyFault } from '../config/unsafe/certificates.ts'
import type { Reference } from '../config/values.ts'
import type { Secret } from '../secret.ts'
import { redisUrlFault } from '../store/redis-address.ts'
import { keyFault } from '../store/sealed.ts'

export interface Referenced {
  /** What keeps the gateway from starting. */
  readonly faults: readonly Fault[]
  /** What is read only when somebody needs it, and would fail by now: the gateway starts, and they will not get far. */
  readonly failing: readonly Fault[]
  /** What can be used, unwisely. */
  readonly advice: readonly Fault[]
}

type Judge = (value: Secret) => Judged | undefined

/** Reads whatever the configuration refers to, at `now` in milliseconds since 1970. */
export function readReferenced(config: Config, now: number): Referenced {
  const pairs = [...listenerPairs(config)].map(({ path, cert, key, hosts }): Pick<Referenced, 'faults' | 'advice'> => {
    const [ofCert, ofKey] = [read(`${path}.cert`, cert), read(`${path}.key`, key)]
    const faults = [...ofCert.faults, ...ofKey.faults]
    if (ofCert.value === undefined || ofKey.value === undefined) return { faults, advice: [] }
    const pair = { cert: ofCert.value.expose(), key: ofKey.value.expose() }
    const found = pairFaults(path, pair)
    return { faults: found, advice: found.length > 0 ? [] : certificateAdvice(`${path}.cert`, pair.cert, hosts, now) }
  })
  return {
    faults: [
      ...pairs.flatMap(({ faults }) => faults),
      ...ofStore(config),
      ...Object.values(config.clusters).flatMap(({ name, ca }) => ofReference(`clusters.${name}.ca`, ca, isAuthority)),
      // Where a proxy forwards by itself nothing connects.
      ...config.routes.flatMap(({ ca, upstream }, at) => (upstream === undefined ? [] : ofReference(`routes.${at}.ca`, ca, isAuthority))),
    ],
    failing: [...ofProviders(config), ...ofAccounts(config)],
    advice: pairs.flatMap(({ advice }) => advice),
  }
}

const isAuthority: Judge = (pem) => authorityFault(pem.expose())
const isPrivateKey: Judge = (pem) => privateKeyFault(pem.expose())

interface ListenerPair {
  readonly path: string
  readonly cert: Reference
  readonly key: Reference
  /** Whom browsers ask for there, where that is known. */
  readonly hosts: readonly string[]
}

function* listenerPairs({ publicUrl, listen, routes }: Config): Generator<ListenerPair> {
  const { protocol, hostname } = new URL(publicUrl)
  // Behind proxies nobody else sees the certificate, and they may know it by another name.
  const seen = protocol === 'https:' && listen.behind.length === 0
  const hosts = seen ? [...new Set([hostname, ...routes.map(({ match }) => match.host)])] : []
  if (listen.https !== undefined) yield { path: 'listen.https', cert: listen.https.cert, key: listen.https.key, hosts }
  const { cert, key } = listen.forwardAuth ?? {}
  if (cert !== undefined && key !== undefined) yield { path: 'listen.forwardAuth', cert, key, hosts: [] }
}

function ofStore({ store }: Config): Fault[] {
  if ('memory' in store) return []
  const { url, ca, keys, plaintextOpen } = store.redis
  const read = new Map<number, Secret>()
  return [
    ...ofReference('store.redis.url', url, (value) => redisUrlFault(value, { plaintextOpen })),
    ...ofReference('store.redis.ca', ca, isAuthority),
    ...keys.flatMap(({ key }, at) =>
      ofReference(`store.redis.keys.${at}.key`, key, (value) => {
        const [twin] = [...read].find(([, other]) => other.equals(value)) ?? []
        read.set(at, value)
        if (twin === undefined) return keyFault(value)
        return { problem: `is the key of store.redis.keys.${twin} as well`, mend: 'make another one: openssl rand -base64 32' }
      }),
    ),
  ]
}

function ofProviders({ providers }: Config): Fault[] {
  return Object.values(providers).flatMap(({ name, ca, clientAuth }): Fault[] => {
    const at = `providers.${name}`
    const ofCa = ofReference(`${at}.ca`, ca, isAuthority)
    switch (clientAuth.method) {
      case 'secret':
        return [...ofCa, ...ofReference(`${at}.clientAuth.secret`, clientAuth.secret)]
      case 'private-key-jwt':
        return [...ofCa, ...ofReference(`${at}.clientAuth.key`, clientAuth.key, isPrivateKey)]
      case 'federated-token-file':
        return [...ofCa, ...ofReference(`${at}.clientAuth.path`, { file: clientAuth.path })]
      case 'none':
        return ofCa
    }
  })
}

function ofAccounts({ clusters, brokered }: Config): Fault[] {
  return [
    ...Object.values(clusters).flatMap(({ name, as }) =>
      as.kind === 'impersonate' ? ofReference(`clusters.${name}.as.token`, as.token) : [],
    ),
    ...Object.values(brokered).flatMap(({ name, account }) => ofReference(`brokered.${name}.account.token`, account?.token)),
  ]
}

function ofReference(path: string, reference: Reference | undefined, judge?: Judge): Fault[] {
  if (reference === undefined) return []
  const { value, faults } = read(path, reference)
  const judged = value === undefined ? undefined : judge?.(value)
  return judged === undefined ? faults : [{ code: 'wrong_form', path, ...judged }]
}

function read(path: string, reference: Reference): { readonly value?: Secret; readonly faults: Fault[] } {
  try {
    return { value: secretSource(reference).read(), faults: [] }
  } catch (error) {
    if (!(error instanceof ReferenceUnreadable)) throw error
    return { faults: [{ path, problem: error.message, mend: error.mend }] }
  }
}
