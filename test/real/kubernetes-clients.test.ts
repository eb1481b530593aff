import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { clientsConformance } from '../../src/kubernetes/clients.conformance.ts'
import { makeLoopbackCertificate } from './parts/certificates.ts'
import { startKubernetes } from './parts/kube-apiserver.ts'

clientsConformance(
  'the clients, on a real kube-apiserver',
  async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256')
    const key = { ...(await exportJWK(publicKey)), kid: 'clients', alg: 'ES256', use: 'sig' }
    const { certPem: cert, keyPem, caPem } = await makeLoopbackCertificate('issuer')
    let issuer = ''
    const documents = createServer({ cert, key: keyPem }, ({ url }, response) => {
      const document = url === '/keys' ? { keys: [key] } : { issuer, jwks_uri: `${issuer}/keys` }
      response.setHeader('content-type', 'application/json').end(JSON.stringify(document))
    })
    await new Promise<void>((resolve) => documents.listen(0, '127.0.0.1', resolve))
    issuer = `https://127.0.0.1:${(documents.address() as AddressInfo).port}`
    const audiences = ['clients']
    const kubernetes = await startKubernetes().catch((error: unknown) => {
      documents.close()
      throw error
    })
    await kubernetes.trust([{ url: issuer, caPem, audiences, usernamePrefix: '', groupsPrefix: '' }])
    return {
      url: kubernetes.url,
      ca: kubernetes.caPem,
      adminToken: kubernetes.adminToken,
      userToken: (user, groups) =>
        new SignJWT({ groups: [...groups] })
          .setProtectedHeader({ alg: 'ES256', kid: 'clients' })
          .setIssuer(issuer)
          .setAudience(audiences)
          .setSubject(user)
          .setExpirationTime('10m')
          .sign(privateKey),
      close: async () => {
        await kubernetes.stop()
        documents.closeAllConnections()
        documents.close()
      },
    }
  },
  { holdsAuthors: true },
)
