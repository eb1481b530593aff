/**
 * Tokens of service accounts: TokenRequest (authentication.k8s.io/v1), and who shows such a token later.
 *
 * The key is made anew with each server and signs nothing else. A token is believed by its signature, and then only as
 * long as it lasts, for the audience of the API server itself, and while its account and what it is bound to are there.
 */
import { createHash, generateKeyPairSync, randomUUID, sign, verify } from 'node:crypto'
import { asArray, asObject, asText, asTexts, at, type JsonObject, type KubernetesObject, parseJson, timestamp } from './object.ts'
import type { ObjectStore } from './object-store.ts'
import { findResource, type ResourceType } from './resource-table.ts'
import { badRequest, conflict, invalid, notFound } from './status-error.ts'
import { serviceAccountGroups, type UserInfo } from './user-info.ts'
import { wrong } from './validation-causes.ts'

/** Issuer of the tokens and, as nothing else is configured, the audience that the API server takes. */
export const apiAudience = 'https://kubernetes.default.svc'

const shortest = 600
const longest = 2 ** 32
const jsonKey = 'kubernetes.io'

function typeOf(resource: string): ResourceType {
  const type = findResource('', 'v1', resource)
  if (type === undefined) throw new Error(`the resource table lacks ${resource}`)
  return type
}

const accounts = typeOf('serviceaccounts')
/** What a token may be bound to, by kind. */
const bindable: Readonly<Record<string, ResourceType>> = { Pod: typeOf('pods'), Secret: typeOf('secrets'), Node: typeOf('nodes') }

const encoded = (value: JsonObject): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const decoded = (text: string): JsonObject => asObject(parseJson(Buffer.from(text, 'base64url').toString('utf8'))) ?? {}
/** Seconds since the epoch. */
const now = (): number => Math.floor(Date.now() / 1000)

export class AccountTokens {
  readonly #store: ObjectStore
  readonly #keys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  readonly #header: string

  constructor(store: ObjectStore) {
    this.#store = store
    const spki = this.#keys.publicKey.export({ type: 'spki', format: 'der' })
    this.#header = encoded({ alg: 'ES256', kid: createHash('sha256').update(spki).digest('base64url') })
  }

  /** The answer to a request for a token. Throws 404, 409 or 422. It is issued in a dry run, too: nothing is stored by it. */
  issue(namespace: string, name: string, sent: KubernetesObject): KubernetesObject {
    const { metadata } = sent
    const faulty = (object: string, field: string, value: string | number, why: string): never => {
      throw invalid('authentication.k8s.io', 'TokenRequest', object, [wrong(field, value, why)])
    }
    if (asText(metadata.namespace) !== '' && metadata.namespace !== namespace) {
      throw badRequest('the namespace of the provided object does not match the namespace sent on the request')
    }
    const named = asText(metadata.name)
    if (named !== '' && named !== name) faulty(name, 'metadata.name', named, 'must match the service account name if specified')
    const account = this.#store.get(accounts, namespace, name)
    if (account === undefined) throw notFound(accounts, name)
    const lasts = at(sent.spec, 'expirationSeconds') ?? 3600
    if (typeof lasts !== 'number' || !Number.isInteger(lasts)) throw notSeconds(typeof lasts)
    if (lasts < shortest) faulty('', 'spec.expirationSeconds', lasts, 'may not specify a duration less than 10 minutes')
    if (lasts > longest) faulty('', 'spec.expirationSeconds', lasts, 'may not specify a duration larger than 2^32 seconds')
    const wanted = asTexts(at(sent.spec, 'audiences'))
    const audiences = wanted.length > 0 ? wanted : [apiAudience]
    const boundObjectRef = asObject(at(sent.spec, 'boundObjectRef')) ?? null
    const bound = boundObjectRef === null ? {} : this.#bound(namespace, name, boundObjectRef)
    const uid = asText(account.metadata.uid)
    const iat = now()
    const token = this.#signed({
      aud: audiences,
      exp: iat + lasts,
      iat,
      iss: apiAudience,
      jti: randomUUID(),
      [jsonKey]: { namespace, ...bound, serviceaccount: { name, uid } },
      nbf: iat,
      sub: `system:serviceaccount:${namespace}:${name}`,
    })
    return {
      kind: 'TokenRequest',
      apiVersion: 'authentication.k8s.io/v1',
      metadata: { ...metadata, name, namespace, uid, creationTimestamp: timestamp(iat * 1000) },
      spec: { audiences, expirationSeconds: lasts, boundObjectRef },
      status: { token, expirationTimestamp: timestamp((iat + lasts) * 1000) },
    }
  }

  /** Whose token this is, now and here; undefined for what is none, or none any more. */
  userOf(bearer: string): UserInfo | undefined {
    const [header = '', payload = '', signature = '', ...more] = bearer.split('.')
    if (header !== this.#header || more.length > 0) return undefined
    const key = { key: this.#keys.publicKey, dsaEncoding: 'ieee-p1363' } as const
    if (!verify('sha256', Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, 'base64url'))) return undefined
    const claims = decoded(payload)
    const about = claims[jsonKey]
    const [namespace, name] = [asText(at(about, 'namespace')), asText(at(about, 'serviceaccount', 'name'))]
    const account = this.#store.get(accounts, namespace, name)
    if (account === undefined || account.metadata.uid !== at(about, 'serviceaccount', 'uid')) return undefined
    if (Number(claims.exp) <= now() || !asArray(claims.aud).includes(apiAudience)) return undefined
    for (const [kind, type] of Object.entries(bindable)) {
      const ref = at(about, kind.toLowerCase())
      const found = ref === undefined ? undefined : this.#store.get(type, type.namespaced ? namespace : '', asText(at(ref, 'name')))
      if (ref !== undefined && found?.metadata.uid !== at(ref, 'uid')) return undefined
    }
    const pod = at(about, 'pod')
    return {
      username: asText(claims.sub),
      uid: asText(account.metadata.uid),
      groups: serviceAccountGroups(namespace),
      extra: {
        'authentication.kubernetes.io/credential-id': [`JTI=${asText(claims.jti)}`],
        ...(pod === undefined
          ? {}
          : {
              'authentication.kubernetes.io/pod-name': [asText(at(pod, 'name'))],
              'authentication.kubernetes.io/pod-uid': [asText(at(pod, 'uid'))],
            }),
      },
    }
  }

  /** The claim of what a token is bound to: it ends with that. */
  #bound(namespace: string, account: string, ref: JsonObject): JsonObject {
    const [apiVersion, kind, name, uid] = [asText(ref.apiVersion), asText(ref.kind), asText(ref.name), asText(ref.uid)]
    const type = apiVersion === 'v1' && Object.hasOwn(bindable, kind) ? bindable[kind] : undefined
    if (type === undefined) {
      const [group, version] = apiVersion.includes('/') ? apiVersion.split('/') : ['', apiVersion]
      throw badRequest(`cannot bind token to object of type ${group}/${version}, Kind=${kind}`)
    }
    const found = this.#store.get(type, type.namespaced ? namespace : '', name)
    if (found === undefined) throw notFound(type, name)
    if (kind === 'Pod' && at(found, 'spec', 'serviceAccountName') !== account) {
      throw badRequest(`cannot bind token for serviceaccount ${JSON.stringify(account)} to pod running with different serviceaccount name.`)
    }
    if (uid !== '' && uid !== found.metadata.uid) {
      const why = `the UID in the bound object reference (${uid}) does not match the UID in record. The object might have been deleted and then recreated`
      throw conflict({ group: '', resource: kind }, name, why)
    }
    return { [kind.toLowerCase()]: { name, uid: asText(found.metadata.uid) } }
  }

  #signed(claims: JsonObject): string {
    const text = `${this.#header}.${encoded(claims)}`
    const key = { key: this.#keys.privateKey, dsaEncoding: 'ieee-p1363' } as const
    return `${text}.${sign('sha256', Buffer.from(text), key).toString('base64url')}`
  }
}

function notSeconds(found: string) {
  const why = `json: cannot unmarshal ${found} into Go struct field TokenRequestSpec.spec.expirationSeconds of type int64`
  return badRequest(`TokenRequest in version "v1" cannot be handled as a TokenRequest: ${why}`)
}
