/** `mandate gateway` as an operator runs it: a process of its own, a configuration file, Redis, TLS. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { connect } from 'node:tls'
import { type CertificateAndKey, type CertificateAuthority, createCertificateAuthority } from '../../src/dev/certificate-authority.ts'
import { type Browser, createBrowser } from '../fakes/browser.ts'
import { AUDIENCE, CLIENT, PREFIX } from '../journeys/world.ts'
import { eventually } from './eventually.ts'
import { runMandate, startMandate, terminate } from './mandate.ts'
import { ask } from './parts/ask.ts'
import { type Child, freePorts, temporaryFolder } from './parts/process.ts'
import { type RealWorld, realParts } from './world.ts'

/** Bounds of the command and of its start, at three times their value. */
const WITHIN_MS = { start: 3_000, revoke: 6_000, blind: 6_000 }
const PODS = '/clusters/prod/api/v1/namespaces/team-a/pods'

interface Gateway {
  readonly world: RealWorld
  readonly child: Child
  readonly config: string
  readonly origin: string
  readonly operations: string
  readonly startedWithinMs: number
  readonly authority: CertificateAuthority
  /** Puts another certificate where the configuration says. */
  rotate(): Promise<CertificateAndKey>
  alice(): Promise<Browser>
}

async function startGateway(t: TestContext): Promise<Gateway> {
  const [port = 0, operations = 0] = await freePorts(2)
  const origin = `https://localhost:${port}`
  const world = await realParts({ origin })
  t.after(() => world.close())
  const folder = await temporaryFolder('command')
  t.after(() => folder.remove())
  const file = async (name: string, content: string) => {
    const path = join(folder.path, name)
    await writeFile(`${path}.new`, content, { mode: 0o600 })
    await rename(`${path}.new`, path)
    return { file: path }
  }
  const authority = await createCertificateAuthority('Gateway authority')
  const writeLeaf = async () => {
    const leaf = await authority.issue({ commonName: 'gateway', dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] })
    return { leaf, cert: await file('tls.pem', leaf.certificatePem), key: await file('tls-key.pem', leaf.privateKeyPem) }
  }
  const { cert, key } = await writeLeaf()
  const config = {
    publicUrl: origin,
    listen: { https: { host: '127.0.0.1', port, cert, key }, operations: { port: operations } },
    store: {
      redis: {
        url: await file('redis-url', world.parts.redis.url),
        keys: [{ id: 'one', key: await file('sealing-key', randomBytes(32).toString('base64')) }],
      },
    },
    audit: { file: join(folder.path, 'audit.jsonl') },
    providers: {
      corp: {
        kind: 'oidc',
        issuer: world.issuer.issuer,
        ca: await file('issuer-ca.pem', world.issuerCa ?? ''),
        clientId: CLIENT,
        clientAuth: { method: 'secret', secret: await file('client-secret', 'client-secret-of-the-test') },
        audience: AUDIENCE,
        kubernetes: { prefix: PREFIX },
      },
    },
    clusters: {
      prod: {
        server: world.cluster.url,
        ca: await file('cluster-ca.pem', world.cluster.ca ?? ''),
        allow: {},
        as: { kind: 'forward-token' },
      },
    },
  }
  const path = (await file('mandate.yaml', JSON.stringify(config))).file
  const began = performance.now()
  const ready = async () => (await ask(`http://127.0.0.1:${operations}/ready`)).status === 200
  const child = await startMandate(['gateway', '--config', path], ready)
  const startedWithinMs = performance.now() - began
  t.after(() => child.stop())
  return {
    world,
    child,
    config: path,
    origin,
    operations: `http://127.0.0.1:${operations}`,
    startedWithinMs,
    authority,
    rotate: async () => (await writeLeaf()).leaf,
    async alice() {
      const browser = createBrowser({ ca: `${world.issuerCa}\n${authority.certificatePem}`, timeout: 60_000 })
      const end = await browser.signIn(`${origin}/login?return_to=/whoami`, 'alice')
      assert.equal(end.status, 200, end.body)
      return browser
    },
  }
}

test('mandate gateway', { timeout: 180_000 }, async (t) => {
  const gateway = await startGateway(t)
  await t.test('is ready in time, and mandate check finds its configuration right', async () => {
    assert.ok(gateway.startedWithinMs < WITHIN_MS.start, `${gateway.startedWithinMs} ms`)
    assert.equal((await ask(`${gateway.operations}/health`)).body, '{"status":"ok","service":"mandate"}\n')
    const { code, stdout } = await runMandate(['check', '--config', gateway.config])
    assert.equal(code, 0, stdout)
    assert.match(stdout, /is right/)
  })
  await t.test('mandate revoke ends a live login and its open watch within the bound', () => revokes(gateway))
  await t.test('without Redis it is not ready and cannot tell; with it the same login goes on', () => outlivesRedis(gateway))
  await t.test('takes a rotated certificate into use while connections go on', () => rotates(gateway))
  await t.test('SIGTERM ends open watches and then the process, cleanly', () => ends(gateway))
})

interface Watch {
  readonly open: boolean
  /** Resolves to the status when it has ended with a proper end; rejects when it was cut. */
  readonly end: Promise<number>
}

async function openWatch({ origin, operations }: Gateway, browser: Browser): Promise<Watch> {
  const live = async () => Number(/mandate_live_streams\{[^}]*\} (\d+)/.exec((await ask(`${operations}/metrics`)).body)?.[1] ?? 0)
  const before = await live()
  let open = true
  const end = browser.get(`${origin}${PODS}?watch=1&timeoutSeconds=120`).then(({ status }) => status)
  // Whoever waits for the end hears of a fault; nobody else needs to.
  end.catch(() => undefined).finally(() => (open = false))
  await eventually('the watch is open', async () => (await live()) > before)
  return {
    get open() {
      return open
    },
    end,
  }
}

async function revokes(gateway: Gateway): Promise<void> {
  const { world, origin, config } = gateway
  const alice = await gateway.alice()
  assert.equal((await alice.get(`${origin}${PODS}`)).status, 200)
  const watch = await openWatch(gateway, alice)
  const { code, stdout, stderr } = await runMandate(['revoke', '--config', config, '--issuer', world.issuer.issuer, '--subject', 'alice'])
  assert.equal(code, 0, stderr)
  assert.match(stdout, /^revoked: every login and token of "alice" that was issued before /)
  const records = await readFile(join(dirname(config), 'audit.jsonl'), 'utf8')
  assert.match(records, /"event":"logout".*"subject":"alice".*"cause":"operator"/)
  const began = performance.now()
  await eventually('the login has ended', async () => (await alice.get(`${origin}${PODS}`)).status === 401, WITHIN_MS.revoke)
  assert.equal(await watch.end, 200)
  assert.ok(performance.now() - began < WITHIN_MS.revoke)
  const again = await runMandate([
    'revoke',
    '--config',
    config,
    '--issuer',
    'https://elsewhere.example',
    '--subject',
    'alice',
    '--unconfigured',
  ])
  assert.equal(again.code, 0)
  assert.match(again.stderr, /no configured provider has the issuer/)
}

async function outlivesRedis(gateway: Gateway): Promise<void> {
  const { world, origin, operations } = gateway
  const alice = await gateway.alice()
  const status = async (url: string) => (await ask(url)).status
  await world.storeDown()
  await eventually('it is not ready', async () => (await status(`${operations}/ready`)) === 503, WITHIN_MS.blind)
  const refused = await alice.get(`${origin}${PODS}`)
  assert.equal(refused.status, 503)
  assert.ok(Number(refused.headers['retry-after']) > 0)
  assert.equal(refused.headers['set-cookie'], undefined)
  assert.equal(await status(`${operations}/health`), 200)
  await world.storeUp()
  await eventually('it is ready again', async () => (await status(`${operations}/ready`)) === 200)
  assert.equal((await alice.get(`${origin}${PODS}`)).status, 200)
}

async function rotates(gateway: Gateway): Promise<void> {
  const { rotate, authority, origin } = gateway
  const alice = await gateway.alice()
  const watch = await openWatch(gateway, alice)
  const { certificatePem } = await rotate()
  await eventually(
    'new connections see the new certificate',
    async () => (await servedBy(origin, authority.certificatePem)) === certificatePem.trim(),
    30_000,
  )
  assert.equal((await alice.get(`${origin}${PODS}`)).status, 200)
  assert.ok(watch.open)
}

/** The certificate of a server, as PEM. */
function servedBy(origin: string, ca: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port: Number(new URL(origin).port), servername: 'localhost', ca }, () => {
      const pem = socket.getPeerX509Certificate()?.toString() ?? ''
      socket.destroy()
      resolve(pem.trim())
    })
    socket.once('error', reject)
  })
}

async function ends(gateway: Gateway): Promise<void> {
  const watch = await openWatch(gateway, await gateway.alice())
  assert.equal(await terminate(gateway.child), 'ended with exit code 0')
  assert.equal(await watch.end, 200)
}
