/**
 * `mandate dev`: an issuer with three people and a machine, the gateway over http and https, a small Kubernetes or the
 * cluster of a kubeconfig context, and a service behind two routes. Everything listens on loopback alone.
 *
 * Security: this is for trying Mandate on one's own machine. Its issuer asks for no password, so whoever can reach its
 * port can be anybody; that is why nothing here can be bound to another address.
 */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { fileTarget } from '../audit/line-target.ts'
import { composeGateway } from '../compose.ts'
import { checkConfig } from '../config/config.ts'
import { Lifecycle } from '../lifecycle.ts'
import type { Log } from '../log.ts'
import { clusterOfContext } from './context-cluster.ts'
import { startEcho } from './echo.ts'
import { embeddedCluster } from './embedded-cluster.ts'
import { type DevFiles, keepCertificateAuthority, writeKubeconfig, writePrivate } from './files.ts'
import { freePort } from './free-port.ts'
import { startIssuer } from './issuer/issuer.ts'
import { gatewayAccount, PREFIX, USERS } from './people.ts'
import { holdStateFolder } from './state-folder.ts'
import { welcome } from './welcome.ts'

export interface DevOptions {
  readonly log: Log
  /** Preferred port of http; the next free one when it is taken, any free one for 0. */
  readonly port: number
  /** Folder for the CA, kubeconfig, tokens and the audit log; made when missing, readable by the owner only. */
  readonly state: string
  /** A context of the person's kubeconfig to use instead of the embedded cluster. */
  readonly context?: string
}

export interface RunningDev {
  /** What to open and what to type. */
  readonly welcome: string
  readonly publicUrl: string
  readonly httpsUrl: string
  readonly issuer: string
  readonly operationsUrl: string
  readonly files: DevFiles
  stop(): Promise<void>
}

// Resource indicators are absolute URIs (RFC 8707 2).
const AUDIENCE = 'api://mandate'
const ECHO_SCOPE = 'echo.read'
const TOKEN_LIFE_SECONDS = 3_600
const TOKEN_AGAIN_MS = 20 * 60_000

/** Starts everything. What was started is stopped again when a part cannot start. */
export async function startDev(options: DevOptions): Promise<RunningDev> {
  const lifecycle = new Lifecycle()
  try {
    return await start(options, lifecycle)
  } catch (error) {
    await lifecycle.stop()
    throw error
  }
}

async function start({ log, port, state, context }: DevOptions, lifecycle: Lifecycle): Promise<RunningDev> {
  lifecycle.onStop('state folder', await holdStateFolder(state))
  const http = await freePort(port)
  const https = await freePort(port === 0 ? 0 : http + 363)
  const publicUrl = `http://localhost:${http}`
  const secret = randomBytes(24).toString('base64url')
  const issuer = await startIssuer({
    port: await freePort(port === 0 ? 0 : http + 10),
    users: USERS,
    audience: AUDIENCE,
    lifetimes: { accessToken: TOKEN_LIFE_SECONDS, idToken: TOKEN_LIFE_SECONDS },
    clients: [
      {
        id: 'mandate',
        secret,
        redirectUris: [`${publicUrl}/callback/dev`],
        postLogoutRedirectUris: [`${publicUrl}/logout`],
        backchannelLogoutUri: `${publicUrl}/back-channel-logout/dev`,
      },
      { id: 'mandate-cli', public: true, redirectUris: ['http://127.0.0.1/callback'] },
      { id: 'robot', secret: 'robot', machine: true },
    ],
    onFault: (error) => log.fault('the embedded issuer failed', error),
  })
  lifecycle.onStop('issuer', () => issuer.close())

  const ca = await keepCertificateAuthority(state)
  const leaf = await ca.issue({ commonName: 'localhost', dnsNames: ['localhost'], ipAddresses: ['127.0.0.1', '::1'] })
  const account = gatewayAccount()
  const cluster = await (context === undefined ? embeddedCluster(account) : clusterOfContext(context, account))
  lifecycle.onStop('cluster', () => cluster.close())
  const echo = await startEcho()
  lifecycle.onStop('echo', () => echo.close())
  const files: DevFiles = {
    ca: await writePrivate(join(state, 'ca.pem'), ca.certificatePem),
    cert: await writePrivate(join(state, 'tls.pem'), leaf.certificatePem),
    key: await writePrivate(join(state, 'tls-key.pem'), leaf.privateKeyPem),
    clientSecret: await writePrivate(join(state, 'client-secret'), secret),
    clusterToken: await writePrivate(join(state, 'cluster-token'), account.token),
    audit: join(state, 'audit.jsonl'),
    kubeconfig: join(state, 'kubeconfig'),
    aliceToken: join(state, 'alice.token'),
    aliceHeader: join(state, 'alice.header'),
    robotHeader: join(state, 'robot.header'),
  }

  const gateway = await composeGateway(
    checkConfig({
      publicUrl,
      listen: {
        http: { port: http },
        https: { host: '127.0.0.1', port: https, cert: { file: files.cert }, key: { file: files.key } },
        operations: { port: await freePort(port === 0 ? 0 : http + 1010) },
      },
      store: { memory: 'singleReplica' },
      providers: {
        dev: {
          kind: 'oidc',
          title: 'the dev issuer',
          issuer: issuer.issuer,
          clientId: 'mandate',
          clientAuth: { method: 'secret', secret: { file: files.clientSecret } },
          audience: AUDIENCE,
          machineClients: ['robot'],
          commandLine: { clientId: 'mandate-cli' },
          kubernetes: { prefix: PREFIX, user: 'preferred_username' },
        },
      },
      clusters: {
        dev: {
          server: cluster.url,
          allow: { callers: ['person', 'machine'] },
          as: { kind: 'impersonate', token: { file: files.clusterToken } },
        },
      },
      routes: [
        {
          name: 'echo-api',
          match: { host: 'localhost', path: '/echo/**', methods: ['GET'] },
          allow: { callers: ['machine'], scopes: [ECHO_SCOPE] },
          limit: { perPrincipal: '60/minute' },
          upstream: echo.url,
        },
        { name: 'echo', match: { host: 'echo.localhost', path: '/**' }, allow: {}, upstream: echo.url },
      ],
    }),
    { log, auditTarget: fileTarget(files.audit) },
  )
  lifecycle.onStop('gateway', () => gateway.stop())

  const httpsUrl = `https://127.0.0.1:${https}`
  await writeKubeconfig(files, `${httpsUrl}/clusters/dev`)
  const alice = USERS[0]
  const writeTokens = async () => {
    if (alice === undefined) return
    const token = issuer.mintAccessToken(alice.name)
    await writePrivate(files.aliceToken, token)
    // curl reads headers from a file, so that the token is in no argument list.
    await writePrivate(files.aliceHeader, `Authorization: Bearer ${token}\n`)
    const robot = issuer.mintAccessToken({ client: 'robot' }, { claims: { scope: ECHO_SCOPE } })
    await writePrivate(files.robotHeader, `Authorization: Bearer ${robot}\n`)
  }
  await writeTokens()
  const renewing = setInterval(
    () => void writeTokens().catch((error: unknown) => log.fault('the dev token cannot be renewed', error)),
    TOKEN_AGAIN_MS,
  )
  renewing.unref()
  lifecycle.onStop('tokens', () => clearInterval(renewing))
  const operationsUrl = `http://127.0.0.1:${gateway.ports.operations}`
  return {
    welcome: welcome({ publicUrl, files, operationsUrl, cluster: context, ...(port === 0 || port === http ? {} : { taken: port }) }),
    publicUrl,
    httpsUrl,
    issuer: issuer.issuer,
    operationsUrl,
    files,
    stop: () => lifecycle.stop(),
  }
}
