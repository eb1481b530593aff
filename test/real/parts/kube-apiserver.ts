import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Answer, ask, type Question } from './ask.ts'
import { type AuditEntry, auditPolicy, readAuditLog } from './audit-log.ts'
import { type KeyPair, makeAuthority } from './certificates.ts'
import { type Etcd, startEtcd } from './etcd.ts'
import { type Finished, kubectl, type Proof, writeKubeconfig } from './kubectl.ts'
import { locate } from './locate.ts'
import { type Child, isPortClash, startChild, temporaryFolder, withFreePorts } from './process.ts'
import { countRefused, describeAuthentication, type TrustedIssuer, untilInForce } from './trusted-issuers.ts'

/** What a test cluster is started with. */
export interface KubernetesOptions {
  /** Issuers trusted from the start; `trust` changes them later. They need not be up yet. */
  readonly issuers?: readonly TrustedIssuer[]
  /** PEM of the authority whose client certificates may assert X-Remote-User, X-Remote-Group and X-Remote-Extra-*. */
  readonly frontProxyCa?: string
  /** Whether the admission plugin ServiceAccount runs. Off by default: without a controller-manager it refuses pods. */
  readonly serviceAccountAdmission?: boolean
  /** More kube-apiserver flags. */
  readonly args?: readonly string[]
}

/** An API server with its etcd, on loopback, RBAC on, and no controllers or nodes. */
export interface Kubernetes {
  /** `https://127.0.0.1:<port>`, the same after a restart. */
  readonly url: string
  /** The authority that signed its certificate. */
  readonly caPem: string
  /** Path of a kubeconfig of a member of system:masters. */
  readonly adminKubeconfig: string
  /** The same administrator's bearer. */
  readonly adminToken: string
  /** Issues a client certificate that the API server takes: the user's name and groups. */
  clientCertificate(user: string, groups?: readonly string[]): Promise<KeyPair>
  /** Writes a kubeconfig for that proof (none: anonymous) and tells its path. It lives as long as the server. */
  kubeconfig(proof: Proof): Promise<string>
  /** Runs kubectl against it: as the administrator, or with that bearer, or with that kubeconfig. */
  kubectl(args: readonly string[], options?: { token?: string; input?: string; kubeconfig?: string; timeout?: number }): Promise<Finished>
  /** Asks it one thing over https, as the administrator unless a token, a certificate or `anonymous` is given. */
  ask(path: string, question?: Question & { anonymous?: boolean }): Promise<Answer>
  /**
   * Trusts these issuers, which must be up, and no others. Resolves when that is in force. `restart`, the default, takes
   * about 2 s and drops open connections; `reload` keeps them and takes 10 s, because kube-apiserver polls so slowly.
   * Rejects when the issuers are refused, and then those before are still trusted, or when not in force after 30 s.
   */
  trust(issuers: readonly TrustedIssuer[], how?: 'restart' | 'reload'): Promise<void>
  /** What it recorded so far. A request's entry is on disk before its answer is sent. Survives restarts. */
  auditLog(): Promise<AuditEntry[]>
  readonly auditPath: string
  /** Ends the API server as a crash would; etcd goes on. */
  stopApiServer(): Promise<void>
  /** Starts it again on the same port, with the same data and issuers, and resolves when it is ready. */
  startApiServer(): Promise<void>
  restart(): Promise<void>
  /** The end of the API server's log. */
  logs(): string
  /** Ends both and removes their data. */
  stop(): Promise<void>
}

/** Starts etcd and kube-apiserver and resolves when both are ready. Throws an Error with their output otherwise. */
export async function startKubernetes(options: KubernetesOptions = {}): Promise<Kubernetes> {
  const program = await locate('kube-apiserver')
  const folder = await temporaryFolder('kubernetes')
  const at = (name: string): string => join(folder.path, name)
  const authentication = at('authentication.json')
  const auditPath = at('audit.log')
  const adminToken = randomBytes(24).toString('hex')
  let etcd: Etcd | undefined
  let server: Child | undefined
  const stop = async (): Promise<void> => {
    // Nothing is worth saving, and an API server that ends in peace waits for its open streams.
    await server?.kill()
    await etcd?.stop()
    await folder.remove()
  }
  try {
    const store = startEtcd().then((started) => {
      etcd = started
      return started.url
    })
    const [authority, etcdUrl] = await Promise.all([makeAuthority('Test cluster authority'), store])
    const serving = await authority.issue({ commonName: 'kube-apiserver', hosts: ['127.0.0.1', 'localhost'] })
    const serviceAccounts = generateKeyPairSync('ec', {
      namedCurve: 'P-256',
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'sec1', format: 'pem' },
    })
    const files: Record<string, string> = {
      'authentication.json': describeAuthentication(options.issuers ?? []),
      'audit-policy.json': JSON.stringify(auditPolicy),
      'client-ca.pem': authority.certPem,
      'front-proxy-ca.pem': options.frontProxyCa ?? '',
      'serving.pem': serving.certPem,
      'serving-key.pem': serving.keyPem,
      'service-accounts.pem': serviceAccounts.publicKey,
      'service-accounts-key.pem': serviceAccounts.privateKey,
      'tokens.csv': `${adminToken},admin,admin,"system:masters"\n`,
    }
    for (const [name, content] of Object.entries(files)) await writeFile(at(name), content, { mode: 0o600 })

    const { certPem: caPem } = authority
    const launch = (port: number): Promise<Child> => {
      const args = [
        `--etcd-servers=${etcdUrl}`,
        '--bind-address=127.0.0.1',
        '--advertise-address=127.0.0.1',
        `--secure-port=${port}`,
        `--tls-cert-file=${at('serving.pem')}`,
        `--tls-private-key-file=${at('serving-key.pem')}`,
        `--client-ca-file=${at('client-ca.pem')}`,
        `--token-auth-file=${at('tokens.csv')}`,
        `--authentication-config=${authentication}`,
        '--authorization-mode=RBAC',
        `--audit-policy-file=${at('audit-policy.json')}`,
        `--audit-log-path=${auditPath}`,
        // The record is written before the answer goes out, so that a test may read it at once.
        '--audit-log-mode=blocking',
        '--service-account-issuer=https://kubernetes.default.svc',
        `--service-account-key-file=${at('service-accounts.pem')}`,
        `--service-account-signing-key-file=${at('service-accounts-key.pem')}`,
        '--service-cluster-ip-range=10.0.0.0/24',
        // A loopback address may not be an endpoint of the service `kubernetes`, and nothing here uses that service.
        '--endpoint-reconciler-type=none',
        // The only node that there may be is a process on loopback, which names its address but has no host name.
        '--kubelet-preferred-address-types=InternalIP',
        '--watch-cache=true',
        '--profiling=false',
      ]
      if (options.serviceAccountAdmission !== true) args.push('--disable-admission-plugins=ServiceAccount')
      if (options.frontProxyCa !== undefined) {
        args.push(`--requestheader-client-ca-file=${at('front-proxy-ca.pem')}`)
        args.push('--requestheader-username-headers=X-Remote-User', '--requestheader-group-headers=X-Remote-Group')
        args.push('--requestheader-extra-headers-prefix=X-Remote-Extra-', '--requestheader-uid-headers=X-Remote-Uid')
      }
      const get = (path: string): Promise<Answer> => ask(`https://127.0.0.1:${port}${path}`, { caPem, token: adminToken, timeout: 5_000 })
      return startChild({
        name: 'kube-apiserver',
        program,
        args: [...args, ...(options.args ?? [])],
        ready: async () => (await get('/readyz')).status === 200 && (await get('/api/v1/namespaces/default')).status === 200,
        readyWithin: 90_000,
        stopWithin: 5_000,
      })
    }
    const port = await withFreePorts(1, async ([free = 0]) => {
      server = await launch(free)
      return free
    })
    const url = `https://127.0.0.1:${port}`
    let written = 0
    const kubeconfig = async (proof: Proof): Promise<string> => {
      const path = at(`kubeconfig-${written++}`)
      await writeKubeconfig(path, url, caPem, proof)
      return path
    }
    const adminKubeconfig = await kubeconfig({ token: adminToken })
    const askServer: Kubernetes['ask'] = (path, { anonymous = false, ...question } = {}) =>
      ask(`${url}${path}`, {
        caPem,
        ...(anonymous || question.cert !== undefined ? {} : { token: adminToken }),
        ...question,
      })
    const startApiServer = async (): Promise<void> => {
      if (server?.running === true) return
      for (let tries = 1; ; tries++) {
        try {
          server = await launch(port)
          return
        } catch (error) {
          // Somebody's outgoing connection may hold the port for a moment.
          if (tries === 5 || !isPortClash(error)) throw error
          await sleep(1_000)
        }
      }
    }
    const stopApiServer = async (): Promise<void> => server?.kill()
    return {
      url,
      caPem,
      adminKubeconfig,
      adminToken,
      auditPath,
      clientCertificate: (user, groups = []) => authority.issue({ commonName: user, organizations: groups }),
      kubeconfig,
      async kubectl(args, { token, kubeconfig: given, ...rest } = {}) {
        const config = given ?? (token === undefined ? adminKubeconfig : await kubeconfig({ token }))
        return kubectl(args, { kubeconfig: config, ...rest })
      },
      ask: askServer,
      async trust(issuers, how = 'restart') {
        const before = await readFile(authentication, 'utf8')
        const text = describeAuthentication(issuers)
        const write = async (content: string): Promise<void> => {
          // Renamed, so that the API server never reads half a file.
          await writeFile(`${authentication}.new`, content, { mode: 0o600 })
          await rename(`${authentication}.new`, authentication)
        }
        const failed = await countRefused(askServer)
        await write(text)
        if (how === 'restart') {
          await stopApiServer()
          await startApiServer().catch(async (error: unknown) => {
            await write(before)
            await startApiServer()
            throw new Error('the API server refused the issuers', { cause: error })
          })
        }
        await untilInForce(askServer, text, how === 'restart' ? issuers : [], failed).catch(async (error: unknown) => {
          if (how === 'reload') await write(before)
          throw new Error(`${String(error)}\n${server?.logs()}`, { cause: error })
        })
      },
      auditLog: () => readAuditLog(auditPath),
      stopApiServer,
      startApiServer,
      async restart() {
        await stopApiServer()
        await startApiServer()
      },
      logs: () => server?.logs() ?? '',
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}
