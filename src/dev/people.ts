/** Who there is in `mandate dev`: three people with different groups, a machine, and the gateway's own account. */
import { randomBytes } from 'node:crypto'
import type { TestUser } from './issuer/options.ts'

/** What the dev provider puts before user and group names. */
export const PREFIX = 'dev:'

export const USERS: readonly TestUser[] = [
  { name: 'alice', sub: 'alice', email: 'alice@dev.example', emailVerified: true, groups: ['team-a'] },
  { name: 'bob', sub: 'bob', email: 'bob@dev.example', emailVerified: true, groups: ['team-b'] },
  { name: 'carol', sub: 'carol', email: 'carol@dev.example', emailVerified: false, groups: ['auditors'] },
]

/** The account that impersonates. It may do nothing else. */
export interface GatewayAccount {
  readonly username: string
  readonly token: string
}

export function gatewayAccount(): GatewayAccount {
  return { username: 'system:serviceaccount:mandate:gateway', token: randomBytes(32).toString('base64url') }
}
