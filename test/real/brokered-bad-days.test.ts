/**
 * Bad days of brokered resources on a real API server: rights that change in the middle, answers that are lost, retries,
 * and many callers at once. Nothing is written twice, nothing crosses between callers, and nothing is written on a retry
 * that would not be written anew.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestUser } from '../../src/dev/issuer/options.ts'
import { ALICE } from '../journeys/world.ts'
import { type Answer, type BrokeredStage, JOBS, type Json, OURS, SECRETS, SESSIONS, setBrokeredStage } from './brokered-stage.ts'
import type { Tampering } from './brokered-way.ts'
import { eventually } from './eventually.ts'

const ROLE_BINDING = '/apis/rbac.authorization.k8s.io/v1/namespaces/project-a/rolebindings/sessions-use'

const create = ({ ask }: BrokeredStage, who: string, prompt: string, key?: string): Promise<Answer> =>
  ask(who, 'POST', OURS, { body: { prompt }, ...(key === undefined ? {} : { headers: { 'Idempotency-Key': key } }) })

/** Names of all objects of a collection whose creator asked for this prompt, or of all. */
async function namesIn({ look }: BrokeredStage, collection: string): Promise<string[]> {
  return (await look(collection)).items.map((item: Json) => item.metadata.name).sort()
}

/** Does it to the first write of the service account to a collection, and passes everything else on. */
function once({ accountToken }: BrokeredStage, collection: string, how: Tampering): Tampering {
  let left = 1
  return (seen, way) => {
    const isIt = left > 0 && seen.bearer === accountToken && seen.method !== 'GET' && seen.path.split('?')[0]?.endsWith(collection)
    if (!isIt) return way.pass()
    left -= 1
    return how(seen, way)
  }
}

const status = (code: number, reason: string) => ({ kind: 'Status', apiVersion: 'v1', status: 'Failure', reason, code, message: 'not now' })

/** Takes alice's rights away, and returns when the API server no longer grants them; `back` gives them again. */
async function withoutRights({ kubernetes }: BrokeredStage): Promise<{ back(): Promise<void> }> {
  const { apiVersion, kind, metadata, roleRef, subjects } = JSON.parse((await kubernetes.ask(ROLE_BINDING)).body)
  const allowed = async () => {
    const spec = {
      user: 'corp:alice',
      groups: ['corp:team-a', 'system:authenticated'],
      resourceAttributes: { verb: 'create', group: 'vteam.ambient-code', resource: 'agenticsessions', namespace: 'project-a' },
    }
    const body = { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', spec }
    return JSON.parse((await kubernetes.ask('/apis/authorization.k8s.io/v1/subjectaccessreviews', { body })).body).status.allowed === true
  }
  assert.equal((await kubernetes.ask(ROLE_BINDING, { method: 'DELETE' })).status, 200)
  await eventually('the rights are gone', async () => !(await allowed()))
  return {
    async back() {
      const { name, namespace } = metadata
      const again = { apiVersion, kind, metadata: { name, namespace }, roleRef, subjects }
      const made = await kubernetes.ask(ROLE_BINDING.slice(0, ROLE_BINDING.lastIndexOf('/')), { body: again })
      assert.equal(made.status, 201, made.body)
      await eventually('the rights are back', allowed)
    },
  }
}

test('rights that change between review and write', { timeout: 240_000 }, async (t) => {
  const stage = await setBrokeredStage(t)

  await t.test('are used once more at most, and a retry with the same key is reviewed anew and refused', async () => {
    let taken: Awaited<ReturnType<typeof withoutRights>> | undefined
    stage.tamper(
      once(stage, '/agenticsessions', async (_seen, way) => {
        taken = await withoutRights(stage)
        way.cut()
      }),
    )
    const broken = await create(stage, 'alice', 'in between', 'in-between')
    assert.deepEqual([broken.status, broken.body.code], [502, 'upstream_unavailable'], broken.text)
    stage.tamper()
    const lines = await stage.since()
    const again = await create(stage, 'alice', 'in between', 'in-between')
    assert.deepEqual([again.status, again.body.code], [403, 'not_permitted'])
    assert.deepEqual(
      (await lines()).filter((line) => line.startsWith('account ')),
      [],
    )
    assert.deepEqual(await namesIn(stage, SESSIONS), [])
    await taken?.back()
    const allowed = await create(stage, 'alice', 'in between', 'in-between')
    assert.equal(allowed.status, 201, allowed.text)
    assert.deepEqual(await namesIn(stage, SESSIONS), [allowed.body.metadata.name])
  })

  await t.test('are used for what was reviewed before, which is the window that the guide states', async () => {
    let taken: Awaited<ReturnType<typeof withoutRights>> | undefined
    stage.tamper(
      once(stage, '/agenticsessions', async (_seen, way) => {
        taken = await withoutRights(stage)
        way.pass()
      }),
    )
    const written = await create(stage, 'alice', 'in the window', 'in-the-window')
    stage.tamper()
    assert.equal(written.status, 201, written.text)
    const again = await create(stage, 'alice', 'in the window', 'in-the-window')
    assert.deepEqual([again.status, again.body.code], [403, 'not_permitted'])
    await taken?.back()
  })
})

test('an API server that fails after the review', { timeout: 240_000 }, async (t) => {
  const stage = await setBrokeredStage(t)
  const { tamper, look } = stage

  const failures: ReadonlyArray<readonly [answered: number, reason: string, status: number, code: string]> = [
    [429, 'TooManyRequests', 429, 'too_many_requests'],
    [409, 'Conflict', 409, 'object_changed'],
    [422, 'Invalid', 422, 'object_invalid'],
    [500, 'InternalError', 502, 'upstream_unavailable'],
    [503, 'ServiceUnavailable', 502, 'upstream_unavailable'],
    [403, 'Forbidden', 502, 'account_refused'],
    [401, 'Unauthorized', 502, 'account_refused'],
  ]
  for (const [answered, reason, expected, code] of failures) {
    await t.test(`${answered} is ${code}, and a retry with the same key makes one object`, async () => {
      const before = await namesIn(stage, SESSIONS)
      const key = `answered-${answered}`
      tamper(once(stage, '/agenticsessions', (_seen, way) => way.answer(answered, status(answered, reason), { 'Retry-After': '1' })))
      const { status: got, body, headers } = await create(stage, 'alice', key, key)
      tamper()
      assert.deepEqual([got, body.code], [expected, code])
      if (answered === 429) assert.equal(headers.get('retry-after'), '1')
      assert.deepEqual(await namesIn(stage, SESSIONS), before)
      const again = await create(stage, 'alice', key, key)
      assert.equal(again.status, 201, again.text)
      assert.deepEqual(await namesIn(stage, SESSIONS), [...before, again.body.metadata.name].sort())
    })
  }

  await t.test('a connection that breaks after the write and before its answer: the object is found, and is one', async () => {
    for (const key of [undefined, 'lost-answer']) {
      const before = await namesIn(stage, SESSIONS)
      tamper(once(stage, '/agenticsessions', (_seen, way) => way.loseAnswer()))
      const made = await create(stage, 'alice', 'lost answer', key)
      tamper()
      assert.equal(made.status, 201, made.text)
      assert.deepEqual(await namesIn(stage, SESSIONS), [...before, made.body.metadata.name].sort())
      if (key === undefined) continue
      const again = await create(stage, 'alice', 'lost answer', key)
      assert.deepEqual([again.status, again.body.metadata.uid], [201, made.body.metadata.uid])
    }
  })

  for (const [collection, path] of [
    ['/jobs', JOBS],
    ['/token', SECRETS],
    ['/secrets', SECRETS],
  ] as const) {
    await t.test(`a break in the middle, at ${collection}: what was written is told, and the same key asks for the rest`, async () => {
      const before = await namesIn(stage, SESSIONS)
      const key = `middle${collection.replace('/', '-')}`
      tamper(once(stage, collection, (_seen, way) => way.cut()))
      const broken = await create(stage, 'alice', key, key)
      tamper()
      assert.deepEqual([broken.status, broken.body.code], [502, 'upstream_unavailable'], broken.text)
      assert.match(broken.body.detail, /written before it: agenticsessions session-/)
      const [name = ''] = (await namesIn(stage, SESSIONS)).filter((one) => !before.includes(one))
      assert.equal(await look(`${path}/${name}`), undefined)
      const again = await create(stage, 'alice', key, key)
      assert.deepEqual([again.status, again.body.metadata.name], [201, name], again.text)
      assert.equal((await look(`${SECRETS}/${name}`)).metadata.ownerReferences[0].uid, (await look(`${JOBS}/${name}`)).metadata.uid)
    })
  }
})

test('Idempotency-Key', { timeout: 240_000 }, async (t) => {
  const stage = await setBrokeredStage(t)
  const { ask, bearer } = stage
  // The same rights by group; another person.
  const carol = () => bearer('carol', { groups: ['team-a'] })
  const first = await create(stage, 'alice', 'once', 'the-key')
  assert.equal(first.status, 201, first.text)

  await t.test('a retried create is one object', async () => {
    const again = await create(stage, 'alice', 'once', 'the-key')
    assert.deepEqual([again.status, again.body.metadata.uid], [201, first.body.metadata.uid])
    for (const collection of [SESSIONS, JOBS, SECRETS]) assert.deepEqual(await namesIn(stage, collection), [first.body.metadata.name])
  })
  await t.test('ten at once are one object', async () => {
    const answers = await Promise.all(Array.from({ length: 10 }, () => create(stage, 'alice', 'at once', 'at-once')))
    for (const { status, text } of answers) assert.equal(status, 201, text)
    assert.equal(new Set(answers.map(({ body }) => body.metadata.uid)).size, 1)
    assert.equal((await namesIn(stage, SESSIONS)).length, 2)
  })
  await t.test('another body with the same key is 422, and writes nothing', async () => {
    const before = await namesIn(stage, SESSIONS)
    const { status, body } = await create(stage, 'alice', 'something else', 'the-key')
    assert.deepEqual([status, body.code], [422, 'idempotency_key_reused'])
    assert.deepEqual(await namesIn(stage, SESSIONS), before)
  })
  await t.test("another caller's same key is independent", async () => {
    const { status, body, text } = await create(stage, carol(), 'once', 'the-key')
    assert.equal(status, 201, text)
    assert.notEqual(body.metadata.uid, first.body.metadata.uid)
    assert.equal(body.metadata.annotations['mandate/subject'], 'carol')
  })
  await t.test('without a key each is another object', async () => {
    const [one, two] = [await create(stage, 'alice', 'twice'), await create(stage, 'alice', 'twice')]
    assert.notEqual(one.body.metadata.uid, two.body.metadata.uid)
  })
  await t.test('a retry by somebody who has lost the right is refused, though the object is there', async () => {
    const { status, body } = await create(stage, bearer('alice', { groups: ['others'] }), 'once', 'the-key')
    assert.deepEqual([status, body.code], [403, 'not_permitted'])
  })
  await t.test('another replica, and one that has just started, know the retry as well', async () => {
    const origin = await stage.stage.addReplica()
    const again = async () => {
      const headers = { Authorization: `Bearer ${bearer('alice')}`, 'Content-Type': 'application/json', 'Idempotency-Key': 'the-key' }
      const answer = await fetch(origin + OURS, { method: 'POST', headers, body: JSON.stringify({ prompt: 'once' }) })
      return { status: answer.status, body: (await answer.json()) as Json }
    }
    await eventually('its account is known', async () => (await again()).body.code !== 'account_unseen')
    const { status, body } = await again()
    assert.deepEqual([status, body.metadata.uid], [201, first.body.metadata.uid])
  })
  await t.test('what belonged to an object that was deleted is not taken for what the retry asks for', async () => {
    const { body } = await create(stage, 'alice', 'deleted', 'deleted')
    const { name } = body.metadata
    assert.equal((await ask('alice', 'DELETE', `${OURS}/${name}`)).status, 200)
    // No garbage collector takes its Job along here; elsewhere that takes a moment.
    const again = await create(stage, 'alice', 'deleted', 'deleted')
    assert.deepEqual([again.status, again.body.code], [409, 'object_exists'], again.text)
    assert.match(again.body.detail, /written before it: agenticsessions/)
    assert.equal((await stage.look(`${JOBS}/${name}`)).metadata.ownerReferences[0].uid, body.metadata.uid)
    // Once it is gone the same key asks for the rest.
    for (const path of [JOBS, SECRETS]) await stage.kubernetes.ask(`${path}/${name}?propagationPolicy=Background`, { method: 'DELETE' })
    const whole = await create(stage, 'alice', 'deleted', 'deleted')
    assert.equal(whole.status, 201, whole.text)
    assert.equal((await stage.look(`${JOBS}/${name}`)).metadata.ownerReferences[0].uid, whole.body.metadata.uid)
  })
  await t.test('what is no key is 400', async () => {
    for (const key of ['', 'a b', 'é', 'x'.repeat(256)]) {
      const answer = await ask('alice', 'POST', OURS, { body: { prompt: 'a' }, headers: { 'Idempotency-Key': key } })
      assert.deepEqual([answer.status, answer.body.code], [400, 'idempotency_key_invalid'], JSON.stringify(key))
    }
  })
})

const TEN: readonly TestUser[] = Array.from({ length: 10 }, (_, i) => ({
  ...ALICE,
  name: i === 0 ? 'alice' : `user-${i}`,
  sub: i === 0 ? 'alice' : `user-${i}`,
  email: `user-${i}@corp.example`,
}))

test('1,000 concurrent creates by ten users: nothing crosses between them, nothing is written twice', { timeout: 300_000 }, async (t) => {
  const stage = await setBrokeredStage(t, {
    users: TEN,
    configure(_config, { sessions }) {
      // The session alone, so that it is Mandate that is busy and not the API server.
      const [, , , full] = sessions.operations
      const { name: _name, match: _match, writes, ...rest } = full
      sessions.operations.push({ ...rest, name: 'one', match: { method: 'POST', path: '/one/{project}' }, writes: writes.slice(0, 1) })
    },
  })
  const tokens = TEN.map(({ name }) => stage.bearer(name))
  const ask = async (user: number, i: number): Promise<Answer> => {
    // The keys are the same for all of them. Whoever is told to try again does, with the same key.
    for (let tries = 0; ; tries += 1) {
      const body = { prompt: `${TEN[user]?.name} ${i}` }
      const answer = await stage.ask(tokens[user], 'POST', '/one/project-a', { body, headers: { 'Idempotency-Key': `key-${i}` } })
      if (tries === 20 || ![429, 502, 503].includes(answer.status)) return answer
    }
  }
  const asked = TEN.flatMap((_user, user) => Array.from({ length: 100 }, (_, i) => ({ user, i })))
  const answers = await Promise.all(asked.map(({ user, i }) => ask(user, i)))

  for (const [at, { user, i }] of asked.entries()) {
    const { status, text, body } = answers[at] ?? assert.fail()
    assert.equal(status, 201, text)
    assert.equal(body.spec.prompt, `${TEN[user]?.name} ${i}`)
    assert.equal(body.metadata.annotations['mandate/subject'], TEN[user]?.sub)
  }
  const { items } = await stage.look(SESSIONS)
  assert.equal(items.length, 1_000)
  assert.equal(new Set(items.map((item: Json) => item.spec.prompt)).size, 1_000)
  const pseudonyms = new Map<string, string>()
  for (const { metadata, spec } of items) {
    const [name = ''] = spec.prompt.split(' ')
    assert.equal(metadata.annotations['mandate/subject'], name)
    const caller = metadata.labels['mandate/caller']
    assert.equal(pseudonyms.get(name) ?? caller, caller)
    pseudonyms.set(name, caller)
  }
  assert.equal(new Set(pseudonyms.values()).size, 10)
  for (const record of stage.stage.audit('brokered')) assert.ok(TEN.some(({ sub }) => sub === record.who?.subject))
  // And sent again they are the same thousand.
  const again = await Promise.all(asked.filter(({ i }) => i % 10 === 0).map(({ user, i }) => ask(user, i)))
  for (const { status, text } of again) assert.equal(status, 201, text)
  assert.equal((await stage.look(SESSIONS)).items.length, 1_000)
})
