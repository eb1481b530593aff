import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createSign, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { createServer as createHttpServer } from 'node:http'
import { createServer } from 'node:https'
import type { Server } from 'node:net'
import type { Readable } from 'node:stream'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ask } from './ask.ts'
import { makeAuthority, makeLoopbackCertificate } from './certificates.ts'
import { launchChromium } from './chromium.ts'
import { startKeycloak } from './keycloak.ts'
import { startKubernetes } from './kube-apiserver.ts'
import { startKwok } from './kwok.ts'
import { locate } from './locate.ts'
import { temporaryFolder } from './process.ts'
import { makeRealm } from './realm.ts'
import { ping, startRedis } from './redis.ts'

const bound = { timeout: 300_000 }

/** An https issuer with one RS256 key, and a way to sign with it. */
async function makeIssuer(): Promise<{ url: string; caPem: string; sign(claims: object): string; close(): void }> {
  const pair = await makeLoopbackCertificate('issuer')
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'one', alg: 'RS256', use: 'sig' }
  let url = ''
  const server = createServer({ cert: pair.certPem, key: pair.keyPem }, (request, response) => {
    response.setHeader('content-type', 'application/json')
    if (request.url === '/keys') response.end(JSON.stringify({ keys: [jwk] }))
    else response.end(JSON.stringify({ issuer: url, jwks_uri: `${url}/keys` }))
  })
  url = `https://127.0.0.1:${await listen(server)}`
  const close = (): void => {
    server.close()
    server.closeAllConnections()
  }
  return { url, caPem: pair.caPem, sign: (claims) => signToken(privateKey, { iss: url, ...claims }), close }
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  return address.port
}

function signToken(key: KeyObject, claims: object): string {
  const now = Math.floor(Date.now() / 1000)
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const body = `${encode({ alg: 'RS256', kid: 'one' })}.${encode({ iat: now, exp: now + 300, ...claims })}`
  return `${body}.${createSign('RSA-SHA256').update(body).sign(key, 'base64url')}`
}

function pod(name: string): string {
  const containers = [{ name: 'main', image: 'none.invalid/none' }]
  return JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec: { containers } })
}

test('the API server answers, trusts the issuers that it is told, and records who asked', bound, async (t) => {
  const kubernetes = await startKubernetes()
  t.after(() => kubernetes.stop())
  const version: unknown = JSON.parse((await kubernetes.ask('/version')).body)
  assert.match(String((version as { gitVersion: string }).gitVersion), /^v1\.\d+\.\d+/)

  const one = await makeIssuer()
  const two = await makeIssuer()
  t.after(() => [one, two].map((issuer) => issuer.close()))
  const trusted = { audiences: ['mandate'], usernamePrefix: 'one:', groupsPrefix: 'one:' }
  const token = one.sign({ aud: 'mandate', sub: 'ada', groups: ['dev', 'ops'] })
  const whoami = async (bearer: string): Promise<string> =>
    (await kubernetes.kubectl(['auth', 'whoami', '-o', 'json'], { token: bearer })).stdout
  assert.equal(await whoami(token), '')

  await kubernetes.trust([
    { url: one.url, caPem: one.caPem, ...trusted },
    { url: two.url, caPem: two.caPem, ...trusted, usernamePrefix: 'two:', groupsPrefix: 'two:' },
  ])
  const seen = JSON.parse(await whoami(token)) as { status: { userInfo: { username: string; groups: string[] } } }
  assert.equal(seen.status.userInfo.username, 'one:ada')
  assert.deepEqual(seen.status.userInfo.groups.slice(0, 2), ['one:dev', 'one:ops'])
  assert.match(await whoami(two.sign({ aud: 'mandate', sub: 'ada' })), /"two:ada"/)
  assert.equal(await whoami(one.sign({ aud: 'another', sub: 'ada' })), '')

  // RBAC is on, and a pod needs no service account.
  const refused = await kubernetes.kubectl(['get', 'pods'], { token })
  assert.match(refused.stderr, /forbidden: User "one:ada"/i)
  const applied = await kubernetes.kubectl(['apply', '-f', '-'], { input: pod('first') })
  assert.equal(applied.code, 0, applied.stderr)

  const impersonate = { 'impersonate-user': 'bob', 'impersonate-group': ['dev', 'ops'] }
  await kubernetes.ask('/api/v1/namespaces/default/pods/first', { headers: impersonate })
  const entries = await kubernetes.auditLog()
  assert.ok(entries.some((entry) => entry.user.username === 'one:ada' && entry.responseStatus?.code === 403))
  const entry = entries.findLast((one) => one.impersonatedUser !== undefined)
  assert.equal(entry?.user.username, 'admin')
  assert.equal(entry?.impersonatedUser?.username, 'bob')
  assert.equal(entry?.objectRef?.name, 'first')
  assert.ok(entry?.auditID)
})

test('the API server can be taken away and come back with its data, its port and its issuers', bound, async (t) => {
  const issuer = await makeIssuer()
  t.after(() => issuer.close())
  const trusted = { url: issuer.url, caPem: issuer.caPem, audiences: ['a', 'b'], usernamePrefix: '', groupsPrefix: '' }
  const kubernetes = await startKubernetes({ issuers: [trusted] })
  t.after(() => kubernetes.stop())
  assert.equal((await kubernetes.kubectl(['create', 'namespace', 'kept'])).code, 0)
  await kubernetes.stopApiServer()
  await assert.rejects(kubernetes.ask('/version'))
  await kubernetes.startApiServer()
  assert.equal((await kubernetes.ask('/api/v1/namespaces/kept')).status, 200)
  await kubernetes.trust([trusted])
  assert.equal((await kubernetes.ask('/version', { token: issuer.sign({ aud: 'b', sub: 'ada' }) })).status, 200)
  const config = await kubernetes.kubeconfig(await kubernetes.clientCertificate('carl', ['dev', 'ops']))
  assert.match((await kubernetes.kubectl(['auth', 'whoami'], { kubeconfig: config })).stdout, /carl[\s\S]*\[dev ops /)
  const more = { ...trusted, usernamePrefix: 'more:' }
  await kubernetes.trust([more], 'reload')
  const who = await kubernetes.kubectl(['auth', 'whoami'], { token: issuer.sign({ aud: 'a', sub: 'ada' }) })
  assert.match(who.stdout, /more:ada/)
  // Plain http: never trusted, and what was trusted before still is.
  for (const how of ['restart', 'reload'] as const) {
    await assert.rejects(kubernetes.trust([{ ...trusted, url: 'http://127.0.0.1:1' }], how), /refused/)
    assert.equal((await kubernetes.ask('/version', { token: issuer.sign({ aud: 'a', sub: 'ada' }) })).status, 200)
  }
})

test('a front proxy with the right certificate may say who asks', bound, async (t) => {
  const authority = await makeAuthority('front proxy')
  const kubernetes = await startKubernetes({ frontProxyCa: authority.certPem })
  t.after(() => kubernetes.stop())
  const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' }
  const said = await kubernetes.ask('/apis/authentication.k8s.io/v1/selfsubjectreviews', {
    cert: await authority.issue({ commonName: 'proxy' }),
    headers: { 'x-remote-user': 'dora', 'x-remote-group': ['dev', 'ops'] },
    body: review,
  })
  assert.match(said.body, /"username":"dora"[\s\S]*"dev","ops"/)
})

test('two API servers run side by side', bound, async (t) => {
  const both = await Promise.all([startKubernetes(), startKubernetes()])
  t.after(() => Promise.all(both.map((one) => one.stop())))
  const [one, two] = both
  assert.notEqual(one.url, two.url)
  assert.equal((await one.kubectl(['create', 'namespace', 'only-here'])).code, 0)
  assert.equal((await two.ask('/api/v1/namespaces/only-here')).status, 404)
  assert.equal((await two.ask('/version', { token: one.adminToken })).status, 401)
})

test('Keycloak issues tokens for people and machines, which an API server takes', bound, async (t) => {
  const certificate = await makeLoopbackCertificate('keycloak')
  const app = { clientId: 'mandate', secret: 'app-secret', audiences: ['kubernetes'] }
  const machine = { clientId: 'robot', secret: 'robot-secret', machine: true, audiences: ['kubernetes'] }
  const ada = { username: 'ada', password: 'lovelace', groups: ['dev', 'ops'] }
  const realm = makeRealm({
    name: 'lab',
    revokeRefreshToken: true,
    accessTokenLifespan: 120,
    clients: [app, machine, { clientId: 'cli' }],
    users: [ada],
  })
  const [keycloak, kubernetes] = await Promise.all([startKeycloak({ realms: [realm], https: certificate }), startKubernetes()])
  t.after(() => Promise.all([keycloak.stop(), kubernetes.stop()]))

  const token = await keycloak.passwordToken('lab', app, ada)
  assert.equal(token.expires_in, 120)
  for (const each of [token.access_token, token.id_token ?? '']) {
    const claims = claimsOf(each)
    assert.equal(claims['iss'], keycloak.issuer('lab'))
    assert.deepEqual([...(claims['groups'] as string[])].sort(), ['dev', 'ops'])
  }
  assert.ok([claimsOf(token.access_token)['aud']].flat().includes('kubernetes'))
  const robot = claimsOf((await keycloak.machineToken('lab', machine)).access_token)
  assert.equal(robot['azp'], 'robot')
  await assert.rejects(keycloak.passwordToken('lab', app, { ...ada, password: 'wrong' }), /invalid_grant/)

  const discovery = await ask(`${keycloak.issuer('lab')}/.well-known/openid-configuration`, {
    caPem: certificate.caPem,
  })
  assert.equal((JSON.parse(discovery.body) as { issuer: string }).issuer, keycloak.issuer('lab'))
  const users = await ask(`${keycloak.httpUrl}/admin/realms/lab/users`, { token: await keycloak.adminToken() })
  assert.match(users.body, /"ada@example.com"/)

  // A refresh token works once: the second presentation ends the family.
  const refresh = (refreshToken: string): Promise<{ status: number; body: string }> =>
    ask(`${keycloak.httpUrl}/realms/lab/protocol/openid-connect/token`, {
      body: new URLSearchParams({
        grant_type: 'refresh_token',
        refresh_token: refreshToken,
        client_id: app.clientId,
        client_secret: app.secret,
      }),
    })
  assert.equal((await refresh(token.refresh_token ?? '')).status, 200)
  assert.equal((await refresh(token.refresh_token ?? '')).status, 400)

  await kubernetes.trust([
    {
      url: keycloak.issuer('lab'),
      caPem: certificate.caPem,
      audiences: ['kubernetes'],
      usernameClaim: 'preferred_username',
      usernamePrefix: 'keycloak:',
      groupsPrefix: 'keycloak:',
    },
  ])
  const who = await kubernetes.kubectl(['auth', 'whoami'], { token: token.access_token })
  assert.match(who.stdout, /keycloak:ada/)
  assert.match(who.stdout, /keycloak:dev/)
})

function claimsOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8')) as Record<string, unknown>
}

test('pods run on the kwok node, and logs, exec, attach and port-forward are real streams', bound, async (t) => {
  const kubernetes = await startKubernetes()
  t.after(() => kubernetes.stop())
  const target = createHttpServer((_request, response) => response.end('through the port'))
  t.after(() => target.close())
  const kwok = await startKwok(kubernetes, { portForwardTo: await listen(target) })
  t.after(() => kwok.stop())
  assert.equal((await kubernetes.kubectl(['apply', '-f', '-'], { input: pod('first') })).code, 0)
  const waited = await kubernetes.kubectl(['wait', '--for=condition=Ready', 'pod/first', '--timeout=30s'])
  assert.equal(waited.code, 0, waited.stderr)

  await kwok.writeLog('one')
  const program = await locate('kubectl')
  const env = { ...process.env, KUBECONFIG: kubernetes.adminKubeconfig }
  const follow = spawn(program, ['logs', '-f', 'first'], { env, stdio: ['ignore', 'pipe', 'ignore'] })
  const attach = spawn(program, ['attach', '-q', 'first'], { env, stdio: ['ignore', 'pipe', 'ignore'] })
  const [followed, attached] = [collect(follow.stdout), collect(attach.stdout)]
  t.after(() => [follow, attach].map((stream) => stream.kill('SIGKILL')))
  await until(() => followed.text === 'one\n')
  await kwok.writeLog('two')
  await until(() => followed.text === 'one\ntwo\n')
  // Who attaches sees what is said from then on.
  await until(async () => {
    await kwok.writeLog('three')
    return attached.text.includes('three')
  })

  const executed = await kubernetes.kubectl(['exec', '-i', 'first', '--', 'sh', '-c', 'head -n 1; pwd'], {
    input: 'said\n',
  })
  assert.equal(executed.stdout, `said\n${kwok.workFolder}\n`)
  assert.equal(executed.code, 0, executed.stderr)

  const forward = spawn(program, ['port-forward', 'pod/first', ':80'], { env, stdio: ['ignore', 'pipe', 'ignore'] })
  t.after(() => forward.kill('SIGKILL'))
  const said = collect(forward.stdout)
  await until(() => /127\.0\.0\.1:\d+/.test(said.text))
  const local = /127\.0\.0\.1:\d+/.exec(said.text)?.[0]
  assert.equal((await ask(`http://${local}/`)).body, 'through the port')
})

function collect(stream: Readable): { text: string } {
  const collected = { text: '' }
  stream.setEncoding('utf8').on('data', (text: string) => {
    collected.text += text
  })
  return collected
}

/** Waits until something is so, 20 s at most. */
async function until(reached: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000
  while (!(await reached())) {
    assert.ok(Date.now() < deadline, `not so after 20 s: ${reached}`)
    await sleep(50)
  }
}

test('a part ends with the process that started it, even when that is killed', bound, async (t) => {
  // Killed, it cannot remove its folders.
  const folder = await temporaryFolder('owner')
  t.after(() => folder.remove())
  const source = new URL('redis.ts', import.meta.url).href
  const script = `const { startRedis } = await import(${JSON.stringify(source)});
    const redis = await startRedis(); redis.pause(); console.log(redis.port); setInterval(() => {}, 1000);`
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    const owner = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, TMPDIR: folder.path },
    })
    t.after(() => owner.kill('SIGKILL'))
    const said = collect(owner.stdout)
    await until(() => said.text.endsWith('\n'))
    owner.kill(signal)
    const port = Number(said.text)
    await until(() =>
      ping(port).then(
        () => false,
        (error: NodeJS.ErrnoException) => error.code === 'ECONNREFUSED',
      ),
    )
  }
})

test('Redis answers, hangs when paused, and comes back on its port', bound, async (t) => {
  const redis = await startRedis()
  t.after(() => redis.stop())
  assert.equal(await ping(redis.port), '+PONG')
  redis.pause()
  await assert.rejects(ping(redis.port), /no answer/)
  redis.resume()
  assert.equal(await ping(redis.port), '+PONG')
  await redis.stop()
  await assert.rejects(ping(redis.port), /ECONNREFUSED/)
  await redis.start()
  assert.equal(await ping(redis.port), '+PONG')
  await redis.kill()
  await redis.start()
  redis.pause()
})

test('Chromium opens a page', bound, async (t) => {
  const browser = await launchChromium()
  t.after(() => browser.close())
  const page = await browser.newPage()
  await page.goto('about:blank')
  assert.equal(await page.evaluate('1 + 1'), 2)
})
