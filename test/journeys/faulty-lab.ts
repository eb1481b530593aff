/** The second issuer with bad days to order, and a target of its own that takes whatever token it is sent. */
import type { TestContext } from 'node:test'
import type { Issuer } from '../../src/dev/issuer/issuer.ts'
import type { IssuerOptions } from '../../src/dev/issuer/options.ts'
import type { Browser } from '../fakes/browser.ts'
import { type FaultyIssuer, startFaultyIssuer } from '../fakes/faulty-issuer.ts'
import { type RawUpstream, startRawUpstream } from '../fakes/raw-http.ts'
import type { Stage } from './stage.ts'
import { stageTwoIssuers } from './two-issuers.ts'
import type { StartWorld } from './world.ts'

export interface FaultyLab {
  readonly stage: Stage
  readonly lab: Issuer
  readonly faulty: FaultyIssuer
  /** Behind the cluster `lab`, which is given the caller's own token. */
  readonly target: RawUpstream
  /** A new browser, signed in as Dora at the second issuer. */
  dora(): Promise<Browser>
}

export interface FaultyLabOptions {
  readonly replicas?: number
  readonly lifetimes?: IssuerOptions['lifetimes']
}

export async function stageFaultyLab(
  t: TestContext,
  start: StartWorld,
  { replicas = 1, lifetimes }: FaultyLabOptions = {},
): Promise<FaultyLab> {
  const [faulty, target] = await Promise.all([startFaultyIssuer(), startRawUpstream()])
  t.after(() => Promise.all([faulty.close(), target.close()]))
  const { stage, lab } = await stageTwoIssuers(t, start, {
    replicas,
    labUrl: faulty.url,
    labOptions: lifetimes === undefined ? {} : { lifetimes },
    configure(config) {
      const allow = { callers: ['person'], providers: ['lab'] }
      config.clusters['lab'] = { server: target.origin, allow, as: { kind: 'forward-token' } }
      config.clusters['prod'] = { ...config.clusters['prod'], allow: { callers: ['person'], providers: ['corp'] } }
    },
  })
  faulty.setTarget(lab.listening)
  return {
    stage,
    lab,
    faulty,
    target,
    async dora() {
      const browser = await stage.browser()
      await browser.signIn(`${stage.origin}/login?provider=lab&return_to=/whoami`, 'dora')
      return browser
    },
  }
}
