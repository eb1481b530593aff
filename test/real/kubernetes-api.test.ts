import { createSign, generateKeyPairSync } from 'node:crypto'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { kubernetesConformance } from '../../src/dev/kubernetes/kubernetes.conformance.ts'
import { makeLoopbackCertificate } from './parts/certificates.ts'
import { startKubernetes } from './parts/kube-apiserver.ts'

type Issuer = { url: string; caPem: string; token(claims: object): string; close(): Promise<void> }

/** An OIDC issuer with one key, so that the API server knows whomever a test wants to be. */
async function startIssuer(): Promise<Issuer> {
  const pair = await makeLoopbackCertificate('issuer')
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const key = { ...publicKey.export({ format: 'jwk' }), kid: 'one', alg: 'RS256', use: 'sig' }
  let url = ''
  const server = createServer({ cert: pair.certPem, key: pair.keyPem }, (request, response) => {
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(request.url === '/keys' ? { keys: [key] } : { issuer: url, jwks_uri: `${url}/keys` }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  return {
    url,
    caPem: pair.caPem,
    token: (claims) => {
      const exp = Math.floor(Date.now() / 1000) + 600
      const text = `${encode({ alg: 'RS256', kid: 'one' })}.${encode({ iss: url, aud: 'conformance', exp, ...claims })}`
      return `${text}.${createSign('RSA-SHA256').update(text).sign(privateKey, 'base64url')}`
    },
    close: async () => {
      await new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
    },
  }
}

kubernetesConformance('a real kube-apiserver is a Kubernetes API', async () => {
  const issuer = await startIssuer()
  const kubernetes = await startKubernetes().catch(async (error: unknown) => {
    await issuer.close()
    throw error
  })
  const { url, caPem } = issuer
  await kubernetes.trust([{ url, caPem, audiences: ['conformance'], usernamePrefix: '', groupsPrefix: '' }])
  return {
    url: kubernetes.url,
    ca: kubernetes.caPem,
    adminToken: kubernetes.adminToken,
    userToken: async (user, groups) => issuer.token({ sub: user, groups }),
    close: async () => {
      await kubernetes.stop()
      await issuer.close()
    },
  }
})
