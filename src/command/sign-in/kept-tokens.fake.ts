/** Kept tokens and folders for tests. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { Secret } from '../../secret.ts'
import type { KeptTokens } from './kept-tokens.ts'

export const GATEWAY = 'https://mandate.example'

/** Tokens that were obtained just now and live for an hour, after a change. */
export function keptTokens(change: Partial<KeptTokens> = {}): KeptTokens {
  const now = Date.now()
  return {
    issuer: 'https://issuer.example',
    clientId: 'cli',
    audience: 'api://mandate',
    resource: undefined,
    kind: 'access-token',
    token: new Secret('token-1'),
    obtainedAt: now,
    expiresAt: now + 3_600_000,
    refreshToken: new Secret('refresh-1'),
    presenting: false,
    subject: 'alice',
    who: 'alice',
    ...change,
  }
}

/** The same, and at its end: nothing is left of it. */
export function spentTokens(change: Partial<KeptTokens> = {}): KeptTokens {
  const now = Date.now()
  return keptTokens({ obtainedAt: now - 3_600_000, expiresAt: now - 1_000, ...change })
}

/** Good for another minute of an hour. */
export function dueTokens(change: Partial<KeptTokens> = {}): KeptTokens {
  const now = Date.now()
  return keptTokens({ obtainedAt: now - 3_540_000, expiresAt: now + 60_000, ...change })
}

/** A folder of one test's own, removed after it. */
export function testFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'mandate-login-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
