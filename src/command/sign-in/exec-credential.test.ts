import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Complaint } from '../../complaint.ts'
import { answerAtHand } from './at-hand.ts'
import { execCredential, execRequest, requireGateway } from './exec-credential.ts'
import { gatewayOrigin } from './gateway-address.ts'
import { dueTokens, GATEWAY, keptTokens, spentTokens, testFolder } from './kept-tokens.fake.ts'
import { placeFor } from './kept-tokens.ts'

const refused = (words: RegExp) => (error: unknown) => error instanceof Complaint && words.test(error.message)
const V1 = 'client.authentication.k8s.io/v1'

function asked(change: Record<string, unknown> = {}, server = `${GATEWAY}/clusters/prod`): string {
  return JSON.stringify({ apiVersion: V1, kind: 'ExecCredential', spec: { interactive: false, cluster: { server } }, ...change })
}

test('refuses what is no question of kubectl, and versions that are not spoken here', () => {
  assert.throws(() => execRequest('{'), refused(/not JSON/))
  for (const change of [{ kind: 'Pod' }, { apiVersion: 'client.authentication.k8s.io/v1alpha1' }, { apiVersion: 7 }])
    assert.throws(() => execRequest(asked(change)), refused(/version of ExecCredential/))
})

test('refuses when nobody says which server it is for, or when that one would not be verified', () => {
  const GOOD = { server: `${GATEWAY}/clusters/prod` }
  const cases: ReadonlyArray<readonly [unknown, RegExp]> = [
    [undefined, /set provideClusterInfo: true/],
    [null, /set provideClusterInfo: true/],
    [{}, /set provideClusterInfo: true/],
    [{ server: '' }, /set provideClusterInfo: true/],
    [{ server: [GOOD.server] }, /set provideClusterInfo: true/],
    [{ ...GOOD, 'insecure-skip-tls-verify': true }, /insecure-skip-tls-verify/],
    [{ ...GOOD, 'insecure-skip-tls-verify': 'false' }, /insecure-skip-tls-verify/],
    [{ ...GOOD, 'tls-server-name': 'evil.example' }, /tls-server-name/],
    [{ ...GOOD, 'tls-server-name': ['evil.example'] }, /tls-server-name/],
  ]
  for (const [cluster, words] of cases)
    assert.throws(() => execRequest(asked({ spec: { interactive: false, cluster } })), refused(words), JSON.stringify(cluster))
  assert.throws(() => execRequest(asked({ spec: undefined })), refused(/set provideClusterInfo: true/))
  // What kubectl says of a server that it verifies; a proxy carries TLS through.
  const said = { ...GOOD, 'insecure-skip-tls-verify': false, 'tls-server-name': '', 'proxy-url': 'http://proxy.example:3128' }
  assert.equal(execRequest(asked({ spec: { cluster: said } }))?.cluster.server, GOOD.server)
})

test('refuses a cluster that is not at the gateway', () => {
  for (const server of [
    'https://evil.example/clusters/prod',
    `${GATEWAY}:8443/clusters/prod`,
    'http://mandate.example',
    `${GATEWAY}.evil.example`,
    'https://evil.example@mandate.example/clusters/prod',
    'https://mandate.example\\@evil.example/clusters/prod',
    'https://mandate.\nexample/clusters/prod',
    ` ${GATEWAY}/clusters/prod`,
  ]) {
    const request = execRequest(asked({}, server))
    assert.throws(() => request && requireGateway(request, GATEWAY), refused(/not at the gateway/))
  }
  const request = execRequest(asked())
  assert.doesNotThrow(() => request && requireGateway(request, GATEWAY))
})

test('refuses gateways that kubectl could not use', () => {
  assert.throws(() => gatewayOrigin('http://localhost:8080'), refused(/kubectl sends no token over http/))
  for (const address of [
    'mandate.example',
    'ftp://mandate.example',
    `${GATEWAY}/clusters`,
    `${GATEWAY}/?a=b`,
    'https://me:pass@mandate.example',
    `${GATEWAY}/#a`,
  ])
    assert.throws(() => gatewayOrigin(address), refused(/not an address such as/))
  assert.throws(() => gatewayOrigin(undefined), refused(/MANDATE_GATEWAY/))
  assert.equal(gatewayOrigin(`${GATEWAY}:443/`), GATEWAY)
})

test('answers in the version that was asked, with a margin before the end', () => {
  const now = Date.now()
  for (const version of ['v1', 'v1beta1']) {
    const apiVersion = `client.authentication.k8s.io/${version}`
    assert.equal(execRequest(asked({ apiVersion }))?.apiVersion, apiVersion)
    const answer = JSON.parse(execCredential(apiVersion, keptTokens(), now))
    assert.deepEqual([answer.apiVersion, answer.kind, answer.status.token], [apiVersion, 'ExecCredential', 'token-1'])
    const left = Date.parse(answer.status.expirationTimestamp) - now
    assert.ok(left > 3_290_000 && left <= 3_300_000, String(left))
    assert.match(answer.status.expirationTimestamp, /:\d\dZ$/)
  }
})

test('reads the CA that kubectl hands on, and whether a person can be asked', () => {
  const data = Buffer.from('a PEM').toString('base64')
  const request = execRequest(asked({ spec: { interactive: true, cluster: { server: GATEWAY, 'certificate-authority-data': data } } }))
  assert.deepEqual(request, { apiVersion: V1, interactive: true, cluster: { server: GATEWAY, ca: 'a PEM' } })
  assert.equal(execRequest(undefined), undefined)
})

test('at hand is nothing for a server that is not verified, or of another issuer, client, audience or resource than is pinned', (t) => {
  const state = testFolder(t)
  placeFor(GATEWAY, 'corp', () => undefined, state).write(keptTokens())
  const args = ['--gateway', GATEWAY, '--provider', 'corp']
  const env = { MANDATE_STATE: state, KUBERNETES_EXEC_INFO: asked() }
  const insecure = asked({ spec: { cluster: { server: GATEWAY, 'insecure-skip-tls-verify': true } } })
  assert.throws(() => answerAtHand(args, { ...env, KUBERNETES_EXEC_INFO: insecure }), refused(/insecure-skip-tls-verify/))
  assert.throws(() => answerAtHand(args, { ...env, KUBERNETES_EXEC_INFO: asked({ spec: {} }) }), refused(/provideClusterInfo/))
  for (const pin of ['--issuer=https://issuer.example/', '--client=other', '--audience=api://other', '--resource=api://mandate'])
    assert.throws(() => answerAtHand([...args, pin], env), refused(/the tokens that are kept are of the .* instead of .* --forget first/))
})

test('at hand is a fresh token for what the kubeconfig asks, and nothing else', (t) => {
  const state = testFolder(t)
  const env = { MANDATE_STATE: state, KUBERNETES_EXEC_INFO: asked() }
  const args = ['--gateway', GATEWAY, '--provider', 'corp']
  const place = placeFor(GATEWAY, 'corp', () => undefined, state)
  assert.equal(answerAtHand(args, env), undefined)
  for (const kept of [spentTokens(), dueTokens()]) {
    place.write(kept)
    assert.equal(answerAtHand(args, env), undefined)
  }
  place.write(keptTokens())
  assert.match(answerAtHand(args, env) ?? '', /"token":"token-1"/)
  assert.match(answerAtHand([...args, '--device', '--issuer-ca=/x'], env) ?? '', /"token":"token-1"/)
  const pins = ['--issuer=https://issuer.example', '--client=cli', '--audience=api://mandate', '--scopes=openid profile']
  assert.match(answerAtHand([...args, ...pins], env) ?? '', /"token":"token-1"/)
  assert.match(answerAtHand(args.slice(2), { ...env, MANDATE_GATEWAY: GATEWAY }) ?? '', /"token":"token-1"/)
  assert.throws(() => answerAtHand(args.slice(2), env), refused(/MANDATE_GATEWAY/))
  for (const other of [[...args, '--forget'], [...args, '-o', 'text'], args.slice(0, 2), [...args.slice(0, 3), 'lab'], [...args, 'more']])
    assert.equal(answerAtHand(other, env), undefined)
  assert.equal(answerAtHand(args, { MANDATE_STATE: state }), undefined)
  assert.throws(
    () => answerAtHand(args, { ...env, KUBERNETES_EXEC_INFO: asked({}, 'https://evil.example') }),
    refused(/not at the gateway/),
  )
})
