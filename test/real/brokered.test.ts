/**
 * Which credential does what: the rows, the anti-patterns and the checklist that backends of Kubernetes are held to, on a
 * real API server with users of different rights. What happened is what the API server's own audit log says.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type BrokeredStage, JOBS, type Json, OURS, SECRETS, SESSIONS, setBrokeredStage } from './brokered-stage.ts'
import { eventually } from './eventually.ts'

const A_REVIEW = 'create selfsubjectaccessreviews'
const WRITES = ['account create agenticsessions', 'account create jobs', 'account create serviceaccounts/token', 'account create secrets']

const namesIn = (list: Json): string[] => list.items.map((item: Json) => item.metadata.name).sort()

/** Runs it, and gives its answer with what reached the API server meanwhile. */
async function seen<T>({ since }: BrokeredStage, run: () => Promise<T>): Promise<{ answer: T; lines: readonly string[] }> {
  const lines = await since()
  const answer = await run()
  return { answer, lines: await lines() }
}

const byAccount = (lines: readonly string[]) => lines.filter((line) => line.startsWith('account '))

test('the quick reference: which credential each operation uses', { timeout: 240_000 }, async (t) => {
  const stage = await setBrokeredStage(t)
  const { ask, look, session } = stage

  await t.test("List resources in namespace: the user's token, never the service account's", async () => {
    const name = await session()
    for (const user of ['alice', 'bob']) {
      const { answer, lines } = await seen(stage, () => ask(user, 'GET', OURS))
      assert.equal(answer.status, 200, answer.text)
      assert.equal(answer.body.kind, 'AgenticSessionList')
      assert.ok(namesIn(answer.body).includes(name))
      assert.deepEqual(lines, [`${user} list agenticsessions`])
    }
    const { answer, lines } = await seen(stage, () => ask('carol', 'GET', OURS))
    assert.deepEqual([answer.status, answer.body.kind, answer.body.reason], [403, 'Status', 'Forbidden'], "the API server's own words")
    assert.match(answer.body.message, /User "corp:carol" cannot list resource "agenticsessions"/)
    assert.deepEqual(lines, ['carol list agenticsessions'])
  })

  await t.test("a watch goes with the user's token as well", async () => {
    const lines = await stage.since()
    const ended = new AbortController()
    const watch = await fetch(`${stage.stage.origin}${OURS}?watch=1`, {
      headers: { Authorization: `Bearer ${stage.bearer('bob')}` },
      signal: ended.signal,
    })
    assert.equal(watch.status, 200)
    const name = await session('seen by bob')
    const decoder = new TextDecoder()
    let came = ''
    for await (const part of watch.body ?? []) {
      came += decoder.decode(part, { stream: true })
      if (came.includes(name)) break
    }
    ended.abort()
    assert.match(came, /"ADDED"/)
    assert.ok((await lines()).includes('bob watch agenticsessions'))
    assert.deepEqual(
      byAccount(await lines()).filter((line) => / (get|list|watch) /.test(line)),
      [],
    )
    const refused = await ask('carol', 'GET', `${OURS}?watch=1`)
    assert.equal(refused.status, 403, refused.text)
  })

  await t.test("Get specific resource: the user's token, never the service account's", async () => {
    const name = await session()
    const { answer, lines } = await seen(stage, () => ask('bob', 'GET', `${OURS}/${name}`))
    assert.deepEqual([answer.status, answer.body.metadata.name, answer.body.spec.prompt], [200, name, 'say hello'])
    assert.deepEqual(lines, ['bob get agenticsessions'])
    const refused = await seen(stage, () => ask('carol', 'GET', `${OURS}/${name}`))
    assert.deepEqual([refused.answer.status, refused.answer.body.kind], [403, 'Status'])
    assert.deepEqual(refused.lines, ['carol get agenticsessions'])
    const missing = await ask('bob', 'GET', `${OURS}/no-such-session`)
    assert.deepEqual([missing.status, missing.body.reason], [404, 'NotFound'])
  })

  await t.test("RBAC permission check: the user's token, never the service account's", async () => {
    for (const user of ['bob', 'carol']) {
      const lines = await stage.since()
      const answer = await ask(user, 'POST', OURS, { body: { prompt: 'mine' } })
      assert.deepEqual([answer.status, answer.body.code], [403, 'not_permitted'], answer.text)
      assert.match(answer.headers.get('content-type') ?? '', /^application\/problem\+json/)
      // One for each write, all at once: the first no is the answer, and the others arrive a moment later.
      await eventually('all reviews arrive', async () => (await lines()).length === WRITES.length)
      assert.deepEqual([...new Set(await lines())], [`${user} ${A_REVIEW}`])
    }
  })

  await t.test('Create CR (after RBAC validation): the service account, once every review has said yes', async () => {
    const { answer, lines } = await seen(stage, () => ask('alice', 'POST', OURS, { body: { prompt: 'say hello', timeoutSeconds: 60 } }))
    assert.equal(answer.status, 201, answer.text)
    assert.equal(answer.body.kind, 'AgenticSession')
    assert.deepEqual(answer.body.spec, { prompt: 'say hello', timeoutSeconds: 60 })
    assert.equal(lines.indexOf(WRITES[0] ?? ''), lines.lastIndexOf(`alice ${A_REVIEW}`) + 1, String(lines))
    assert.deepEqual(byAccount(lines), WRITES)
    assert.ok(lines.filter((line) => !line.startsWith('account ')).every((line) => line === `alice ${A_REVIEW}`))
    assert.equal((await look(`${SESSIONS}/${answer.body.metadata.name}`)).spec.prompt, 'say hello')
  })

  await t.test('Update CR status: the service account, after a review of what the user may do', async () => {
    const name = await session()
    for (const user of ['bob', 'carol']) {
      const { answer, lines } = await seen(stage, () => ask(user, 'POST', `${OURS}/${name}/stop`, { body: {} }))
      assert.deepEqual([answer.status, answer.body.code], [403, 'not_permitted'])
      assert.deepEqual(lines, [`${user} ${A_REVIEW}`])
    }
    const { answer, lines } = await seen(stage, () => ask('alice', 'POST', `${OURS}/${name}/stop`, { body: { reason: 'enough' } }))
    assert.equal(answer.status, 200, answer.text)
    // Another right stood for this write, so its answer shows no more than which object it was.
    assert.deepEqual(Object.keys(answer.body.metadata).sort(), ['name', 'namespace', 'uid'])
    assert.deepEqual((await ask('alice', 'GET', `${OURS}/${name}`)).body.status, {
      phase: 'Stopped',
      stoppedBy: 'alice',
      message: 'enough',
    })
    assert.deepEqual(lines, [`alice ${A_REVIEW}`, 'account patch agenticsessions/status'])
    // The very same write with her own rights is refused: that is what the service is there for.
    const raw = await stage.kubernetes.ask(`${SESSIONS}/${name}/status`, {
      method: 'PATCH',
      headers: { 'content-type': 'application/merge-patch+json' },
      token: stage.bearer('alice'),
      body: { status: { phase: 'Running' } },
    })
    assert.equal(raw.status, 403)
  })

  await t.test("Delete resource user created: the user's token", async () => {
    const name = await session()
    const refused = await seen(stage, () => ask('bob', 'DELETE', `${OURS}/${name}`))
    assert.equal(refused.answer.status, 403)
    assert.deepEqual(refused.lines, ['bob delete agenticsessions'])
    const { answer, lines } = await seen(stage, () => ask('alice', 'DELETE', `${OURS}/${name}`))
    assert.ok(answer.status < 300, answer.text)
    assert.deepEqual(lines, ['alice delete agenticsessions'])
    assert.equal(await look(`${SESSIONS}/${name}`), undefined)
  })

  await t.test('Delete resource user created: the service account where it is so configured, and only what it wrote', async () => {
    const name = await session()
    for (const user of ['bob', 'carol']) {
      const { answer, lines } = await seen(stage, () => ask(user, 'DELETE', `${OURS}/${name}/job`))
      assert.deepEqual([answer.status, answer.body.code], [403, 'not_permitted'])
      assert.deepEqual(byAccount(lines), [])
    }
    const { spec } = (await look(`${JOBS}/${name}`)).spec.template
    const byHand = await stage.kubernetes.ask(JOBS, {
      body: { apiVersion: 'batch/v1', kind: 'Job', metadata: { name: 'by-hand' }, spec: { template: { spec } } },
    })
    assert.equal(byHand.status, 201, byHand.body)
    const kept = await seen(stage, () => ask('alice', 'DELETE', `${OURS}/by-hand/job`))
    assert.deepEqual([kept.answer.status, kept.answer.body.code], [403, 'object_not_ours'])
    assert.deepEqual(byAccount(kept.lines), [])
    assert.notEqual(await look(`${JOBS}/by-hand`), undefined)

    const { answer, lines } = await seen(stage, () => ask('alice', 'DELETE', `${OURS}/${name}/job`))
    assert.deepEqual([answer.status, answer.text], [204, ''])
    assert.deepEqual(byAccount(lines), ['account delete jobs'])
    assert.equal(lines[0], `alice ${A_REVIEW}`)
    assert.equal(await look(`${JOBS}/${name}`), undefined, 'its pods go with it: nothing waits to be orphaned')
    const again = await ask('alice', 'DELETE', `${OURS}/${name}/job`)
    assert.deepEqual([again.status, again.body.code], [404, 'object_unknown'])
  })

  await t.test('Mint service account token: the service account, and it goes to the runner alone', async () => {
    const { answer, lines } = await seen(stage, () => ask('alice', 'POST', OURS, { body: { prompt: 'say hello' } }))
    assert.ok(lines.includes('account create serviceaccounts/token'))
    const { name } = answer.body.metadata
    const secret = await look(`${SECRETS}/${name}`)
    const token = Buffer.from(secret.data.token, 'base64').toString('utf8')
    assert.ok(!answer.text.includes(token) && !answer.text.includes(secret.data.token))
    assert.ok(!JSON.stringify([...answer.headers]).includes(token))
    assert.equal(secret.metadata.ownerReferences[0].uid, (await look(`${JOBS}/${name}`)).metadata.uid)
    // It is the runner's: it reads its session and writes its status, and nothing of its owner's.
    const runner = await stage.kubernetes.ask(`${SESSIONS}/${name}`, { token })
    assert.equal(runner.status, 200)
    assert.equal((await stage.kubernetes.ask(SECRETS, { token })).status, 403)
    const { aud, sub } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'))
    assert.deepEqual([aud, sub], [['https://kubernetes.default.svc'], 'system:serviceaccount:project-a:runner'])
    // And alice may mint none herself.
    const raw = await stage.kubernetes.ask('/api/v1/namespaces/project-a/serviceaccounts/runner/token', {
      token: stage.bearer('alice'),
      body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} },
    })
    assert.equal(raw.status, 403)
  })

  await t.test('Create Job for session: the service account, owned by the session', async () => {
    const name = await session()
    const [made, job] = [await look(`${SESSIONS}/${name}`), await look(`${JOBS}/${name}`)]
    const { uid, name: owner, kind } = job.metadata.ownerReferences[0]
    assert.deepEqual([uid, owner, kind], [made.metadata.uid, name, 'AgenticSession'])
    const { containers, volumes, automountServiceAccountToken } = job.spec.template.spec
    assert.equal(automountServiceAccountToken, false)
    assert.deepEqual(containers[0].env, [
      { name: 'PROJECT', value: 'project-a' },
      { name: 'SESSION', value: name },
    ])
    assert.equal(volumes[0].secret.secretName, name)
    const raw = await stage.kubernetes.ask(JOBS, { token: stage.bearer('alice'), body: { ...job, metadata: { name: 'raw' } } })
    assert.equal(raw.status, 403, 'she may have no Job of her own')
  })
})

test('Cleanup orphaned resources: the service account, and only what it wrote', { timeout: 240_000 }, async (t) => {
  const stage = await setBrokeredStage(t, {
    configure(_config, { sessions }) {
      sessions.cleanup = { mode: 'delete', every: '1s', most: 20, lease: { namespace: 'mandate' } }
    },
  })
  const { ask, look, session } = stage
  const [gone, stays] = [await session('to be orphaned'), await session('stays')]
  const { uid } = (await look(`${SESSIONS}/${gone}`)).metadata
  const byHand = {
    apiVersion: 'batch/v1',
    kind: 'Job',
    // An owner that is gone, but not written by the broker.
    metadata: {
      name: 'by-hand',
      ownerReferences: [{ apiVersion: 'vteam.ambient-code/v1alpha1', kind: 'AgenticSession', name: gone, uid }],
    },
    spec: { template: { spec: (await look(`${JOBS}/${stays}`)).spec.template.spec } },
  }
  assert.equal((await stage.kubernetes.ask(JOBS, { body: byHand })).status, 201)
  const lines = await stage.since()
  // There is no garbage collector here: what the session leaves behind, the sweep must find.
  assert.ok((await ask('alice', 'DELETE', `${OURS}/${gone}`)).status < 300)
  // Whoever is to sweep is elected first, which takes a quarter of a minute in a cluster that never had one.
  await eventually('its Job is gone', async () => (await look(`${JOBS}/${gone}`)) === undefined, 60_000)
  assert.notEqual(await look(`${JOBS}/${stays}`), undefined)
  assert.notEqual(await look(`${JOBS}/by-hand`), undefined)
  assert.equal((await lines()).filter((line) => line === 'account delete jobs').length, 1)
  assert.deepEqual(
    (await lines()).filter((line) => line.startsWith('alice')),
    ['alice delete agenticsessions'],
  )
  assert.deepEqual(
    stage.stage.audit('own-work').filter(({ action, properties }) => action === 'delete' && properties['resource'] === 'jobs').length,
    1,
  )
})
