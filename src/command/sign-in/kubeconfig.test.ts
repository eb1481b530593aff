import assert from 'node:assert/strict'
import { chmodSync, existsSync, lstatSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse, stringify } from 'yaml'
import { Complaint } from '../../complaint.ts'
import { GATEWAY, testFolder } from './kept-tokens.fake.ts'
import { entriesFor, thisCommand, type Wanted } from './kubeconfig-entries.ts'
import { asDocument, mergeInto, mergeTarget, writeOwn } from './kubeconfig-file.ts'

const complains = (words: RegExp) => (error: unknown) => error instanceof Complaint && words.test(error.message)

const CORP = {
  name: 'corp',
  title: 'Corp',
  issuer: 'https://issuer.example',
  clientId: '--cli',
  scopes: ['openid', 'profile'],
  token: 'access-token',
  audience: 'api://mandate',
} as const

function entries(change: Partial<Wanted> = {}) {
  return entriesFor({
    cluster: 'prod',
    gateway: GATEWAY,
    provider: { ...CORP, scopes: [...CORP.scopes] },
    ca: 'a PEM',
    issuerCa: undefined,
    device: false,
    namespace: undefined,
    program: { command: 'mandate', args: [], found: 'path' },
    ...change,
  })
}

const THEIRS = `# mine
apiVersion: v1
kind: Config
clusters:
  - name: home # at home
    cluster: { server: "https://home.example" }
users: null
contexts: []
current-context: home
preferences: { colors: true }
`

test('refuses to overwrite what it did not write', (t) => {
  const path = join(testFolder(t), 'kubeconfig')
  writeFileSync(path, THEIRS)
  assert.throws(() => writeOwn(path, entries(), false), complains(/was not written by mandate kubeconfig/))
  assert.equal(readFileSync(path, 'utf8'), THEIRS)
  writeOwn(path, entries(), true)
  writeOwn(path, entries({ namespace: 'team-a' }), false)
  assert.equal(parse(readFileSync(path, 'utf8')).contexts[0].context.namespace, 'team-a')
  assert.equal(lstatSync(path).mode & 0o777, 0o600)
})

test('refuses to replace a cluster of that name with another server, and to add to what is no kubeconfig', (t) => {
  const path = join(testFolder(t), 'config')
  mergeInto(path, entries({ gateway: 'https://other.example' }), false)
  const before = readFileSync(path, 'utf8')
  assert.throws(() => mergeInto(path, entries(), false), complains(/another server/))
  assert.equal(readFileSync(path, 'utf8'), before)
  mergeInto(path, entries(), true)
  assert.equal(parse(readFileSync(path, 'utf8')).clusters[0].cluster.server, `${GATEWAY}/clusters/prod`)
  for (const content of ['- a\n', 'a: [', 'clusters: 7\n']) {
    writeFileSync(path, content)
    assert.throws(() => mergeInto(path, entries(), false), complains(/nothing is added/))
    assert.equal(readFileSync(path, 'utf8'), content)
  }
})

test('refuses to replace a user or a context of that name that is the person’s own', (t) => {
  const path = join(testFolder(t), 'config')
  const other = entries({ gateway: 'https://other.example' })
  for (const [kind, content] of [
    ['user', { users: [{ name: 'mandate-prod', user: { token: 'mine' } }] }],
    [
      'user',
      { users: [{ name: 'mandate-prod', user: { exec: { command: 'other', args: ['login', '--gateway', 'https://x.example'] } } }] },
    ],
    ['user', { users: [{ name: 'mandate-prod', user: other.user }] }],
    ['context', { contexts: [{ name: 'mandate-prod', context: { cluster: 'mandate-prod', user: 'admin' } }] }],
    ['context', { contexts: [{ name: 'mandate-prod', context: { cluster: 'home', user: 'mandate-prod' } }] }],
  ] as const) {
    const before = stringify({ apiVersion: 'v1', kind: 'Config', ...content })
    writeFileSync(path, before)
    assert.throws(() => mergeInto(path, entries(), false), complains(new RegExp(`has a ${kind} mandate-prod that is not of this gateway`)))
    assert.equal(readFileSync(path, 'utf8'), before)
    mergeInto(path, entries(), true)
    assert.equal(parse(readFileSync(path, 'utf8')).users[0].user.exec.command, 'mandate')
  }
  // Ours is replaced, with what the gateway names now.
  mergeInto(path, entries({ namespace: 'team-a', provider: { ...CORP, scopes: ['openid'], clientId: 'new' } }), false)
  assert.match(readFileSync(path, 'utf8'), /--client=new/)
})

test('refuses while kubectl changes the file', (t) => {
  const path = join(testFolder(t), 'config')
  writeFileSync(`${path}.lock`, '')
  assert.throws(() => mergeInto(path, entries(), false), complains(/being changed by somebody else/))
  assert.ok(existsSync(`${path}.lock`) && !existsSync(path))
})

test('adds to a kubeconfig and keeps the rest of it, comments, mode and link included', (t) => {
  const folder = testFolder(t)
  mkdirSync(join(folder, 'dotfiles'))
  const [path, real] = [join(folder, 'config'), join(folder, 'dotfiles', 'config')]
  writeFileSync(real, THEIRS)
  chmodSync(real, 0o640)
  symlinkSync(real, path)
  for (let times = 0; times < 2; times += 1) mergeInto(path, entries(), false)
  const text = readFileSync(path, 'utf8')
  const merged = parse(text)
  assert.match(text, /^# mine[\s\S]*# at home/)
  assert.deepEqual(
    merged.clusters.map(({ name }: { name: string }) => name),
    ['home', 'mandate-prod'],
  )
  assert.deepEqual([merged.users.length, merged.contexts.length, merged['current-context']], [1, 1, 'mandate-prod'])
  assert.deepEqual(merged.preferences, { colors: true })
  assert.ok(lstatSync(path).isSymbolicLink())
  assert.equal(lstatSync(real).mode & 0o777, 0o640)
  assert.ok(!existsSync(`${path}.lock`))
})

test('a new kubeconfig is the owner’s alone, and lies where kubectl looks first', (t) => {
  const folder = testFolder(t)
  const path = mergeTarget({ KUBECONFIG: `:${join(folder, 'a', 'config')}:${join(folder, 'b')}` })
  assert.equal(path, join(folder, 'a', 'config'))
  mergeInto(path, entries(), false)
  assert.equal(lstatSync(path).mode & 0o777, 0o600)
  assert.match(mergeTarget({}), /\.kube\/config$/)
})

test('kubectl runs the plugin, hands it the CA, and may let it ask', () => {
  const { users, clusters } = parse(asDocument(entries({ device: true, issuerCa: '/issuer.pem' })))
  assert.equal(Buffer.from(clusters[0].cluster['certificate-authority-data'], 'base64').toString(), 'a PEM')
  const { apiVersion, command, args, interactiveMode, provideClusterInfo, installHint } = users[0].user.exec
  assert.deepEqual(
    [apiVersion, command, interactiveMode, provideClusterInfo],
    ['client.authentication.k8s.io/v1', 'mandate', 'IfAvailable', true],
  )
  assert.deepEqual(args, [
    ...['login', '--gateway', GATEWAY, '--provider', 'corp'],
    ...['--issuer=https://issuer.example', '--client=--cli', '--audience=api://mandate', '--scopes=openid profile'],
    ...['--issuer-ca', '/issuer.pem', '--device'],
  ])
  assert.match(installHint, /mandate kubeconfig/)
})

test('the plugin is called by its name only where PATH leads to this very script', (t) => {
  const folder = testFolder(t)
  const [script, bin, other] = [join(folder, 'main.js'), join(folder, 'bin'), join(folder, 'other')]
  for (const path of [bin, other]) mkdirSync(path)
  writeFileSync(script, '', { mode: 0o755 })
  symlinkSync(script, join(bin, 'mandate'))
  writeFileSync(join(other, 'mandate'), '', { mode: 0o755 })
  assert.deepEqual(thisCommand(join(bin, 'mandate'), `relative:${bin}:${other}`), { command: 'mandate', args: [], found: 'path' })
  for (const path of ['', folder, `${other}:${bin}`])
    assert.deepEqual(thisCommand(script, path), { command: process.execPath, args: [script], found: 'here' })
})
