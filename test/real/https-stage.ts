/** A stage that is served over https as in production, with a CA of its own, on a world with or without a node. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type CertificateAndKey, type CertificateAuthority, createCertificateAuthority } from '../../src/dev/certificate-authority.ts'
import { freePort } from '../../src/dev/free-port.ts'
import { type ConfigDraft, type Stage, setStage } from '../journeys/stage.ts'
import type { StartWorld } from '../journeys/world.ts'
import type { Parts } from './ground.ts'
import type { Kwok } from './parts/kwok.ts'
import { realParts } from './world.ts'

export interface HttpsStage {
  readonly stage: Stage
  /** `https://localhost:<port>`, the publicUrl. */
  readonly origin: string
  readonly authority: CertificateAuthority
  /** The certificate it serves, for localhost and 127.0.0.1. */
  readonly leaf: CertificateAndKey
  /** Removed with the stage. */
  readonly folder: string
}

/** Sets it up; `configure` may change the configuration further. */
export async function setHttpsStage(
  t: TestContext,
  start: StartWorld,
  configure: (config: ConfigDraft) => void = () => {},
): Promise<HttpsStage> {
  const folder = await mkdtemp(join(tmpdir(), 'mandate-https-stage-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const authority = await createCertificateAuthority('Gateway authority')
  const leaf = await authority.issue({ commonName: 'gateway', dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] })
  const [cert, key] = [join(folder, 'tls.pem'), join(folder, 'tls-key.pem')]
  await Promise.all([writeFile(cert, leaf.certificatePem), writeFile(key, leaf.privateKeyPem, { mode: 0o600 })])
  const port = await freePort(0)
  const origin = `https://localhost:${port}`
  const stage = await setStage(t, (options) => start({ ...options, origin }), {
    configure(config) {
      config['publicUrl'] = origin
      config.listen['https'] = { host: '127.0.0.1', port, cert: { file: cert }, key: { file: key } }
      configure(config)
    },
  })
  return { stage, origin, authority, leaf, folder }
}

/** A world whose pods run on a node, so that streams are real. `kwok()` is that node and `parts()` all of it, once the world has started. */
export function worldWithNode(): { readonly start: StartWorld; readonly kwok: () => Kwok; readonly parts: () => Parts } {
  let node: Kwok | undefined
  let parts: Parts | undefined
  return {
    async start(options) {
      const world = await realParts(options)
      parts = world.parts
      node = await world.parts.node()
      return world
    },
    parts() {
      if (parts === undefined) throw new Error('the world has not started')
      return parts
    },
    kwok() {
      if (node === undefined) throw new Error('the world has not started')
      return node
    },
  }
}
