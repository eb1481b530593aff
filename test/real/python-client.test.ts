/**
 * The official Python client for Kubernetes, as a stranger: it knows of no gateway, and must see through Mandate what it
 * sees at the API server itself.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runPythonClient } from './parts/python.ts'
import { PLACES, setPlaces } from './places.ts'

const SIGHT = ['reviews', 'objects', 'pages', 'logs', 'executes', 'attaches', 'forwards', 'discovers', 'refusals']
const LINE = 'a line of the log'
const gone = (status: number, message: string) => ({ kind: 'Status', status: 'Failure', code: status, http: status, causes: [], message })

/** What is to be seen, wherever it is asked. */
const SEEN = {
  reviews: { username: 'corp:alice', groups: ['corp:on-call', 'corp:team-a', 'system:authenticated'] },
  objects: {
    before: 0,
    created: { a: '1' },
    patched: { a: '1', b: '2' },
    applied: { a: '1', b: '2', c: '3' },
    listed: ['python'],
    deleted: 'Success',
    watched: [
      ['ADDED', { a: '1' }],
      ['MODIFIED', { a: '1', b: '2' }],
      ['MODIFIED', { a: '1', b: '2', c: '3' }],
      ['DELETED', { a: '1', b: '2', c: '3' }],
    ],
  },
  pages: ['web', 'worker'],
  logs: { whole: `${LINE}\n`, followed: [LINE, LINE, LINE] },
  attaches: LINE,
  forwards: { answers: ['to 80', 'to 81'], errors: [null, null] },
  discovers: {
    version: '1',
    plural: ['configmaps', 'rolebindings'],
    created: { a: '1' },
    applied: { a: '1', b: '2' },
    listed: ['dynamic'],
    watched: 'ADDED',
  },
}

type Refused = Record<string, { http: number; kind: string; reason: string; causes: readonly string[]; message: string }>

test('the Python client', { timeout: 400_000 }, async (t) => {
  const { kwok, podsServe, alice, kubeconfigs } = await setPlaces(t)
  const nobody = await kubeconfigs('a.b.c')
  podsServe((connection) => void connection.pipe(connection))
  const timer = setInterval(() => void kwok.writeLog(LINE), 200)
  t.after(() => clearInterval(timer))

  for (const place of PLACES.filter((each) => each !== 'direct')) {
    await t.test(`cannot impersonate, ${place}`, async () => {
      const { impersonates } = (await runPythonClient(alice[place], ['impersonates'])) as { impersonates: Refused }
      assert.equal(Object.keys(impersonates).length, 5)
      for (const [header, { http, kind, reason, causes }] of Object.entries(impersonates))
        assert.deepEqual([http, kind, reason, causes], [400, 'Status', 'BadRequest', ['impersonation_refused']], header)
    })

    await t.test(`is told in a Status that its bearer is none, ${place}`, async () => {
      const { unknown } = (await runPythonClient(nobody[place], ['unknown'])) as { unknown: Refused }
      const { http, kind, reason, causes, message } = unknown['list'] ?? assert.fail('no list')
      assert.deepEqual([http, kind, reason, causes], [401, 'Status', 'Unauthorized', ['token_malformed']])
      assert.match(message, /not a signed JWT/)
      assert.equal(unknown['exec'], 'Handshake status 401 Unauthorized')
    })
  }

  for (const place of PLACES) {
    await t.test(`sees what there is, ${place}`, async () => {
      const seen = await runPythonClient(alice[place], SIGHT)
      const { executes, refusals, ...rest } = seen as typeof seen & { executes: Record<string, unknown>; refusals: Refused }
      assert.deepEqual(rest, SEEN)
      const { failed, ...ran } = executes
      assert.match(String(failed), /"status":"Failure".*exit status 3/)
      assert.deepEqual(ran, { both: ['out\n', 'err\n', 0], reading: ['one', 'two\n', 0], much: 3_000_000, posted: 'posted\n' })
      const { invalid, ...refused } = refusals
      assert.deepEqual([invalid?.http, invalid?.reason, invalid?.causes], [422, 'Invalid', ['FieldValueInvalid']])
      const secrets = (verb: string) =>
        `secrets is forbidden: User "corp:alice" cannot ${verb} resource "secrets" in API group "" in the namespace "team-b"`
      assert.deepEqual(refused, {
        absent: { ...gone(404, 'configmaps "absent" not found'), reason: 'NotFound' },
        forbidden: { ...gone(403, secrets('list')), reason: 'Forbidden' },
        watch: { ...gone(403, secrets('watch')), reason: 'Forbidden' },
        twice: { ...gone(409, 'configmaps "settings" already exists'), reason: 'AlreadyExists' },
        'exec absent': 'Handshake status 404 Not Found',
        'exec forbidden': 'Handshake status 403 Forbidden',
      })
    })
  }
})
