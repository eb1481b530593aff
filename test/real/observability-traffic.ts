/** What comes to the observed stage: people and machines, welcome and refused, at both replicas and at oauth2-proxy. */
import type { TestContext } from 'node:test'
import { type Browser, createBrowser } from '../fakes/browser.ts'
import { openRaw } from '../fakes/raw-http.ts'
import { AUDIENCE } from '../journeys/world.ts'
import { OURS } from './brokered-stage.ts'
import { JOBS, type ObservedStage } from './observability-stage.ts'
import { ask, type Question } from './parts/ask.ts'

const PODS = '/clusters/prod/api/v1/namespaces/team-a/pods'
const ROBOT = { client: 'robot' }

export interface Traffic {
  /** Everything once. What is refused is part of it; it rejects only where nobody answers. */
  round(): Promise<void>
}

/** Opens the streams that stay, signs in who stays, and has one object orphaned. */
export async function beginTraffic(t: TestContext, observed: ObservedStage): Promise<Traffic> {
  const { brokered, proxy, people } = observed
  const { stage, bearer } = brokered
  const { issuer } = stage.world
  const ports = stage.origins.map((origin) => Number(new URL(origin).port))
  const publicPort = new URL(stage.origin).port
  // At a replica, under the name of a host: a browser would come by a load balancer.
  const at = (port: number, host: string, path: string, question: Question = {}) =>
    ask(`http://127.0.0.1:${port}${path}`, { ...question, headers: { host: `${host}:${publicPort}`, ...question.headers } })

  const alice = bearer('alice')
  const robot = issuer.mintAccessToken(ROBOT)
  const signedIn = async (): Promise<Browser> => {
    const browser = createBrowser()
    await browser.signIn(`${stage.origin}/login?${new URLSearchParams({ provider: 'people', return_to: '/whoami' })}`, 'alice')
    return browser
  }
  const who = await signedIn()

  for (const port of ports) {
    for (const [host, path, token] of [
      ['app.localhost', '/events', robot],
      ['localhost', `${PODS}?watch=1`, alice],
    ] as const) {
      const stream = await openRaw(port)
      t.after(() => stream.socket.destroy())
      stream.send(`GET ${path} HTTP/1.1\r\nHost: ${host}:${publicPort}\r\nAuthorization: Bearer ${token}\r\n\r\n`)
      await stream.until(/^HTTP\/1\.1 200 /)
    }
  }
  // An API server that breaks off, for one kind of object.
  brokered.tamper((seen, way) => (seen.path.includes('/configmaps') ? way.cut() : way.pass()))
  const orphaned = await brokered.session('to be orphaned')
  await brokered.ask('alice', 'DELETE', `${OURS}/${orphaned}`)

  const machines = async (port: number) => {
    const past = Math.floor(Date.now() / 1000) - 3_600
    for (const token of [robot, robot, issuer.mintAccessToken(ROBOT)]) await at(port, 'app.localhost', '/', { token })
    await at(port, 'app.localhost', '/', { token: issuer.mintAccessToken({ client: 'unlisted' }) })
    await at(port, 'scoped.localhost', '/', { token: robot })
    await at(port, 'scoped.localhost', '/', { token: issuer.mintAccessToken(ROBOT, { claims: { scope: 'read' } }) })
    await at(port, 'app.localhost', '/', { token: issuer.mintAccessToken(ROBOT, { claims: { iat: past, exp: past + 60 } }) })
    await at(port, 'app.localhost', '/', { token: tokenOfNobody() })
    for (const host of ['limited.localhost', 'limited.localhost', 'pool.localhost', 'gone.localhost'])
      await at(port, host, '/', { token: robot })
    await at(port, 'app.localhost', '/flaky', { token: robot })
    await at(port, 'localhost', '/clusters/named/version', { token: robot })
  }
  const persons = async (port: number) => {
    for (const token of [alice, alice, bearer('alice')]) await at(port, 'localhost', PODS, { token })
    await at(port, 'localhost', PODS.replace('pods', 'configmaps'), { token: alice })
    // Meant for Mandate alone: it must not go on to the cluster.
    await at(port, 'localhost', PODS, { token: issuer.mintAccessToken('alice', { claims: { aud: AUDIENCE } }) })
    await at(port, 'app.localhost', '/', { token: alice })
    await at(port, 'app.localhost', '/')
    await at(port, 'localhost', OURS, { token: alice })
    await at(port, 'localhost', '/callback/people?state=made-up&code=made-up')
  }
  const browsers = async () => {
    await who.get(`${stage.origin}${PODS}`)
    await signedIn()
    const token = people.mintIdToken('alice', 'proxy')
    for (const path of ['/', '/gone']) await ask(`${proxy}${path}`, { token })
    await ask(`${proxy}/`)
    await ask(`${proxy}/oauth2/auth`)
  }
  return {
    async round() {
      for (const port of ports) await Promise.all([machines(port), persons(port)])
      await browsers()
    },
  }
}

/** Well formed, and of an issuer that nobody configured. */
function tokenOfNobody(): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const exp = Math.floor(Date.now() / 1000) + 60
  return `${part({ alg: 'RS256', typ: 'at+jwt', kid: 'none' })}.${part({ iss: 'https://nobody.example', sub: 'x', aud: AUDIENCE, exp })}.${'A'.repeat(342)}`
}

/** Puts what a reader of a dashboard has chosen into an expression: all of everything, at the finest. */
export function chosen(expression: string, choices: readonly string[]): string {
  const filled = choices.reduce((text, name) => text.replaceAll(new RegExp(`\\$${name}(?=["|])`, 'g'), choiceOf(name)), expression)
  return filled.replaceAll('$__rate_interval', '15s')
}

function choiceOf(name: string): string {
  // Each job by its own name, so that an expression for the one source cannot live on the other.
  return name === 'job' ? JOBS.mandate : name === 'proxy' ? JOBS.proxy : '.*'
}
