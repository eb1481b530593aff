/** The files of `mandate dev`: all readable by their owner only, all made anew but the CA. */
import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { type CertificateAuthority, createCertificateAuthority, loadCertificateAuthority } from './certificate-authority.ts'

export interface DevFiles {
  readonly ca: string
  readonly cert: string
  readonly key: string
  readonly clientSecret: string
  readonly clusterToken: string
  readonly audit: string
  readonly kubeconfig: string
  readonly aliceToken: string
  readonly aliceHeader: string
  readonly robotHeader: string
}

/** Writes a file that only its owner may read, whole or not at all; resolves to its path. */
export async function writePrivate(path: string, content: string): Promise<string> {
  const fresh = `${path}.${process.pid}`
  await writeFile(fresh, content, { mode: 0o600 })
  await rename(fresh, path)
  return path
}

/** The CA of earlier starts, so that what trusts it goes on trusting it; a new one when there is none that holds. */
export async function keepCertificateAuthority(state: string): Promise<CertificateAuthority> {
  const certificatePath = join(state, 'ca.pem')
  const keyPath = join(state, 'ca-key.pem')
  try {
    return await loadCertificateAuthority({
      certificatePem: await readFile(certificatePath, 'utf8'),
      privateKeyPem: await readFile(keyPath, 'utf8'),
    })
  } catch {
    const ca = await createCertificateAuthority('Mandate dev')
    const { certificatePem, privateKeyPem } = ca.serialise()
    await writePrivate(keyPath, privateKeyPem)
    await writePrivate(certificatePath, certificatePem)
    return ca
  }
}

/** A kubeconfig for alice. It names files beside it, so that it stays right when the token is renewed. */
export async function writeKubeconfig(files: DevFiles, server: string): Promise<void> {
  const beside = (path: string) => path.split(/[\\/]/).at(-1) ?? path
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'mandate-dev', cluster: { server, 'certificate-authority': beside(files.ca) } }],
    users: [{ name: 'alice', user: { tokenFile: beside(files.aliceToken) } }],
    contexts: [{ name: 'dev', context: { cluster: 'mandate-dev', user: 'alice', namespace: 'team-a' } }],
    'current-context': 'dev',
  }
  await writePrivate(files.kubeconfig, stringify(config))
}
