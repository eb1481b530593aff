/** Promise 2: two callers with different proof never share a credential, whoever asks at the same time. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { TestUser } from '../../src/dev/issuer/options.ts'
import { arrivals, bearerOf, codeOf, cookieOf } from './asks.ts'
import { setStage } from './stage.ts'
import { PREFIX, type StartWorld } from './world.ts'

const PEOPLE: readonly TestUser[] = Array.from({ length: 12 }, (_, at) => ({
  name: `person-${at}`,
  sub: `subject-${at}`,
  email: `person-${at}@corp.example`,
  emailVerified: true,
  groups: [at % 2 === 0 ? 'team-a' : 'team-b'],
}))

/** A request that names in its own text who sends it. */
const signed = (cluster: string, who: string) =>
  `/clusters/${cluster}/api/v1/namespaces/team-a/pods?${new URLSearchParams({ labelSelector: `sent-by=${who}` })}`

/** Runs the journey on a world. */
export function promise2(name: string, start: StartWorld): void {
  suite(`promise 2: no two callers share a credential, ${name}`, () => {
    test('many people at once, by cookie and by bearer: each request arrives as its own sender', async (t) => {
      const stage = await setStage(t, start, { issuer: { users: PEOPLE } })
      const proofs = await Promise.all(
        PEOPLE.map(async ({ name: user, sub }) => ({
          sub,
          cookie: { cookie: cookieOf(await stage.browser(user), stage) },
          bearer: { authorization: bearerOf(stage, user) },
        })),
      )
      const asks = proofs.flatMap(({ sub, cookie, bearer }) => [
        { sub, cluster: 'prod', headers: cookie },
        { sub, cluster: 'named', headers: cookie },
        { sub, cluster: 'named', headers: bearer },
      ])
      const statuses = await Promise.all(
        Array.from({ length: 4 }, () => asks)
          .flat()
          .map(async ({ sub, cluster, headers }) => {
            const answer = await fetch(`${stage.origin}${signed(cluster, sub)}`, { headers })
            await answer.arrayBuffer()
            return { sub, status: answer.status }
          }),
      )
      // Every second person may see this namespace, and nobody sees it by somebody else's rights.
      for (const { sub, status } of statuses) assert.equal(status, Number(sub.split('-')[1]) % 2 === 0 ? 200 : 403, sub)
      const acted = await arrivals(stage.world, 'sent-by', statuses.length)
      assert.equal(acted.length, statuses.length)
      for (const { uri, user, impersonated } of acted) {
        const sender = /sent-by%3D(subject-\d+)/.exec(uri)?.[1]
        assert.equal(impersonated?.username ?? user, `${PREFIX}${sender}`)
      }
    })

    test("a bearer of the same person never gets the login's credential, before, after or beside it", async (t) => {
      const stage = await setStage(t, start)
      const cookie = { cookie: cookieOf(await stage.browser('alice'), stage) }
      const bearer = { authorization: bearerOf(stage, 'alice') }
      const ask = async (headers: Record<string, string>) => {
        const answer = await fetch(`${stage.origin}${signed('prod', 'alice')}`, { headers })
        return { status: answer.status, body: await answer.text() }
      }
      const refused = (answer: { status: number; body: string }) =>
        assert.deepEqual([answer.status, codeOf(answer)], [403, 'credential_not_offered'])
      refused(await ask(bearer))
      assert.equal((await ask(cookie)).status, 200)
      refused(await ask(bearer))
      const both = await Promise.all(Array.from({ length: 40 }, (_, at) => ask(at % 2 === 0 ? cookie : bearer)))
      for (const [at, answer] of both.entries()) at % 2 === 0 ? assert.equal(answer.status, 200) : refused(answer)
      assert.equal((await arrivals(stage.world, 'sent-by', 21)).length, 21)
    })

    test('two logins of one person have a credential each: the end of one is not the end of the other', async (t) => {
      const stage = await setStage(t, start)
      const [one, two] = [await stage.browser('alice'), await stage.browser('alice')]
      const ask = async (cookie: string) => (await fetch(`${stage.origin}${signed('prod', 'alice')}`, { headers: { cookie } })).status
      const [first, second] = [cookieOf(one, stage), cookieOf(two, stage)]
      assert.deepEqual(await Promise.all([ask(first), ask(second)]), [200, 200])
      assert.match(await stage.metrics(), /mandate_credential_acquisitions_total\{[^}]*source="forward-token"[^}]*\} 2\n/)
      // Signing in again with the cookie of the first makes a new login and ends that one.
      await one.signIn(`${stage.origin}/login?return_to=/whoami`, 'alice')
      assert.notEqual(cookieOf(one, stage), first)
      assert.deepEqual(await Promise.all([ask(first), ask(second), ask(cookieOf(one, stage))]), [401, 200, 200])
    })
  })
}
