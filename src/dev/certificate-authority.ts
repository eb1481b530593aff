/**
 * The certificate authority of `mandate dev`.
 *
 * Why there is one: kubectl sends no bearer token over plain http, so even on loopback the gateway must speak TLS, and a
 * certificate that nobody can verify would teach people to switch verification off. The authority's certificate travels
 * in the kubeconfig that we print; it is never installed in a system trust store, so its key, which lies on a developer's
 * disk, can vouch for nothing but what that kubeconfig talks to. It may sign leaves only (`pathLength` 0), leaves are good
 * for TLS only, and every leaf names its hosts in the SAN (RFC 9110 section 4.3.4: the CN is not looked at).
 */
import { createPrivateKey, KeyObject, randomBytes, X509Certificate } from 'node:crypto'

/** A certificate and its private key (PKCS #8), both PEM. The key is a secret: write it with mode 0600. */
export interface CertificateAndKey {
  readonly certificatePem: string
  readonly privateKeyPem: string
}

/** What a leaf certificate is for. At least one DNS name or IP address is needed. */
export interface LeafRequest {
  readonly commonName: string
  readonly dnsNames?: readonly string[]
  readonly ipAddresses?: readonly string[]
  /** Life in days, 90 if not given. Never outlives the authority. */
  readonly days?: number
}

/** Issues certificates that Node, Go (kubectl, kube-apiserver) and OpenSSL accept when they trust `certificatePem`. */
export interface CertificateAuthority {
  readonly certificatePem: string
  /** A new P-256 key and a certificate over it, for TLS servers and clients. Throws `TypeError` when no name is asked for. */
  issue(request: LeafRequest): Promise<CertificateAndKey>
  /** What `loadCertificateAuthority` needs to go on after a restart. Contains the authority's private key. */
  serialise(): CertificateAndKey
}

type X509 = typeof import('@peculiar/x509')

const KEY_ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' } as const
const SIGNING_ALGORITHM = { name: 'ECDSA', hash: 'SHA-256' } as const
const DAY_MS = 86_400_000
/** Certificates start a little in the past, so that a container whose clock lags takes them too. */
const CLOCK_LAG_MS = 5 * 60_000
const AUTHORITY_DAYS = 3650
const LEAF_DAYS = 90

/** Makes a new authority whose certificate carries `name` as its common name. Lives ten years. */
export async function createCertificateAuthority(name: string): Promise<CertificateAuthority> {
  const x509 = await loadX509()
  const keys = await crypto.subtle.generateKey(KEY_ALGORITHM, true, ['sign', 'verify'])
  const now = Date.now()
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: serialNumber(),
      name: [{ CN: [name] }],
      notBefore: new Date(now - CLOCK_LAG_MS),
      notAfter: new Date(now + AUTHORITY_DAYS * DAY_MS),
      signingAlgorithm: SIGNING_ALGORITHM,
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey, false, crypto),
      ],
    },
    crypto,
  )
  return authority(x509, certificate.toString('pem'), keys.privateKey)
}

/**
 * Takes up an authority again from what `serialise` gave. Throws when the certificate is not one of an authority, has
 * expired, or does not belong to the key: better a new authority than leaves that nobody accepts.
 */
export async function loadCertificateAuthority(stored: CertificateAndKey): Promise<CertificateAuthority> {
  const certificate = new X509Certificate(stored.certificatePem)
  const key = createPrivateKey(stored.privateKeyPem)
  if (!certificate.ca) throw new Error('the stored certificate is not one of a certificate authority')
  if (!certificate.checkPrivateKey(key)) throw new Error('the stored key does not belong to the stored certificate')
  if (certificate.validToDate.getTime() <= Date.now()) throw new Error('the stored certificate authority has expired')
  return authority(await loadX509(), stored.certificatePem, key.toCryptoKey(KEY_ALGORITHM, true, ['sign']))
}

function authority(x509: X509, certificatePem: string, signingKey: CryptoKey): CertificateAuthority {
  const own = new x509.X509Certificate(certificatePem)
  return {
    certificatePem,
    serialise: () => ({ certificatePem, privateKeyPem: toPem(signingKey) }),
    async issue({ commonName, dnsNames = [], ipAddresses = [], days = LEAF_DAYS }) {
      if (dnsNames.length + ipAddresses.length === 0) throw new TypeError('a certificate needs a DNS name or an IP address')
      const keys = await crypto.subtle.generateKey(KEY_ALGORITHM, true, ['sign', 'verify'])
      const now = Date.now()
      const leaf = await x509.X509CertificateGenerator.create(
        {
          serialNumber: serialNumber(),
          subject: [{ CN: [commonName] }],
          issuer: own.subjectName,
          notBefore: new Date(Math.max(now - CLOCK_LAG_MS, own.notBefore.getTime())),
          notAfter: new Date(Math.min(now + days * DAY_MS, own.notAfter.getTime())),
          signingAlgorithm: SIGNING_ALGORITHM,
          publicKey: keys.publicKey,
          signingKey,
          extensions: [
            new x509.BasicConstraintsExtension(false, undefined, true),
            new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
            new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
            new x509.SubjectAlternativeNameExtension([
              ...dnsNames.map((value) => ({ type: 'dns' as const, value })),
              ...ipAddresses.map((value) => ({ type: 'ip' as const, value })),
            ]),
            await x509.SubjectKeyIdentifierExtension.create(keys.publicKey, false, crypto),
            await x509.AuthorityKeyIdentifierExtension.create(own.publicKey, false, crypto),
          ],
        },
        crypto,
      )
      return { certificatePem: leaf.toString('pem'), privateKeyPem: toPem(keys.privateKey) }
    },
  }
}

/** 127 random bits with the top bit clear: RFC 5280 section 4.1.2.2 wants a positive integer of at most 20 octets. */
function serialNumber(): string {
  const bytes = randomBytes(16)
  bytes.writeUInt8((bytes.readUInt8(0) & 0x3f) | 0x40, 0)
  return bytes.toString('hex')
}

function toPem(key: CryptoKey): string {
  return KeyObject.from(key).export({ format: 'pem', type: 'pkcs8' }).toString()
}

/**
 * Loaded on first use: the library is an optional dependency that the image lacks. It finds its algorithms through tsyringe,
 * which refuses to load where nobody has installed the metadata calls of `Reflect`; none of the classes that are looked up
 * take constructor arguments, so a plain store of what is defined serves.
 */
async function loadX509(): Promise<X509> {
  if (!('getMetadata' in Reflect)) {
    const store = new WeakMap<object, Map<unknown, unknown>>()
    const getOwnMetadata = (key: unknown, target: object): unknown => store.get(target)?.get(key)
    const getMetadata = (key: unknown, target: object | null): unknown =>
      target === null ? undefined : (getOwnMetadata(key, target) ?? getMetadata(key, Object.getPrototypeOf(target)))
    const defineMetadata = (key: unknown, value: unknown, target: object): void => {
      store.set(target, (store.get(target) ?? new Map<unknown, unknown>()).set(key, value))
    }
    Object.assign(Reflect, { getOwnMetadata, getMetadata, defineMetadata })
  }
  return import('@peculiar/x509')
}
