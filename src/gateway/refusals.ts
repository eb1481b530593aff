/** Refusals as a door makes them: counted, recorded where the journey has not done so, and sent. */
import { randomUUID } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import type { AuditSink } from '../audit/audit-sink.ts'
import { Refusal } from '../errors.ts'
import { type Metrics, methodLabel } from '../metrics.ts'
import type { Caller } from '../principal.ts'
import { answerRefusal, type Form } from './answers.ts'
import type { Offers } from './refusal-page.ts'
import { readReturnTo } from './return-to.ts'
import type { RouteHost } from './routes.ts'
import type { Visit } from './visit.ts'
import type { YouAreEndpoints } from './you-are.ts'

export interface RefusalParts {
  readonly audit: AuditSink
  readonly metrics: Metrics
  /** Origin of the sign-in host. */
  readonly origin: string
  /** What a page calls a caller; default: no page says so. */
  readonly youAre?: Pick<YouAreEndpoints, 'signedInAs'>
}

/** Characters of a host name (RFC 1035 2.3.4). */
const LONGEST_HOST = 255

/**
 * A host that is not served, by whatever stood where its name belongs: an operator sees from it what to add or to correct.
 * Of printable signs alone: a stranger wrote it, and a terminal may show it.
 */
export function askedHost(host: string | undefined): About {
  return {
    resource: 'gateway',
    properties: host === undefined ? {} : { host: host.slice(0, LONGEST_HOST).replaceAll(/[^\x21-\x7e]/g, '?') },
  }
}

/** What is known of a request that is refused. */
export interface Refused {
  /** Names the target in metrics, such as `route/app`; `none` where there is none. */
  readonly route?: string
  readonly visit?: Visit | undefined
  /** The host that was asked, where it has routes. */
  readonly host?: RouteHost | undefined
  /** Whether people may use the route. */
  readonly persons?: boolean
  readonly caller?: Caller | undefined
}

/** What was asked for, where that is known. */
export interface About {
  readonly resource: string
  readonly properties: Readonly<Record<string, string>>
}

export interface Refusals {
  /** Counts it and answers with it. Never rejects. */
  answer(response: ServerResponse, requestId: string, form: Form, refusal: Refusal, refused?: Refused): Promise<void>
  /** Counts it: somebody else answers. */
  count(refusal: Refusal, route: string): void
  /** Records what was refused outside the journey. Resolves to what is to be said: `audit_unavailable` when it cannot be recorded. */
  record(method: string, requestId: string, address: string, refusal: Refusal, about?: About): Promise<Refusal>
  /** Counts and records what was refused before there was a request to answer. */
  unread(address: string, refusal: Refusal): Promise<void>
}

export function createRefusals({ audit, metrics, origin, youAre }: RefusalParts): Refusals {
  const count = ({ code: reason }: Refusal, route = 'none') => metrics.count('mandate_refusals_total', { reason, route })
  const record: Refusals['record'] = async (method, requestId, address, refusal, about = { resource: 'gateway', properties: {} }) => {
    try {
      const action = methodLabel(method).toLowerCase()
      await audit.record({
        event: 'refused',
        attempt: requestId,
        address,
        who: undefined,
        action,
        ...about,
        code: refusal.code,
        detail: refusal.detail,
        count: 1,
      })
      return refusal
    } catch {
      return new Refusal('audit_unavailable')
    }
  }
  return {
    async answer(response, requestId, form, refusal, refused = {}) {
      count(refusal, refused.route)
      const { caller } = refused
      const asksWho = refusal.status === 403 && (form === 'page' || refused.persons === false) && caller !== undefined
      const signedIn = asksWho ? await youAre?.signedInAs(caller) : undefined
      // Absolute, because it may be said on a host that nobody signs in on.
      answerRefusal({ response, requestId, form, signIn: `${origin}/login`, offers: { ...offersOf(refused, origin), signedIn } }, refusal)
    },
    count,
    record,
    async unread(address, refusal) {
      count(refusal)
      await record('', randomUUID(), address, refusal)
    },
  }
}

function offersOf({ visit, host, persons = true }: Refused, origin: string): Offers {
  // A callback is used up: its state is taken once.
  const again = visit === undefined || visit.target.segments[0] === 'callback' ? undefined : visit.target.raw
  return { signIn: signInFor(visit, host, origin), signOut: `${origin}/logout`, again, machinesOnly: !persons }
}

/** Where one signs in and comes back from to what was asked for. */
function signInFor(visit: Visit | undefined, host: RouteHost | undefined, origin: string): string {
  if (visit === undefined || visit.target.segments[0] === '.mandate') return `${origin}/login`
  // A host of routes leads there by itself, and binds the way back to its browser.
  if (host?.isSignInHost === false) return host.persons ? visit.target.raw : `${origin}/login`
  const returnTo = pathBack(visit.target.raw, origin)
  return returnTo === '/' ? `${origin}/login` : `${origin}/login?${new URLSearchParams({ return_to: returnTo })}`
}

/** As the sign-in itself will read it; what it would refuse is left out. */
function pathBack(raw: string, origin: string): string {
  try {
    return readReturnTo(raw, origin)
  } catch (error) {
    if (error instanceof Refusal) return '/'
    throw error
  }
}
