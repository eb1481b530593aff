/** docs/promises.md: what Mandate promises as it stands, each with the tests that prove it. */
import { globSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { GENERATED } from './markdown.ts'

export interface PromiseEntry {
  readonly number: number
  readonly title: string
  readonly text: string
  /** Patterns of tests that prove it without naming it; those that say "promise N" are found by themselves. */
  readonly tests: readonly string[]
}

export const PROMISES: readonly PromiseEntry[] = [
  {
    number: 1,
    title: 'A rotating refresh token is presented at most once',
    text: `The right to present the refresh token of generation N is a compare-and-set on the login record, from idle to presenting. Whoever wins it
presents; every other replica and request subscribes, reads, waits and reads again. A lease of 45 s only tells waiters when to stop
waiting. When the presenter died or the issuer's answer was lost, the outcome is unknown: the present token serves to its end, and then
the answer is 401 \`refresh_outcome_unknown\`. A provider whose configuration says \`refreshTokens: reusable\` or \`{ grace: 60s }\` is asked again
instead. Only a request that certainly never left the process gives the right back. All this rests on a store that keeps what it acknowledged:
a Redis that loses such a write, by a restart with \`appendfsync everysec\` or a failover to a replica that was behind, can have a token
presented again ([how to set it up](guides/operations.md#redis)).`,
    tests: ['src/logins/refresh*.test.ts', 'src/providers/token-endpoint.test.ts'],
  },
  {
    number: 2,
    title: 'Two callers with different proof never share a credential',
    text: `Credentials are cached, and concurrent acquisitions joined, by a key made of issuer, subject, actor, login id or token digest, and the whole
target. One acquisition is in flight for a key and replica; across replicas a duplicate is harmless. So a narrow token of a person never
obtains what their login obtained.`,
    tests: ['src/assume/cached.test.ts'],
  },
  {
    number: 3,
    title: 'An outage is never read as "not signed in" or "allowed"',
    text: `Absence is reported only when the store said so. A store or an issuer that cannot be asked is 503 with Retry-After, and the cookie stays as
it is. A replica that lets go of a login or token because it is blind, full or stopping answers 503, never 401. An issuer that is down
when Mandate starts does not keep it from starting.`,
    tests: [
      'src/access.test.ts',
      'src/logins/refresh-outage.test.ts',
      'src/store/store.test.ts',
      'src/store/redis.test.ts',
      'src/authenticate/bearer-jwt.test.ts',
      'test/real/store.test.ts',
    ],
  },
  {
    number: 4,
    title: 'What was ended ends within 2 s on every replica, open streams included',
    text: `Logout, back-channel logout and \`mandate revoke\` append to a sequenced log in the store, which every replica reads twice a second; a broadcast
only makes it read sooner. Each reading is also a heartbeat that the store must accept as a write. A replica without sight of the log for 2 s
believes no cached login or token and answers 503; after \`streams.blindFor\` (30 s) it closes its streams. For bearers a revocation is a
not-before of their principal, compared with the earliest moment at which they may have been issued (\`iat\` less 30 s). Revocations are
remembered for \`sessions.absolute\` and a day; a bearer older than that is refused, so none outlives its revocation. Once a minute each
replica reads the whole log and writes back what it knows and the log lost. Until then a replica that had not read it does not know, and a
sign-out is undone when every replica that had read it is gone. Every answer, called a stream or not, ends at \`streams.maxAge\`. What the
issuer or the cluster decides holds from its next decision. The configuration is read at start, so a changed rule holds from the restart, and with it no login counts whose provider is gone or
has another issuer.`,
    tests: ['src/store/revocations*.test.ts', 'src/authenticate/verified-tokens.test.ts'],
  },
  {
    number: 5,
    title: 'No token, cookie, secret or payload in any log, error, trace, metric, argument list or process title',
    text: `Whatever is secret travels in a \`Secret\`, which prints as \`[secret]\`. Errors of libraries are reduced to a name and a code, because their
messages can quote what they were given. Details of refusals, causes and labels are fixed words of ours or configured names; an audit event has
exactly the facts of its catalogue. Of what a target says only its status and an audit id of the usual form are recorded. What a caller puts
into a path or the name of an object is recorded as that, cut to 256 characters; queries, headers and bodies are not. One token leaves in a
URL: the ID token in that of the issuer's sign-out page, in the browser of the person it belongs to.`,
    tests: ['src/audit/audit-event.test.ts', 'src/providers/client-authentication.test.ts'],
  },
  {
    number: 6,
    title: 'The bytes we decide on are the bytes we forward',
    text: `A path that two parsers could read differently is refused, not normalised; what is forwarded is cut from what was read. Headers towards a
cluster are built from an allow-list, the same for plain requests, WebSocket and SPDY, and the credential's lines come last. Towards an HTTP
service all end-to-end headers pass but those that say who asks, where a request came from, or open Mandate. Identity headers of the caller
reach neither: \`Impersonate-*\`, in any spelling, is refused, and what names an identity to a service is written by Mandate alone.`,
    tests: [
      'src/gateway/request-head.test.ts',
      'src/gateway/request-target.test.ts',
      'src/forward/header-boundary.test.ts',
      'src/forward/route-headers.test.ts',
      'src/forward/kubernetes-upgrade.test.ts',
      'test/journeys/only-the-caller.journey.ts',
    ],
  },
  {
    number: 7,
    title: 'Every attempt leaves an audit record; no record, no action',
    text: `Allowed or refused, streams at their start and their end. The record is with the operating system before anything is sent to the cluster; if it
cannot be written the answer is 503 \`audit_unavailable\`. All records of one turn of the event loop go in one write. What tells of something
already over follows within 100 ms. Refusals beyond ten a second are summed: by principal, and by network where nobody was vouched for. What
ends access comes before its record, because a log that is full must not keep anybody signed in: a sign-out, one by the back channel, and
\`mandate revoke\`. So does a refresh, which the process does by itself and not for one attempt.`,
    tests: ['src/access.test.ts', 'src/audit/*.test.ts'],
  },
  {
    number: 8,
    title: 'No virtual machine is started twice, orphaned, or destroyed for another',
    text: `**Nothing in the code touches this yet.** It will hold for hypervisors when Mandate operates them: after an unknown outcome it will wait, list by
its own id, and only then decide.`,
    tests: [],
  },
  {
    number: 9,
    title: 'The signing keys of one issuer failing harm no other issuer',
    text: `Each provider has connections, metadata and keys of its own. Keys that were good outlive a failed, empty or useless refresh, for a day at
most. An unknown key causes at most one fetch in 30 s; while fetching fails the answer is 503, not 401. A key that its issuer publishes
no longer vouches for nothing after 8 minutes, whoever asks meanwhile: bearers that it verified are verified anew, and refused as
\`token_key_unknown\`, and their streams end. One stale set ends nothing: a key must be missing in two that were fetched a minute
apart. An issuer that cannot be asked has withdrawn nothing; after the day it is 503.`,
    tests: ['src/providers/keys.test.ts', 'src/providers/oidc.test.ts', 'src/authenticate/withdrawn-keys.test.ts'],
  },
]

const ROOT = resolve(import.meta.dirname, '../..')
const TESTS = ['src/**/*.test.ts', 'src/**/*.conformance.ts', 'test/**/*.test.ts', 'test/**/*.journey.ts']

/** The files that match a pattern, from the root of the repository. */
export function matching(...patterns: readonly string[]): string[] {
  return globSync([...patterns], { cwd: ROOT }).map((path) => path.replaceAll('\\', '/'))
}

/** The tests of a promise: those listed, and those that name it. */
export function testsOf({ number, tests }: PromiseEntry): string[] {
  const named = new RegExp(`\\bpromise ${number}\\b`, 'i')
  const found = matching(...TESTS).filter(
    (path) => !path.startsWith('test/house/') && named.test(readFileSync(resolve(ROOT, path), 'utf8')),
  )
  return [...new Set([...matching(...tests), ...found])].sort()
}

/** docs/promises.md */
export function promisesPage(): string {
  const sections = PROMISES.map((promise) => {
    const tests = testsOf(promise).map((path) => `[${path}](../${path})`)
    return `## ${promise.number}. ${promise.title}\n\n${promise.text}\n${tests.length === 0 ? '' : `\nTests: ${tests.join(', ')}\n`}`
  })
  return `# Promises

${GENERATED}

What Mandate promises to whoever builds on it, as it stands now. A promise is more than a feature: a change that breaks one is a fault even
if every feature works. A test that says its name, "promise 4",
in a title or comment is listed with it by itself.

${sections.join('\n')}`
}
