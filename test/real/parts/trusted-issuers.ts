import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Answer, Question } from './ask.ts'

/** Asks an API server one thing, as its administrator unless the question brings a token. */
export type Ask = (path: string, question?: Question) => Promise<Answer>

/** An OIDC issuer whose tokens the API server takes. */
export interface TrustedIssuer {
  /** Exactly the tokens' `iss`; kube-apiserver demands https. */
  readonly url: string
  /** A token must name one of them. */
  readonly audiences: readonly string[]
  /** `sub` by default. */
  readonly usernameClaim?: string
  /** Put before every user name, such as `entra:`; may be empty. */
  readonly usernamePrefix: string
  /** `groups` by default. */
  readonly groupsClaim?: string
  /** Put before every group name; may be empty. */
  readonly groupsPrefix: string
  /** Who signed the issuer's certificate; the system's authorities when absent. */
  readonly caPem?: string
}

/** The AuthenticationConfiguration that trusts these issuers and no others, as JSON. */
export function describeAuthentication(issuers: readonly TrustedIssuer[]): string {
  return JSON.stringify({
    apiVersion: 'apiserver.config.k8s.io/v1',
    kind: 'AuthenticationConfiguration',
    jwt: issuers.map((issuer) => ({
      issuer: {
        url: issuer.url,
        audiences: issuer.audiences,
        ...(issuer.audiences.length > 1 ? { audienceMatchPolicy: 'MatchAny' } : {}),
        ...(issuer.caPem === undefined ? {} : { certificateAuthority: issuer.caPem }),
      },
      claimMappings: {
        username: { claim: issuer.usernameClaim ?? 'sub', prefix: issuer.usernamePrefix },
        groups: { claim: issuer.groupsClaim ?? 'groups', prefix: issuer.groupsPrefix },
      },
    })),
  })
}

/**
 * Waits until the API server took that configuration and fetched the keys of those issuers. `failed` is how many it had
 * refused before (`countRefused`). Rejects when it refuses this one too, or after 30 s.
 */
export async function untilInForce(askServer: Ask, text: string, issuers: readonly TrustedIssuer[], failed: number): Promise<void> {
  const sha256 = (value: string): string => `hash="sha256:${createHash('sha256').update(value).digest('hex')}"`
  const deadline = Date.now() + 30_000
  for (;;) {
    // A started API server looks its issuers up on its own time. It fetches an issuer's keys when it first must check a
    // signature, so it is given one to check and its metrics tell.
    for (const { url } of issuers) await askServer('/version', { token: forgeToken(url) })
    const now = await metrics(askServer)
    const fetched = now.split('\n').filter((line) => line.includes('jwks_fetch') && line.includes('"success"'))
    const ready = issuers.every(({ url }) => fetched.some((line) => line.includes(sha256(url))))
    if (ready && now.includes(sha256(text))) return
    if (failures(now) > failed) throw new Error('the API server refused the issuers')
    if (Date.now() > deadline) throw new Error('the issuers are not in force after 30 s')
    await sleep(50)
  }
}

/** A token that only claims to be of that issuer. */
function forgeToken(iss: string): string {
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const exp = Math.floor(Date.now() / 1000) + 60
  return `${encode({ alg: 'RS256', kid: 'forged' })}.${encode({ iss, sub: 'nobody', aud: 'nobody', exp })}.${'A'.repeat(342)}`
}

/** How many configurations the running API server refused. */
export async function countRefused(askServer: Ask): Promise<number> {
  return failures(await metrics(askServer))
}

async function metrics(askServer: Ask): Promise<string> {
  const { body } = await askServer('/metrics')
  const wanted = /^apiserver_authentication_(config_controller|jwt_authenticator_jwks)_/
  return body
    .split('\n')
    .filter((line) => wanted.test(line))
    .join('\n')
}

function failures(text: string): number {
  const line = /_automatic_reloads_total\{[^}]*status="failure"[^}]*\} (\d+)/.exec(text)
  return Number(line?.[1] ?? 0)
}
