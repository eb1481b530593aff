/** PEM certificates of a file that somebody names. */
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Complaint } from '../../complaint.ts'

const BLOCK = /-----BEGIN CERTIFICATE-----[\sA-Za-z0-9+/=]+-----END CERTIFICATE-----/g

/**
 * The certificates alone, whatever else the file holds: they are copied into kubeconfigs, and a private key beside them must
 * not be. Throws Complaint when there is none, or one that cannot be read.
 */
export function certificatesIn(file: string): string {
  let content: string
  try {
    content = readFileSync(file, 'utf8')
  } catch {
    throw new Complaint(`the file ${file} cannot be read`)
  }
  const blocks = content.match(BLOCK) ?? []
  if (blocks.length === 0) throw new Complaint(`the file ${file} holds no PEM certificate`)
  try {
    for (const block of blocks) new X509Certificate(block)
  } catch {
    throw new Complaint(`the file ${file} holds a certificate that cannot be read`)
  }
  return `${blocks.join('\n')}\n`
}
