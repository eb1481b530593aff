/** A stage with an HTTP service behind it, under several hosts, that keeps every byte it is sent. */
import type { TestContext } from 'node:test'
import type { Browser } from '../fakes/browser.ts'
import { type RawAnswering, type RawUpstream, startRawUpstream } from '../fakes/raw-http.ts'
import { type Stage, type StageOptions, setStage } from './stage.ts'
import type { StartWorld } from './world.ts'

export interface RouteStage {
  readonly stage: Stage
  readonly service: RawUpstream
  /** Origin of a host at the first replica. */
  at(host: string): string
  /** Host header of a host. */
  host(host: string): string
}

/** Everything is open to people and machines on `app` and `other`; `bots` takes machines, `few` one group, on a path each. */
export async function stageWithService(
  t: TestContext,
  start: StartWorld,
  answer?: RawAnswering,
  options: StageOptions = {},
): Promise<RouteStage> {
  const service = await startRawUpstream(answer)
  t.after(() => service.close())
  const callers = ['person', 'machine']
  const route = (host: string, path: string, allow: object = { callers }) => ({ match: { host, path }, allow, upstream: service.origin })
  const stage = await setStage(t, start, {
    ...options,
    async configure(config, world) {
      config['routes'] = [
        { ...route('app.localhost', '/**'), name: 'app' },
        route('other.localhost', '/**'),
        route('bots.localhost', '/api/**', { callers: ['machine'] }),
        route('few.localhost', '/only/**', { callers, groups: ['team-b'] }),
        { ...route('localhost', '/inside/**'), sameOriginOpen: true },
      ]
      await options.configure?.(config, world)
    },
  })
  const { port } = new URL(stage.origin)
  return { stage, service, host: (host) => `${host}:${port}`, at: (host) => `http://${host}:${port}` }
}

/** Goes on from `startUrl` as `user` as far as the code for the host: the URL, which the browser has not followed yet. */
export async function untilSession(browser: Browser, stage: Stage, startUrl: string, user: string): Promise<string> {
  // The sign-in first, where there is none: then the way to the code is redirects alone.
  if (!browser.cookies(stage.origin).some((cookie) => /^mandate-\d+$/.test(cookie.name)))
    await browser.signIn(`${stage.origin}/login?return_to=/whoami`, user)
  for (let url = startUrl, hops = 0; hops < 5; hops += 1) {
    const { headers, status, body } = await browser.get(url)
    if (headers.location === undefined) throw new Error(`it led nowhere: ${status} ${body.slice(0, 300)}`)
    url = new URL(headers.location, url).href
    if (new URL(url).pathname === '/.mandate/session') return url
  }
  throw new Error('it never led to a code')
}
