/** A configuration that loads, for tests that change one thing of it. */
import { type Config, checkConfig } from './config.ts'
import { ConfigFaulty, type Fault } from './faults/faults.ts'

/** The parts of a configuration as they would stand in the file. */
export interface Draft {
  [key: string]: unknown
  publicUrl: unknown
  listen: Record<string, unknown>
  store: unknown
  providers: Record<string, Record<string, unknown>>
  clusters: Record<string, Record<string, unknown>>
}

export function goodDraft(): Draft {
  return {
    publicUrl: 'https://mandate.example',
    listen: { http: { port: 0 }, operations: { port: 0 } },
    store: { memory: 'singleReplica' },
    providers: {
      corp: {
        kind: 'oidc',
        issuer: 'https://issuer.example',
        clientId: 'mandate',
        clientAuth: { method: 'none' },
        audience: 'api://mandate',
      },
    },
    clusters: {
      prod: { server: 'https://k.example:6443', allow: {}, as: { kind: 'forward-token' } },
    },
  }
}

/** The good draft after a change. */
export function draft(change: (draft: Draft) => unknown): Draft {
  const made = goodDraft()
  change(made)
  return made
}

/** The configuration of a draft that must load. */
export function configOf(change: (draft: Draft) => unknown = () => undefined): Config {
  return checkConfig(draft(change))
}

/** A fault as one line, with its place where it has no path. */
export function lineOf({ path, problem, mend, line, column }: Fault): string {
  return `${path === '' && line !== undefined ? `line ${line}, column ${column}` : path} | ${problem} | ${mend}`
}

/** The faults that loading throws, a line each; empty when it loads. Anything else that is thrown is thrown on. */
export function faultsFrom(load: () => unknown): string[] {
  try {
    load()
    return []
  } catch (error) {
    if (!(error instanceof ConfigFaulty)) throw error
    return error.faults.map(lineOf)
  }
}

/** The faults of a changed draft. */
export function faultsAfter(change: (draft: Draft) => unknown): string[] {
  return faultsFrom(() => checkConfig(draft(change)))
}
