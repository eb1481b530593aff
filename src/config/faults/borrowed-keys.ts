/** Keys that people bring from other tools, or put in another place than theirs, with what is written here instead. */
import { isAt } from './examples-of-keys.ts'

type Mends = Readonly<Record<string, string>>

const CLIENT_SECRET = 'it is clientAuth: { method: secret, secret: { file: client-secret } }'
const ISSUER = 'it is issuer, without /.well-known/openid-configuration'
const REDIRECT = 'remove it: it is publicUrl with /callback/ and the name of the provider'
const DISCOVERED = 'remove it: the issuer says it itself, by discovery'
const BY_ALLOW = 'who may come is said in allow of each cluster and route'
const BY_CLAIMS = 'people are named by claims: { sub: [...] }'
const BY_EMAIL = 'people are named by claims: { sub: [...] }, or claims: { email: [...] } where it is verified'
const BY_DOMAIN = 'name groups, or a claim that the issuer vouches for, such as claims: { hd: [example.com] } of Google'
const BY_GROUP = "people come as far as a cluster by groups: [...]; by name the cluster's own RBAC lets them in"
const IN_PROVIDER = 'it stands in providers: { NAME: { ... } }'
const IN_MATCH = 'it stands in match: { host, path, methods }'
const IN_ALLOW = 'it stands in allow: { ... }'
const UPSTREAM = 'it is upstream'
const PORT = 'it stands in listen: { http: { port: 8080 } }'

const OF_A_RULE: Mends = {
  users: BY_CLAIMS,
  user: BY_CLAIMS,
  subjects: BY_CLAIMS,
  people: BY_CLAIMS,
  emails: BY_EMAIL,
  email: BY_EMAIL,
  emaildomains: BY_DOMAIN,
  emaildomain: BY_DOMAIN,
  domains: BY_DOMAIN,
  roles: 'they are claims: { roles: [...] }',
  machines: 'machines are let in by callers: [machine], and listed in machineClients of their provider',
}

/** By place; the names are compared in lower case, without hyphens and underscores. */
const BORROWED: Readonly<Record<string, Mends>> = {
  '': {
    clientid: IN_PROVIDER,
    clientsecret: CLIENT_SECRET.replace('it is', 'it stands in providers: { NAME: { ... } }, as'),
    issuer: IN_PROVIDER,
    issuerurl: IN_PROVIDER,
    oidcissuerurl: `${IN_PROVIDER}, as issuer`,
    redirecturl: REDIRECT,
    redirecturi: REDIRECT,
    emaildomains: BY_ALLOW,
    users: BY_ALLOW,
    allow: BY_ALLOW,
    upstreams: 'each is a route: routes: [{ match, allow, upstream }]',
    cookiesecret: 'remove it: logins are sealed by store.redis.keys, or stay in memory',
    redis: 'it stands in store: { redis: { url, keys } }',
    port: PORT,
    httpaddress: PORT,
  },
  listen: { port: PORT, host: 'it stands in listen: { http: { host, port } }' },
  'providers.*': {
    clientsecret: CLIENT_SECRET,
    clientsecretfile: CLIENT_SECRET,
    secret: CLIENT_SECRET,
    issuerurl: ISSUER,
    oidcissuerurl: ISSUER,
    discoveryurl: ISSUER,
    authority: ISSUER,
    redirecturi: REDIRECT,
    redirecturis: REDIRECT,
    redirecturl: REDIRECT,
    callbackurl: REDIRECT,
    authorizationurl: DISCOVERED,
    authorizationendpoint: DISCOVERED,
    tokenurl: DISCOVERED,
    tokenendpoint: DISCOVERED,
    jwksurl: DISCOVERED,
    jwksuri: DISCOVERED,
    allow: BY_ALLOW,
    allowedgroups: BY_ALLOW,
    emaildomains: BY_ALLOW,
    users: BY_ALLOW,
  },
  'clusters.*.allow': {
    users: BY_GROUP,
    user: BY_GROUP,
    emails: BY_GROUP,
    emaildomains: BY_GROUP,
    claims: BY_GROUP,
    provider: 'it is a list here: providers: [corp]',
  },
  'routes.*': {
    host: IN_MATCH,
    path: IN_MATCH,
    methods: IN_MATCH,
    users: IN_ALLOW,
    groups: IN_ALLOW,
    claims: IN_ALLOW,
    callers: IN_ALLOW,
    provider: IN_ALLOW,
    providers: IN_ALLOW,
    backend: UPSTREAM,
    target: UPSTREAM,
    service: UPSTREAM,
    url: UPSTREAM,
    ratelimit: 'it is limit: { perPrincipal: 60/minute }',
    headers: 'it stands in identity: { headers: { X-User: subject } }',
  },
  'routes.*.allow': OF_A_RULE,
  'routes.*.allow.*': OF_A_RULE,
}

/** What is written instead of a key, by its path; undefined for one that is not known from elsewhere. */
export function mendOfBorrowed(path: readonly PropertyKey[]): string | undefined {
  const key = String(path.at(-1)).toLowerCase().replaceAll(/[-_]/g, '')
  const above = path.slice(0, -1)
  const mends = Object.entries(BORROWED).find(([place]) => isAt(place, above))?.[1]
  return mends !== undefined && Object.hasOwn(mends, key) ? mends[key] : undefined
}
