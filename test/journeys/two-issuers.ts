/** A stage with a second issuer beside the world's: the provider `lab`, with people whose names are as hostile as names get. */
import type { TestContext } from 'node:test'
import { type Issuer, startIssuer } from '../../src/dev/issuer/issuer.ts'
import type { IssuerOptions, TestUser } from '../../src/dev/issuer/options.ts'
import { type ConfigDraft, type Stage, type StageOptions, setStage } from './stage.ts'
import { AUDIENCE, type StartWorld } from './world.ts'

export const MALLORY: TestUser = {
  name: 'mallory',
  sub: 'mallory"><script>alert(1)</script>',
  email: 'mallory"@lab.example',
  emailVerified: true,
  groups: ['<img src=x onerror=alert(2)>', "'; drop--", 'ops & dev'],
}
export const DORA: TestUser = { name: 'dora', sub: 'dora', email: 'dora@lab.example', emailVerified: true, groups: ['lab'] }

export interface TwoIssuers {
  readonly stage: Stage
  readonly lab: Issuer
}

export interface TwoIssuersOptions extends StageOptions {
  /** Where the provider finds the issuer, when something stands in front of it. */
  readonly labUrl?: string
  /** Changes the second issuer. */
  readonly labOptions?: Partial<IssuerOptions>
}

export async function stageTwoIssuers(
  t: TestContext,
  start: StartWorld,
  { labUrl, labOptions, ...options }: TwoIssuersOptions = {},
): Promise<TwoIssuers> {
  let lab: Issuer | undefined
  t.after(() => lab?.close())
  const stage = await setStage(t, start, {
    ...options,
    async configure(config, world) {
      const origin = String(config['publicUrl'])
      lab ??= await startIssuer({
        users: [MALLORY, DORA],
        audience: AUDIENCE,
        clients: [
          { id: 'mandate-lab', public: true, redirectUris: [`${origin}/callback/lab`], postLogoutRedirectUris: [`${origin}/logout`] },
        ],
        ...(labUrl === undefined ? {} : { issuerUrl: labUrl }),
        ...labOptions,
      })
      config.providers['lab'] = {
        kind: 'oidc',
        title: 'Lab',
        issuer: lab.issuer,
        clientId: 'mandate-lab',
        clientAuth: { method: 'none' },
        audience: AUDIENCE,
      }
      // Where people sign in at several issuers, a cluster that is sent their ID tokens says whose.
      Object.assign(config.clusters['prod'] ?? {}, { allow: { callers: ['person', 'machine'], providers: ['corp'] } })
      await options.configure?.(config, world)
    },
  })
  if (lab === undefined) throw new Error('the stage was not configured')
  return { stage, lab }
}

/** Leaves the second issuer alone in the configuration's own words. */
export function onlyProvider(config: ConfigDraft, name: string): void {
  for (const other of Object.keys(config.providers)) if (other !== name) delete config.providers[other]
}
