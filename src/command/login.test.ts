/** `mandate login` as somebody types it and as kubectl runs it: child processes before a gateway over https and an issuer that rotates. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createBrowser } from '../../test/fakes/browser.ts'
import { startFaultyIssuer } from '../../test/fakes/faulty-issuer.ts'
import { setStage } from '../../test/journeys/stage.ts'
import { clientsOf, standIns } from '../../test/journeys/world.ts'
import { createCertificateAuthority } from '../dev/certificate-authority.ts'
import { freePort } from '../dev/free-port.ts'
import { execCredential } from './sign-in/exec-credential.ts'
import { type KeptTokens, type Place, placeFor } from './sign-in/kept-tokens.ts'

const MAIN = join(import.meta.dirname, '../main.ts')
const V1 = 'client.authentication.k8s.io/v1'
const AT_ONCE = 64

interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

interface Launched {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
}

async function setLoginStage(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'mandate-login-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const authority = await createCertificateAuthority('Gateway')
  const leaf = await authority.issue({ commonName: 'gateway', ipAddresses: ['127.0.0.1'] })
  const files = { cert: join(folder, 'tls.pem'), key: join(folder, 'tls-key.pem'), ca: join(folder, 'ca.pem') }
  for (const [path, content] of [
    [files.cert, leaf.certificatePem],
    [files.key, leaf.privateKeyPem],
    [files.ca, authority.certificatePem],
  ] as const)
    writeFileSync(path, content, { mode: 0o600 })
  const port = await freePort(0)
  const cli = { id: 'mandate-cli', public: true, redirectUris: ['http://127.0.0.1/callback'] } as const
  const faulty = await startFaultyIssuer()
  t.after(() => faulty.close())
  const stage = await setStage(t, standIns, {
    issuer: (origin) => ({ clients: [...clientsOf(origin), cli], issuerUrl: faulty.url }),
    configure({ listen, providers }) {
      listen['https'] = { host: '127.0.0.1', port, cert: { file: files.cert }, key: { file: files.key } }
      providers['corp'] = { ...providers['corp'], commandLine: { clientId: cli.id } }
    },
  })
  const gateway = `https://127.0.0.1:${port}`
  const state = join(folder, 'state')
  const { issuer } = stage.world
  faulty.setTarget(issuer.listening)
  const place = () => placeFor(gateway, 'corp', () => undefined, state)

  /** Runs the command; `onPage` is told the address of the sign-in page, once. */
  const launch = (args: readonly string[], env: NodeJS.ProcessEnv = {}, onPage?: (address: string) => Promise<unknown>): Launched => {
    const child = spawn(process.execPath, [MAIN, 'login', ...args], {
      env: { ...process.env, MANDATE_STATE: state, ...env },
      timeout: 60_000,
    })
    child.stdin.end()
    let [stdout, stderr] = ['', '']
    let opened: Promise<unknown> | undefined
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
      const address = /(http\S+\/auth\?\S+)\n/.exec(stderr)?.[1]
      if (onPage !== undefined && address !== undefined) opened ??= onPage(address)
    })
    const ended = new Promise<Ended>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (code) => void Promise.resolve(opened).then(() => resolve({ code: code ?? -1, stdout, stderr }), reject))
    })
    return { child, ended }
  }
  const mandate = (...of: Parameters<typeof launch>) => launch(...of).ended
  const asPerson = ['--gateway', gateway, '--ca', files.ca, '--provider', 'corp', '--no-browser']
  const signIn = (args: readonly string[] = asPerson, env: NodeJS.ProcessEnv = {}, person = 'alice') =>
    mandate(args, env, (address) => createBrowser().signIn(address, person))
  /** As kubectl runs it. */
  const plugin = (interactive = false, apiVersion = V1) => {
    const cluster = {
      server: `${gateway}/clusters/named`,
      'certificate-authority-data': Buffer.from(authority.certificatePem).toString('base64'),
    }
    const info = { apiVersion, kind: 'ExecCredential', spec: { interactive, cluster } }
    return { args: ['--gateway', gateway, '--provider', 'corp'], env: { KUBERNETES_EXEC_INFO: JSON.stringify(info) } }
  }
  const ask = (interactive = false) => mandate(plugin(interactive).args, plugin(interactive).env)
  return { stage, issuer, faulty, gateway, place, launch, mandate, asPerson, signIn, plugin, ask, state }
}

/** What is kept says that the token ended a while ago. */
function expire(place: Place, change: Partial<KeptTokens> = {}): KeptTokens {
  const kept = place.read()
  assert.ok(kept !== undefined)
  const past = { ...kept, obtainedAt: Date.now() - 3_600_000, expiresAt: Date.now() - 60_000, ...change }
  place.write(past)
  return past
}

const tokenOf = ({ stdout, stderr }: Ended): string => {
  assert.notEqual(stdout, '', stderr)
  return String((JSON.parse(stdout) as { status: { token: string } }).status.token)
}

test('refuses a kubectl that cannot ask, a version it does not speak, and a file that others can read', async (t) => {
  const { ask, mandate, plugin, signIn, place } = await setLoginStage(t)
  const nobody = await ask()
  assert.deepEqual([nobody.code, nobody.stdout], [1, ''])
  assert.match(nobody.stderr, /^mandate: nobody is signed in, and nobody can be asked from here/)
  const other = await mandate(plugin().args, plugin(false, 'client.authentication.k8s.io/v1alpha1').env)
  assert.equal(other.code, 1)
  assert.match(other.stderr, /version of ExecCredential/)
  assert.equal((await signIn()).code, 0)
  chmodSync(place().file, 0o644)
  const open = await ask()
  assert.deepEqual([open.code, open.stdout], [1, ''])
  assert.match(open.stderr, /others may read or write .*chmod 600/)
})

test('refuses kubectl a token that is kept where it would not verify the server, or is told nothing of it', async (t) => {
  const { signIn, mandate, plugin, gateway } = await setLoginStage(t)
  await signIn()
  const server = `${gateway}/clusters/named`
  for (const [cluster, words] of [
    [undefined, /provideClusterInfo: true/],
    [{ server, 'insecure-skip-tls-verify': true }, /insecure-skip-tls-verify/],
    [{ server, 'tls-server-name': 'evil.example' }, /tls-server-name/],
    [{ server: 'https://evil.example' }, /not at the gateway/],
  ] as const) {
    const info = { apiVersion: V1, kind: 'ExecCredential', spec: { interactive: false, cluster } }
    // The second one is not answered on the quick path.
    for (const more of [[], ['--no-browser']]) {
      const asked = await mandate([...plugin().args, ...more], { KUBERNETES_EXEC_INFO: JSON.stringify(info) })
      assert.deepEqual([asked.code, asked.stdout], [1, ''])
      assert.match(asked.stderr, words)
    }
  }
})

test('refuses a gateway that names something else than is pinned or kept: nobody is sent anywhere', async (t) => {
  const { mandate, signIn, asPerson, place, issuer, plugin } = await setLoginStage(t)
  for (const pin of [
    '--issuer=https://issuer.example',
    '--client=other',
    '--audience=api://other',
    '--resource=api://other',
    '--scopes=openid',
  ]) {
    const pinned = await mandate([...asPerson, pin])
    assert.deepEqual([pinned.code, pinned.stdout], [1, ''])
    assert.match(pinned.stderr, /instead of .* nobody is sent there: .* run mandate kubeconfig again/)
    assert.doesNotMatch(pinned.stderr, /auth\?|Signing in/)
  }
  assert.equal((await signIn()).code, 0)
  const { clientId } = expire(place(), { clientId: 'of-before' })
  const before = issuer.requests()
  for (const refreshToken of [place().read()?.refreshToken, undefined]) {
    expire(place(), { refreshToken })
    const changed = await mandate(asPerson)
    assert.deepEqual([changed.code, changed.stdout], [1, ''])
    assert.match(changed.stderr, new RegExp(`the client mandate-cli instead of ${clientId} .* --forget first`))
    assert.deepEqual(issuer.requests(), before)
  }
  // As kubectl runs it by a kubeconfig that pins another one than what is kept.
  const asked = await mandate([...plugin(true).args, '--client=mandate-cli'], plugin(true).env)
  assert.match(asked.stderr, /that are kept are of the client of-before instead of mandate-cli, so they are not used/)
  assert.equal((await mandate([...asPerson, '--forget'])).code, 0)
  assert.equal((await signIn([...asPerson, '--client=mandate-cli'])).code, 0)
})

test('refuses a sign-in as somebody else while tokens are kept, and says who signed in', async (t) => {
  const { signIn, mandate, asPerson, place, issuer, plugin } = await setLoginStage(t)
  const first = await signIn([...plugin(true).args, '--no-browser'], plugin(true).env)
  assert.match(
    first.stderr,
    /^Signing in to https:\S+ at http\S+, client mandate-cli, for \S+\.\n[\s\S]*\nSigned in as alice \(corp\)\.\n$/,
  )
  const kept = expire(place(), { refreshToken: undefined })
  const other = await signIn(asPerson, {}, 'bob')
  assert.deepEqual([other.code, other.stdout], [1, ''])
  assert.match(other.stderr, /this sign-in was bob's, and the tokens that are kept are alice's.* --forget first/)
  assert.deepEqual([place().read()?.token.expose(), issuer.requests().revocation], [kept.token.expose(), 1])
  await mandate([...asPerson, '--forget'])
  assert.match((await signIn(asPerson, {}, 'bob')).stdout, /^You are bob/)
})

test('a person signs in, is told who they are and until when, and no token is said', async (t) => {
  const { signIn, mandate, asPerson, place, gateway, ask, stage } = await setLoginStage(t)
  const { code, stdout, stderr } = await signIn()
  assert.equal(code, 0, stderr)
  assert.match(
    stdout,
    new RegExp(
      `^You are alice \\(corp\\) at ${gateway}\\.\nThe token ends .* UTC and is renewed by itself\\.\nIt is kept in ${place().file}\n$`,
    ),
  )
  const kept = place().read()
  const again = await mandate([...asPerson, '-o', 'json'])
  assert.deepEqual(
    [JSON.parse(again.stdout).name, JSON.parse(again.stdout).endsAt, again.stderr],
    ['alice', new Date(kept?.expiresAt ?? 0).toISOString(), ''],
  )
  for (const text of [stdout, stderr, again.stdout, stage.logged()]) {
    assert.ok(!text.includes(kept?.token.expose() ?? ''))
    assert.ok(!text.includes(kept?.refreshToken?.expose() ?? ''))
  }
  // The gateway takes what kubectl is given.
  const token = tokenOf(await ask())
  const answer = await fetch(`${stage.origin}/clusters/named/api/v1/namespaces/team-a/pods`, {
    headers: { authorization: `Bearer ${token}` },
  })
  assert.equal(answer.status, 200)
})

test('kubectl is answered from what is kept in the version that it asks for', async (t) => {
  const { signIn, mandate, plugin, place, issuer } = await setLoginStage(t)
  await signIn()
  const kept = place().read()
  assert.ok(kept !== undefined)
  const before = issuer.requests()
  for (const version of [V1, 'client.authentication.k8s.io/v1beta1']) {
    const { stdout, stderr } = await mandate(plugin().args, plugin(false, version).env)
    assert.deepEqual([stdout, stderr], [execCredential(version, kept, Date.now()), ''])
  }
  assert.deepEqual(issuer.requests(), before)
})

test(`${AT_ONCE} processes with one expired token renew it once`, async (t) => {
  const { signIn, ask, place, issuer } = await setLoginStage(t)
  await signIn()
  const old = expire(place())
  const all = await Promise.all(Array.from({ length: AT_ONCE }, () => ask()))
  const tokens = new Set(all.map(tokenOf))
  assert.equal(tokens.size, 1)
  assert.ok(!tokens.has(old.token.expose()))
  assert.deepEqual(
    issuer.redemptions().map(({ reused, status }) => ({ reused, status })),
    [{ reused: false, status: 200 }],
  )
})

test('many that find nobody signed in open one page, and all get the answer', async (t) => {
  const { signIn, plugin, issuer } = await setLoginStage(t)
  const { args, env } = plugin(true)
  const all = await Promise.all(Array.from({ length: 12 }, () => signIn([...args, '--no-browser'], env)))
  assert.equal(new Set(all.map(tokenOf)).size, 1)
  assert.equal(all.filter(({ stderr }) => stderr.includes('/auth?')).length, 1)
  assert.equal(issuer.requests().token, 1)
})

test('a presenter that is killed leads to a new sign-in, and its token is never presented again', async (t) => {
  const { signIn, ask, place, launch, plugin, faulty, issuer } = await setLoginStage(t)
  await signIn()
  expire(place())
  faulty.inject('token', { kind: 'hang' })
  const before = faulty.requests().token
  const { args, env } = plugin()
  const presenter = launch(args, env)
  for (const until = Date.now() + 30_000; faulty.requests().token === before; await sleep(20)) assert.ok(Date.now() < until, 'it presents')
  presenter.child.kill('SIGKILL')
  await presenter.ended
  faulty.heal()
  assert.deepEqual([place().read()?.presenting, place().read()?.refreshToken], [true, undefined])
  const asked = await ask()
  assert.equal(asked.code, 1)
  assert.match(asked.stderr, /nobody is signed in/)
  assert.equal(faulty.requests().token, before + 1)
  const again = await signIn()
  assert.equal(again.code, 0)
  assert.match(again.stderr, /An earlier renewal was broken off/)
  assert.deepEqual(issuer.redemptions(), [])
})

test('while the issuer is away the old token serves to its end, and the refresh token is not lost', async (t) => {
  const { signIn, ask, place, faulty, issuer } = await setLoginStage(t)
  await signIn()
  const { token } = expire(place(), { expiresAt: Date.now() + 120_000 })
  await faulty.refuse()
  assert.equal(tokenOf(await ask()), token.expose())
  expire(place())
  const asked = await ask()
  assert.deepEqual([asked.code, asked.stdout], [1, ''])
  assert.match(asked.stderr, /the issuer cannot be reached, so the token cannot be renewed; try again/)
  await faulty.accept()
  assert.notEqual(tokenOf(await ask()), token.expose())
  assert.equal(issuer.redemptions().length, 1)
})

test('a sign-in that the issuer has ended is a complaint to kubectl and a new sign-in to a person', async (t) => {
  const { signIn, ask, place, issuer } = await setLoginStage(t)
  await signIn()
  expire(place())
  await issuer.endSession('alice')
  const asked = await ask()
  assert.deepEqual([asked.code, asked.stdout], [1, ''])
  assert.match(asked.stderr, /The issuer has ended this sign-in/)
  assert.equal((await signIn()).code, 0)
})

test('a damaged file is said and mended by signing in', async (t) => {
  const { signIn, ask, place } = await setLoginStage(t)
  await signIn()
  writeFileSync(place().file, '{"format":1,')
  const asked = await ask()
  assert.equal(asked.code, 1)
  assert.match(asked.stderr, /is damaged and is treated as absent/)
  assert.equal((await signIn()).code, 0)
})

test('forgetting revokes the refresh token and leaves nothing of it', async (t) => {
  const { signIn, mandate, asPerson, place, issuer, state } = await setLoginStage(t)
  await signIn()
  const kept = place().read()
  const { code, stdout } = await mandate([...asPerson, '--forget'])
  assert.equal(code, 0)
  assert.match(stdout, /^Forgotten: alice \(corp\)/)
  assert.equal(issuer.requests().revocation, 1)
  for (const name of readdirSync(state)) assert.ok(!readFileSync(join(state, name), 'utf8').includes(kept?.subject ?? ''))
  assert.match((await mandate([...asPerson, '--forget'])).stdout, /^Nobody was signed in/)
})
