/** The example files load, and do what they say they are for. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { parseAllDocuments, parseDocument } from 'yaml'
import { createKubernetesImpersonation } from '../../src/assume/kubernetes-impersonation.ts'
import { advice } from '../../src/config/advice/advice.ts'
import { type Config, loadConfig, parseConfig } from '../../src/config/config.ts'
import { present } from '../../src/credential.ts'
import type { KubernetesObject } from '../../src/dev/kubernetes/object.ts'
import { type KubernetesStandIn, startKubernetes } from '../../src/dev/kubernetes/server.ts'
import { createLog } from '../../src/log.ts'
import type { Principal } from '../../src/principal.ts'
import { Secret } from '../../src/secret.ts'
import { contentOf, filesOf, PAGES, ROOT } from './files.ts'

/** What is legal but unwise in each, so that an example says knowingly what it does. */
const UNWISE: Readonly<Record<string, readonly string[]>> = {
  'examples/mandate-minimal.yaml': ['store.memory'],
  'examples/mandate-redis-two-providers.yaml': ['clusters.prod.as', 'providers.partners.accessTokenType'],
  'examples/mandate-impersonation.yaml': ['store.memory', 'clusters.here.as'],
  'examples/mandate-route.yaml': ['store.memory', 'routes.0.upstream', 'routes.1.upstream'],
}

const load = (path: string): Promise<Config> => {
  process.env['CORP_CLIENT_ID'] = 'mandate'
  return loadConfig(`${ROOT}/${path}`)
}

const objectsOf = (path: string) => parseAllDocuments(contentOf(path)).map((document) => document.toJS() as KubernetesObject)

describe('the examples', () => {
  test('are all known here', () => {
    const others = [
      'examples/agentic-sessions',
      'examples/forward-auth',
      'examples/impersonation-rbac.yaml',
      'examples/kube-apiserver-authentication.yaml',
      'examples/kubernetes-client',
      'examples/m2m-cognito',
    ]
    assert.deepEqual(filesOf('examples/*'), [...Object.keys(UNWISE), ...others].sort())
  })

  for (const [path, unwise] of Object.entries(UNWISE)) {
    test(`${path} loads, and is unwise where it means to be`, async () => {
      assert.deepEqual(
        advice(await load(path)).map((fault) => fault.path),
        unwise,
      )
    })
  }

  test('configurations in the documents load', () => {
    const blocks = PAGES.flatMap((page) =>
      [...contentOf(page).matchAll(/^```yaml\n(publicUrl:[\s\S]*?)^```/gm)].map(([, block = '']) => block),
    )
    assert.ok(blocks.length >= 1)
    for (const block of blocks) assert.doesNotThrow(() => parseConfig(block), block)
  })

  test('parts of configurations in the documents load within the minimal one', async () => {
    const minimal = parseDocument(contentOf('examples/mandate-minimal.yaml')).toJS() as {
      providers: { corp: object }
      [key: string]: unknown
    }
    const parts = PAGES.flatMap((page) =>
      [...contentOf(page).matchAll(/^```yaml\n((?:clusters|routes|clientAuth|partners):[\s\S]*?)^```/gm)].map(
        ([, block = '']) => parseDocument(block).toJS() as object,
      ),
    )
    assert.ok(parts.length >= 7)
    for (const part of parts) {
      const providers =
        'clientAuth' in part
          ? { corp: { ...minimal.providers.corp, ...part } }
          : 'partners' in part
            ? { ...minimal.providers, ...part }
            : minimal.providers
      // Which of several providers a cluster trusts is another part's matter.
      const whole = {
        ...minimal,
        ...('clusters' in part || 'routes' in part ? part : 'partners' in part ? { clusters: {} } : {}),
        providers,
      }
      assert.doesNotThrow(() => parseConfig(JSON.stringify(whole)), JSON.stringify(part))
    }
  })
})

describe('examples/kube-apiserver-authentication.yaml', () => {
  test('trusts what the minimal configuration sends, under the same names', async () => {
    const { providers, clusters } = await load('examples/mandate-minimal.yaml')
    const { corp } = providers
    const claims = {
      username: { claim: corp?.kubernetes.user, prefix: corp?.prefix },
      groups: { claim: corp?.claims.groups, prefix: corp?.prefix },
    }
    assert.equal(clusters['prod']?.as.kind, 'forward-token')
    assert.deepEqual(objectsOf('examples/kube-apiserver-authentication.yaml'), [
      {
        apiVersion: 'apiserver.config.k8s.io/v1',
        kind: 'AuthenticationConfiguration',
        jwt: [{ issuer: { url: corp?.issuer, audiences: [corp?.clientId] }, claimMappings: claims }],
      },
    ])
  })

  test('is what the guide shows', () => {
    const shown = /^```yaml\n(apiVersion: apiserver[\s\S]*?)^```/m.exec(contentOf('docs/guides/kubernetes.md'))?.[1] ?? ''
    assert.deepEqual([parseDocument(shown).toJS()], objectsOf('examples/kube-apiserver-authentication.yaml'))
  })
})

describe('examples/impersonation-rbac.yaml', () => {
  const PATH = 'examples/impersonation-rbac.yaml'
  let cluster: KubernetesStandIn

  before(async () => {
    const account = {
      username: 'system:serviceaccount:mandate:gateway',
      groups: ['system:serviceaccounts', 'system:serviceaccounts:mandate'],
    }
    cluster = await startKubernetes({
      authenticate: async () => undefined,
      serviceAccounts: new Map([['account', account]]),
      seed: objectsOf(PATH),
    })
  })
  after(() => cluster.close())

  /** Asks the cluster who it sees, with exactly the headers that Mandate sends for a principal. */
  const whoIsSeen = async (user: string, groups: readonly string[]) => {
    const principal: Principal = {
      kind: 'person',
      provider: 'corp',
      issuer: 'https://id.corp.example',
      subject: '7f3c',
      groups,
      kubernetesUser: user,
    }
    const source = createKubernetesImpersonation(
      {
        token: { read: () => new Secret('account'), version: () => '1' },
        prefixOf: () => 'corp:',
        prefixes: ['corp:'],
        reservedAllowed: [],
        log: createLog(() => undefined),
      },
      () => 0,
    )
    const answer = await source.assume(
      { principal, proof: { kind: 'login', loginId: 'a login' }, ended: new AbortController().signal },
      { id: 'cluster/here', audience: '', scopes: [] },
    )
    assert.ok(answer.result === 'granted', answer.result)
    return ask(
      '/apis/authentication.k8s.io/v1/selfsubjectreviews',
      present(answer.credential).flat(),
      '{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}',
    )
  }
  const ask = async (path: string, headers: readonly string[], body?: string) => {
    const framing = ['Host', 'kubernetes', 'Content-Type', 'application/json', 'Content-Length', String(body?.length ?? 0)]
    const sent = request(new URL(path, cluster.url), { method: body === undefined ? 'GET' : 'POST', headers: [...headers, ...framing] })
    sent.end(body)
    const [answer] = (await once(sent, 'response')) as [IncomingMessage]
    return { status: answer.statusCode, body: await text(answer) }
  }

  test('lets Mandate name a listed person with user, uid, groups and extra', async () => {
    const seen = await whoIsSeen('alice', ['platform', 'auditors'])
    assert.equal(seen.status, 201, seen.body)
    const { username, uid, groups, extra } = JSON.parse(seen.body).status.userInfo
    assert.equal(username, 'corp:alice')
    assert.match(uid, /^[\w-]{43}$/)
    assert.deepEqual(groups, ['corp:platform', 'corp:auditors', 'system:authenticated'])
    assert.deepEqual(extra, { 'mandate.dev/provider': ['corp'], 'mandate.dev/subject': ['7f3c'] })
  })

  test('refuses a person and a group that are not listed', async () => {
    for (const [user, groups] of [
      ['mallory', ['platform']],
      ['alice', ['platform', 'admins']],
    ] as const) {
      const seen = await whoIsSeen(user, groups)
      assert.equal(seen.status, 403)
      assert.match(seen.body, /cannot impersonate/)
    }
  })

  test('gives the account no other right', async () => {
    const rules = objectsOf(PATH).flatMap((object) => (Array.isArray(object['rules']) ? object['rules'] : []))
    assert.ok(rules.every((rule) => JSON.stringify((rule as { verbs: unknown }).verbs) === '["impersonate"]'))
    assert.equal((await ask('/api/v1/namespaces', ['Authorization', 'Bearer account'])).status, 403)
  })

  test('is the role that SECURITY.md shows', () => {
    const shown = /^```yaml\n(apiVersion: rbac[\s\S]*?)^```/m.exec(contentOf('SECURITY.md'))?.[1] ?? ''
    assert.deepEqual(
      parseDocument(shown).toJS(),
      objectsOf(PATH).find(({ kind }) => kind === 'ClusterRole'),
    )
  })
})
