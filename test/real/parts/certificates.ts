import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { temporaryFolder } from './process.ts'

const run = promisify(execFile)

/** A certificate and its private key (PKCS#8), both PEM. */
export interface KeyPair {
  readonly certPem: string
  readonly keyPem: string
}

/** Whom a certificate names. With `hosts` it serves (names or addresses), without it proves a client. */
export interface Subject {
  readonly commonName: string
  /** Kubernetes reads these as groups. */
  readonly organizations?: readonly string[]
  readonly hosts?: readonly string[]
}

/** A certificate authority that lives in memory only. */
export interface Authority extends KeyPair {
  /** Issues a P-256 certificate, valid from now for a week. */
  issue(subject: Subject): Promise<KeyPair>
}

/** Makes a self-signed P-256 certificate authority by the `openssl` on PATH. */
export async function makeAuthority(commonName: string): Promise<Authority> {
  const own = await make({ commonName }, ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign,cRLSign'])
  return {
    ...own,
    issue(subject) {
      const { hosts } = subject
      const extensions = ['basicConstraints=critical,CA:FALSE', 'keyUsage=critical,digitalSignature']
      extensions.push(`extendedKeyUsage=${hosts ? 'serverAuth' : 'clientAuth'}`)
      if (hosts) {
        const names = hosts.map((host) => `${isIP(host) === 0 ? 'DNS' : 'IP'}:${host}`)
        extensions.push(`subjectAltName=${names.join(',')}`)
      }
      return make(subject, extensions, own)
    },
  }
}

/** A serving certificate for `127.0.0.1` and `localhost`, with the authority that signed it. */
export async function makeLoopbackCertificate(name: string): Promise<KeyPair & { readonly caPem: string }> {
  const authority = await makeAuthority(`${name} authority`)
  const pair = await authority.issue({ commonName: name, hosts: ['127.0.0.1', 'localhost'] })
  return { ...pair, caPem: authority.certPem }
}

async function make(subject: Subject, extensions: readonly string[], signer?: KeyPair): Promise<KeyPair> {
  const folder = await temporaryFolder('certificate')
  try {
    const at = (name: string): string => join(folder.path, name)
    const organizations = (subject.organizations ?? []).map((name) => `/O=${escapeName(name)}`).join('')
    const args = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc', '-days', '7']
    // An empty configuration: the system's own would add extensions of its choice.
    await writeFile(at('empty.cnf'), '[req]\ndistinguished_name=name\n[name]\n')
    args.push('-config', at('empty.cnf'), '-keyout', at('key.pem'), '-out', at('cert.pem'))
    args.push('-subj', `${organizations}/CN=${escapeName(subject.commonName)}`)
    for (const extension of extensions) args.push('-addext', extension)
    if (signer) {
      await writeFile(at('ca.pem'), signer.certPem)
      await writeFile(at('ca-key.pem'), signer.keyPem, { mode: 0o600 })
      args.push('-CA', at('ca.pem'), '-CAkey', at('ca-key.pem'))
    }
    await run('openssl', args, { timeout: 20_000 })
    return { certPem: await readFile(at('cert.pem'), 'utf8'), keyPem: await readFile(at('key.pem'), 'utf8') }
  } finally {
    await folder.remove()
  }
}

function escapeName(value: string): string {
  return value.replaceAll(/[\\/+]/g, (character) => `\\${character}`)
}
