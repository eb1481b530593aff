import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ask } from './ask.ts'
import type { KeyPair } from './certificates.ts'
import { locateKeycloak } from './locate.ts'
import { type Child, startChild, temporaryFolder, withFreePorts } from './process.ts'
import type { RealmClient, RealmImport, RealmUser } from './realm.ts'

/** What the token endpoint answers. Times are seconds. */
export interface TokenAnswer {
  readonly access_token: string
  readonly id_token?: string
  readonly refresh_token?: string
  readonly expires_in: number
  readonly refresh_expires_in?: number
  readonly scope: string
}

/** A Keycloak server on loopback with a database of its own that ends with it. */
export interface Keycloak {
  /** Where it is, and the base of every issuer: https when it was started with a certificate, else http. */
  readonly url: string
  /** The same server over plain http. Its tokens name the issuer under `url` here too. */
  readonly httpUrl: string
  /** The issuer of a realm's tokens. */
  issuer(realm: string): string
  /** An access token for the admin REST API, `<url>/admin/realms/…`; it lives one minute. */
  adminToken(): Promise<string>
  /** Signs a person in by the password grant, with scope `openid` unless said otherwise. Throws when it is refused. */
  passwordToken(
    realm: string,
    client: Pick<RealmClient, 'clientId' | 'secret'>,
    user: Pick<RealmUser, 'username' | 'password'>,
    scope?: string,
  ): Promise<TokenAnswer>
  /** A machine's own token by client_credentials. Throws when it is refused. */
  machineToken(realm: string, client: Pick<RealmClient, 'clientId' | 'secret'>): Promise<TokenAnswer>
  /** Stops it in its tracks (SIGSTOP): connections stay open and nothing answers. */
  pause(): void
  /** Lets a paused server go on. */
  resume(): void
  /** The end of its log. */
  logs(): string
  /** Ends it and removes its data. */
  stop(): Promise<void>
}

/** What Keycloak is started with. */
export interface KeycloakOptions {
  /** Realms to import, as `makeRealm` describes them. */
  readonly realms: readonly RealmImport[]
  /** A certificate for 127.0.0.1; with it Keycloak serves https too, and issuers are https as kube-apiserver demands. */
  readonly https?: KeyPair
}

/** Starts Keycloak and resolves when its realms are there. Throws an Error with its output when it does not start. */
export async function startKeycloak(options: KeycloakOptions): Promise<Keycloak> {
  const distribution = await locateKeycloak()
  const password = (await readFile(join(distribution, 'seed', 'admin-password'), 'utf8')).trim()
  const home = await temporaryFolder('keycloak')
  try {
    // A home of its own around the same programs: two servers share nothing that either writes.
    for (const name of ['bin', 'lib', 'providers', 'themes']) {
      await symlink(join(distribution, name), join(home.path, name))
    }
    await cp(join(distribution, 'conf'), join(home.path, 'conf'), { recursive: true })
    await cp(join(distribution, 'seed', 'h2'), join(home.path, 'data', 'h2'), { recursive: true })
    await mkdir(join(home.path, 'data', 'import'))
    for (const [index, realm] of options.realms.entries()) {
      await writeFile(join(home.path, 'data', 'import', `realm-${index}.json`), JSON.stringify(realm))
    }
    const certificate: string[] = []
    if (options.https) {
      const [cert, key] = [join(home.path, 'cert.pem'), join(home.path, 'key.pem')]
      await writeFile(cert, options.https.certPem)
      await writeFile(key, options.https.keyPem, { mode: 0o600 })
      certificate.push(`--https-certificate-file=${cert}`, `--https-certificate-key-file=${key}`)
    }
    return await withFreePorts(3, async ([http = 0, https = 0, management = 0]) => {
      const httpUrl = `http://127.0.0.1:${http}`
      const url = options.https ? `https://127.0.0.1:${https}` : httpUrl
      const args = [`-Dkc.home.dir=${home.path}`, 'start', '--optimized', '--import-realm', '--cache=local']
      args.push('--http-enabled=true', '--http-host=127.0.0.1', `--http-port=${http}`, `--https-port=${https}`)
      args.push(`--http-management-port=${management}`, '--http-management-scheme=http', ...certificate)
      // A fixed name makes the issuer the same whichever port a token was asked at.
      args.push(`--hostname=${url}`)
      const child = await startChild({
        name: 'Keycloak',
        program: join(distribution, 'bin', 'kc.sh'),
        args,
        // The first compiler alone: what is compiled better would pay off only long after a suite has ended.
        env: { JAVA_OPTS_APPEND: '-XX:TieredStopAtLevel=1' },
        ready: async (logs) => logs.includes('Listening on:') && (await ask(`http://127.0.0.1:${management}/health/ready`)).status === 200,
        readyWithin: 180_000,
        stopWithin: 15_000,
        // kc.sh passes SIGTERM on to the Java that it started; SIGKILL would orphan it.
        orphanSignal: 'TERM',
      })
      return describe(child, { url, httpUrl, password, forget: () => home.remove() })
    })
  } catch (error) {
    await home.remove()
    throw error
  }
}

interface Started {
  readonly url: string
  readonly httpUrl: string
  readonly password: string
  forget(): Promise<void>
}

function describe(child: Child, { url, httpUrl, password, forget }: Started): Keycloak {
  const token = async (realm: string, form: Record<string, string | undefined>): Promise<TokenAnswer> => {
    const given = Object.entries(form).filter((entry): entry is [string, string] => entry[1] !== undefined)
    const answer = await ask(`${httpUrl}/realms/${realm}/protocol/openid-connect/token`, {
      body: new URLSearchParams(given),
      timeout: 30_000,
    })
    if (answer.status !== 200) throw new Error(`Keycloak refused a token: ${answer.status} ${answer.body}`)
    return JSON.parse(answer.body) as TokenAnswer
  }
  return {
    url,
    httpUrl,
    issuer: (realm) => `${url}/realms/${realm}`,
    async adminToken() {
      const form = { grant_type: 'password', client_id: 'admin-cli', username: 'admin', password }
      return (await token('master', form)).access_token
    },
    passwordToken: (realm, client, user, scope = 'openid') =>
      token(realm, {
        grant_type: 'password',
        client_id: client.clientId,
        client_secret: client.secret,
        username: user.username,
        password: user.password,
        scope,
      }),
    machineToken: (realm, client) =>
      token(realm, { grant_type: 'client_credentials', client_id: client.clientId, client_secret: client.secret }),
    pause: () => child.signal('SIGSTOP'),
    resume: () => child.signal('SIGCONT'),
    logs: () => child.logs(),
    async stop() {
      await child.stop()
      await forget()
    },
  }
}
