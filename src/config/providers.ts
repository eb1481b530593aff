/** The configuration of all identity providers, of whatever kind. */
import { z } from 'zod'
import { asProvider, cognito } from './cognito.ts'
import { oidc, type ProviderConfig } from './provider.ts'
import { name } from './values.ts'

export const provider = z.discriminatedUnion('kind', [oidc, cognito])

export const providers = z.record(name, provider)

/** A provider with what its kind decides by itself, and the claims that rules speak of. */
export function completeProvider(providerName: string, raw: z.output<typeof provider>, ruleClaims: readonly string[]): ProviderConfig {
  const known = raw.kind === 'oidc' ? raw : asProvider(raw)
  return {
    ...known,
    name: providerName,
    // For access tokens without an audience `unsafe` reports the fault; '' never equals an aud.
    audience: known.audience ?? (known.accept === 'id-token' ? known.clientId : ''),
    prefix: known.kubernetes.prefix ?? `${providerName}:`,
    ruleClaims,
  }
}
