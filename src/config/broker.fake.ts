/** A broker that loads, for tests that change one thing of it. */
import type { BrokerConfig } from './broker.ts'
import { configOf, type Draft, faultsAfter } from './config.fake.ts'

type Changes = Readonly<Record<string, unknown>>

const KINDS = {
  thing: { group: 'example.com', version: 'v1', resource: 'things', kind: 'Thing' },
  job: { group: 'batch', version: 'v1', resource: 'jobs', kind: 'Job' },
  global: { group: 'example.com', version: 'v1', resource: 'globals', kind: 'Global', namespaced: false },
  secret: { version: 'v1', resource: 'secrets', kind: 'Secret' },
}

/** A step that creates a thing. */
export function creates(changes: Changes = {}): Changes {
  return { do: 'create', kind: 'thing', namespace: 'one', name: 'it', object: {}, ...changes }
}

/** A step that mints a token into a Secret of the object given as `owner`. */
export function mints(changes: Changes = {}): Changes {
  const into = { secret: 'token', key: 'token', ownedBy: 'owner' }
  return { do: 'token', namespace: 'one', serviceAccount: 'runner', audiences: ['a'], expirationSeconds: 600, into, ...changes }
}

/** An operation that creates a thing, with a parameter and a body. */
export function operation(changes: Changes = {}): Changes {
  const match = { method: 'POST', path: '/things/{thing}' }
  return { name: 'make', match, body: { type: 'object' }, writes: [creates()], ...changes }
}

/** An operation that reads, or deletes, as the user. */
export function reading(asUser: Changes, method = 'GET'): Changes {
  return { name: 'read', match: { method, path: '/things/{thing}' }, asUser: { kind: 'thing', namespace: 'one', ...asUser } }
}

/** Puts a broker `app` into a draft; kinds are added to those that are there. */
export function broker({ kinds, ...changes }: Changes = {}): (draft: Draft) => unknown {
  const good = { cluster: 'prod', account: { token: { file: 't' } }, namespaces: ['one', 'two'], operations: [operation()] }
  return (draft) => {
    draft['brokered'] = { app: { ...good, kinds: { ...KINDS, ...(kinds as Changes | undefined) }, ...changes } }
  }
}

/** The broker with one operation that has these changes. */
export function operated(changes: Changes, ofBroker: Changes = {}): (draft: Draft) => unknown {
  return broker({ operations: [operation(changes)], ...ofBroker })
}

/** The broker whose one operation has these steps; a thing `owner` is given. */
export function writing(steps: readonly unknown[], ofBroker: Changes = {}): (draft: Draft) => unknown {
  return operated({ given: { owner: { kind: 'thing', namespace: 'one', name: 'owner' } }, writes: steps }, ofBroker)
}

/** The loaded broker. */
export function brokerOf(change: (draft: Draft) => unknown): BrokerConfig {
  const { app } = configOf(change).brokered
  if (app === undefined) throw new Error('the draft has no broker app')
  return app
}

/** Paths below `brokered.app.` and problems of the faults, without their mends. */
export function problemsOf(change: (draft: Draft) => unknown): string[] {
  return faultsAfter(change).map((line) => line.replace(/^brokered\.app\./, '').replace(/ \| [^|]*$/, ''))
}
