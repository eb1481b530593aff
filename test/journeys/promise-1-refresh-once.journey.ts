/** Promise 1: a rotating refresh token is presented at most once, and nobody is logged out over it. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Issuer } from '../../src/dev/issuer/issuer.ts'
import { codeOf, cookieOf } from './asks.ts'
import { type FaultyLab, stageFaultyLab } from './faulty-lab.ts'
import { setStage } from './stage.ts'
import type { StartWorld } from './world.ts'

const PODS = '/clusters/prod/api/v1/namespaces/team-a/pods'
const LAB = '/clusters/lab/api/v1/pods'
/** Seconds. */
const LIFE = 5
const lifetimes = { accessToken: LIFE, idToken: LIFE }

const ended = () => sleep(LIFE * 1_000 + 100)
const ask = async (url: string, cookie: string) => {
  const answer = await fetch(url, { headers: { cookie } })
  return { status: answer.status, setCookie: answer.headers.get('set-cookie'), body: await answer.text() }
}

/** What the issuer saw of refresh tokens: none of them twice. */
function presentedOnce(issuer: Issuer): number {
  const seen = issuer.redemptions()
  assert.deepEqual(
    seen.filter(({ reused }) => reused),
    [],
  )
  return seen.length
}

/** Runs the journey on a world. */
export function promise1(name: string, start: StartWorld): void {
  suite(`promise 1: a refresh token is presented once, ${name}`, () => {
    test('by two replicas under load, over many lives of the tokens, and every request is answered', async (t) => {
      const stage = await setStage(t, start, { replicas: 2, issuer: { lifetimes } })
      const people = await Promise.all(['alice', 'alice', 'bob'].map((user) => stage.browser(user)))
      const statuses = new Map<string, number>()
      const load = async (at: number, until: number) => {
        const cookie = cookieOf(people[at % people.length] ?? assert.fail(), stage)
        for (const origin = stage.origins[at % 2]; performance.now() < until; ) {
          const { status, body } = await ask(`${origin}${PODS}`, cookie)
          const said = status === 200 || status === 403 ? 'served' : `${status} ${body}`
          statuses.set(said, (statuses.get(said) ?? 0) + 1)
        }
      }
      const until = performance.now() + 3 * LIFE * 1_000
      await Promise.all(Array.from({ length: 24 }, (_, at) => load(at, until)))
      assert.deepEqual([...statuses.keys()], ['served'])
      const refreshes = presentedOnce(stage.world.issuer)
      assert.ok(refreshes >= 2 * people.length, `${refreshes} refreshes of ${people.length} logins in three lives`)
      assert.ok(refreshes <= 8 * people.length, `${refreshes} refreshes of ${people.length} logins in three lives`)
      assert.ok(stage.world.issuer.redemptions().every(({ status }) => status === 200))
    })

    test('by fifty requests at once whose token has ended', async (t) => {
      const stage = await setStage(t, start, { replicas: 2, issuer: { lifetimes } })
      const alice = await stage.browser('alice')
      await ended()
      const answers = await Promise.all(
        Array.from({ length: 50 }, (_, at) => ask(`${stage.origins[at % 2]}${PODS}`, cookieOf(alice, stage))),
      )
      assert.deepEqual(
        answers.filter(({ status }) => status !== 200),
        [],
      )
      assert.equal(presentedOnce(stage.world.issuer), 1)
    })

    test('when the answer is lost: the present token serves to its end, then 401, and the cookie is left alone', async (t) => {
      const lab = await stageFaultyLab(t, start, { replicas: 2, lifetimes })
      const { stage, faulty, dora } = lab
      const cookie = cookieOf(await dora(), stage)
      faulty.inject('token', { kind: 'lost-answer' })
      await untilPresented(lab, cookie)
      for (const origin of stage.origins) {
        // A replica that got the credential late keeps it a moment longer than the other.
        let refused = await ask(`${origin}${LAB}`, cookie)
        while (refused.status === 200) refused = await ask(`${origin}${LAB}`, cookie)
        for (let at = 0; at < 3; at += 1) {
          assert.deepEqual([refused.status, codeOf(refused), refused.setCookie], [401, 'refresh_outcome_unknown', null])
          refused = await ask(`${origin}${LAB}`, cookie)
        }
        // The login itself stands: what needs no token of the issuer still works.
        assert.equal((await ask(`${origin}/whoami`, cookie)).status, 200)
      }
      assert.equal(presentedOnce(lab.lab), 1)
      assert.equal(faulty.requests().token, 2, 'the code, and one refresh')
    })

    test('by a replica that is told to stop in the middle of it: it finishes, and the other goes on', async (t) => {
      const lab = await stageFaultyLab(t, start, { replicas: 2, lifetimes })
      const { stage, faulty, dora } = lab
      const cookie = cookieOf(await dora(), stage)
      faulty.inject('token', { kind: 'slow', ms: 1_500, times: 1 })
      // Served by the present token, while its renewal goes on behind it.
      await untilPresented(lab, cookie)
      await stage.replicas[0]?.stop()
      assert.equal(presentedOnce(lab.lab), 1)
      const second = `${stage.origins[1]}${LAB}`
      assert.equal((await ask(second, cookie)).status, 200)
      await ended()
      assert.equal((await ask(second, cookie)).status, 200)
      assert.equal(presentedOnce(lab.lab), 2)
    })
  })
}

/** Asks the first replica until a refresh of Dora's tokens has arrived at the issuer's door; every answer is good until then. */
async function untilPresented({ stage, faulty }: FaultyLab, cookie: string): Promise<void> {
  const signIns = faulty.requests().token
  while (faulty.requests().token === signIns) {
    const { status, body } = await ask(`${stage.origin}${LAB}`, cookie)
    assert.equal(status, 200, body)
    await sleep(50)
  }
}
