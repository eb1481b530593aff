/**
 * Whether certificates and keys can be used, before anything is bound.
 *
 * Security: nothing of what is judged is repeated: a key may stand where a certificate belongs. The last word is that of the
 * library by which the gateway serves, so that what is right here is right there.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { createSecureContext } from 'node:tls'
import type { Fault } from '../faults/faults.ts'

/** PEM of a certificate with its chain, and of the key that belongs to it. */
export interface Pair {
  readonly cert: string
  readonly key: string
}

/** What is wrong, and the mend. */
export type Judged = Pick<Fault, 'problem' | 'mend'>

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\sA-Za-z0-9+/=]+-----END CERTIFICATE-----/g
const PRIVATE_KEY = /-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----/
const SOON_MS = 14 * 86_400_000

/** Why nothing can be served by a certificate and a key below `path`; empty when it can. */
export function pairFaults(path: string, { cert, key }: Pair): Fault[] {
  const [ofCert, ofKey] = [certificateFault(cert, path), keyFault(key, path)]
  const faults = [...refused(`${path}.cert`, ofCert), ...refused(`${path}.key`, ofKey)]
  const [own, secret] = [firstCertificate(cert), privateKey(key)]
  if (faults.length > 0 || own === undefined || secret === undefined) return faults
  if (!own.checkPrivateKey(secret))
    return refused(`${path}.key`, { problem: `is not the key of ${path}.cert`, mend: 'give the pair that was issued together' })
  try {
    createSecureContext({ cert, key })
    return []
  } catch {
    const problem = 'cannot be served: it, its chain or its key is damaged or too weak for TLS'
    return refused(`${path}.cert`, { problem, mend: 'have another one issued' })
  }
}

/** Why what a connection is to trust is no list of certificates; undefined when it is one. */
export function authorityFault(pem: string): Judged | undefined {
  const all = pem.match(CERTIFICATE) ?? []
  const mend = 'give the certificates of the authority in PEM, which begins with -----BEGIN CERTIFICATE-----'
  if (all.length === 0) return { problem: 'holds no PEM certificate, so nothing could be trusted', mend }
  return all.every((block) => parsed(block) !== undefined) ? undefined : { problem: 'holds a certificate that cannot be read', mend }
}

/** Why a text is no private key; undefined when it is one. */
export function privateKeyFault(pem: string): Judged | undefined {
  if (privateKey(pem) !== undefined) return undefined
  const mend = 'give the key in PEM, which begins with -----BEGIN PRIVATE KEY-----'
  if (/-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED/.test(pem))
    return { problem: 'is under a passphrase', mend: 'give it without: openssl pkey -in FILE -out FILE' }
  return { problem: PRIVATE_KEY.test(pem) ? 'is a private key that cannot be read' : 'is not a PEM private key', mend }
}

/** What is unwise about a certificate that can be served: its end, and the hosts that it does not name. */
export function certificateAdvice(path: string, cert: string, hosts: readonly string[], now: number): Fault[] {
  const own = firstCertificate(cert)
  if (own === undefined) return []
  const end = own.validToDate.getTime()
  const [day] = own.validToDate.toISOString().split('T')
  const mend = 'have it renewed: it is read again when it changes'
  const unnamed = hosts.filter((host) => !names(own, host))
  return [
    ...(end <= now ? at(path, { problem: `has expired (${day}): nobody takes it`, mend }) : []),
    ...(end > now && end - now < SOON_MS ? at(path, { problem: `expires within 14 days (${day})`, mend }) : []),
    ...(own.validFromDate.getTime() > now ? at(path, { problem: 'is not valid yet', mend: 'set the clock, or wait' }) : []),
    ...(unnamed.length === 0
      ? []
      : at(path, { problem: `does not name ${unnamed.join(', ')}`, mend: 'have one issued that names every host, in its subjectAltName' })),
  ]
}

function certificateFault(pem: string, path: string): Judged | undefined {
  if (firstCertificate(pem) !== undefined) return undefined
  if (PRIVATE_KEY.test(pem))
    return { problem: 'holds a private key and no certificate', mend: `give the certificate here, and its key in ${path}.key` }
  const mend = 'give the certificate in PEM, which begins with -----BEGIN CERTIFICATE-----, its chain after it'
  return { problem: CERTIFICATE.test(pem) ? 'is a certificate that cannot be read' : 'is not a PEM certificate', mend }
}

function keyFault(pem: string, path: string): Judged | undefined {
  const fault = privateKeyFault(pem)
  if (fault === undefined || PRIVATE_KEY.test(pem) || firstCertificate(pem) === undefined) return fault
  return { problem: 'holds a certificate and no private key', mend: `give the key here, and the certificate in ${path}.cert` }
}

/** The first is the server's own; authorities follow it. */
function firstCertificate(pem: string): X509Certificate | undefined {
  const [first] = pem.match(CERTIFICATE) ?? []
  return first === undefined ? undefined : parsed(first)
}

function parsed(block: string): X509Certificate | undefined {
  try {
    return new X509Certificate(block)
  } catch {
    return undefined
  }
}

function privateKey(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem)
  } catch {
    return undefined
  }
}

/** Without its common name, at which no client looks (RFC 9110 4.3.4). */
function names(certificate: X509Certificate, host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '')
  const found = isIP(bare) === 0 ? certificate.checkHost(bare, { subject: 'never' }) : certificate.checkIP(bare)
  return found !== undefined
}

function refused(path: string, judged: Judged | undefined): Fault[] {
  return judged === undefined ? [] : [{ code: 'wrong_form', path, ...judged }]
}

function at(path: string, judged: Judged): Fault[] {
  return [{ path, ...judged }]
}
