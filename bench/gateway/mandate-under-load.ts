/**
 * How Mandate stands before the trivial upstream in the comparison. This file alone knows by which kind of target, so
 * that the comparison stays as it is when that changes.
 */
import { type Subject, startSubject } from './subject.ts'

/** A route is what the neighbours are too; a cluster does more for each request. */
export const TARGETS = ['route', 'cluster'] as const
export type TargetKind = (typeof TARGETS)[number]

export interface MandateUnderLoad {
  readonly subject: Subject
  readonly pid: number
  /** The Host header by which it is asked. */
  readonly host: string
  /** Where load goes, with the path still to come. */
  readonly url: string
  /** The beginning of a header line, in lower case, that shows who is asking; it must arrive at the upstream. */
  readonly identity: string
}

export interface MandateUnderLoadOptions {
  readonly target: TargetKind
  readonly upstream: string
  readonly redisUrl: string
  readonly core: number
  /** Options of its Node, such as `--cpu-prof`. */
  readonly node: readonly string[]
}

/** Logins in Redis, audit log in a file, the caller's identity in headers for the upstream. */
export async function startMandateUnderLoad({
  target,
  upstream,
  redisUrl,
  core,
  node,
}: MandateUnderLoadOptions): Promise<MandateUnderLoad> {
  const subject = await startSubject({
    server: upstream,
    brokerToken: 'bench-broker',
    redisUrl,
    core,
    node,
    ...(target === 'route' ? { adapt: (config) => asRoute(config, upstream) } : {}),
  })
  const { port, host } = new URL(subject.origin)
  return {
    subject,
    pid: subject.process.pid ?? 0,
    host,
    url: `http://127.0.0.1:${port}${target === 'route' ? '' : '/clusters/prod'}`,
    identity: target === 'route' ? 'x-mandate-subject: alice' : 'impersonate-user: ',
  }
}

/** On the sign-in host, so that the login cookie itself is what comes with each request. */
function asRoute(config: Record<string, unknown>, upstream: string): void {
  delete config['clusters']
  config['routes'] = [{ match: { host: 'localhost', path: '/api/**' }, allow: {}, upstream, sameOriginOpen: true }]
}
