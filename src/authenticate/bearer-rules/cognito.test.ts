import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type CognitoStandIn, type CognitoUser, startCognito } from '../../../test/fakes/cognito.ts'
import { hostileTokens } from '../../../test/fakes/hostile-tokens.ts'
import { type Clock, systemClock } from '../../clock.ts'
import { completeProvider, provider } from '../../config/providers.ts'
import { Refusal } from '../../errors.ts'
import type { BearerProof, Principal } from '../../principal.ts'
import type { RefusalCode } from '../../refusal-codes.ts'
import { Secret } from '../../secret.ts'
import { createBearerAuthenticator } from '../bearer-jwt.ts'

const ADA: CognitoUser = { username: 'ada', sub: 'e4f8a4b8-0041-70a1-1111-2c3d4e5f6a7b', email: 'ada@corp.example', groups: ['admins'] }
const READ = 'https://api.lab.example/read'
const WRITE = 'https://api.lab.example/write'
const MACHINE = { secret: 's', grant: 'client_credentials', scopes: [READ, WRITE] } as const
const OF_PEOPLE = { secret: 's', grant: 'code', scopes: ['openid', 'email'] } as const

describe('bearers of a Cognito user pool', () => {
  let pool: CognitoStandIn
  before(async () => {
    pool = await startCognito({
      clients: [
        { id: 'robot', ...MACHINE },
        { id: 'unlisted', ...MACHINE },
        { id: 'web', ...OF_PEOPLE },
        { id: 'other-web', ...OF_PEOPLE },
      ],
    })
  })
  after(() => pool.close())

  const show = (token: string, changes: object = {}, clock: Clock = systemClock) => {
    const { userPoolId, issuer } = pool
    const listed = { machineClients: ['robot'], personClients: ['web'] }
    const raw = provider.parse({ kind: 'cognito', userPoolId, issuer, ...listed, ...changes })
    const { kid, publicKey } = pool.accessKey()
    const authenticator = createBearerAuthenticator({
      providers: [
        {
          config: completeProvider('pool', raw, []),
          keys: {
            async find(query) {
              if (query.kid !== kid) throw new Refusal('token_key_unknown')
              return publicKey
            },
          },
        },
      ],
      revocations: { blind: false, check: () => false, watch: () => () => undefined },
      clock,
      oldestMs: 32 * 3_600_000,
      observe: () => undefined,
    })
    const nothing = { method: 'GET', writes: false, cookie: undefined, self: 'x', origin: undefined, fetchSite: undefined }
    return authenticator.authenticate({ ...nothing, authorization: new Secret(`Bearer ${token}`) })
  }
  const refused = async (token: string, code: RefusalCode, detail?: RegExp, changes: object = {}) => {
    const answer = await show(token, changes)
    assert.ok(answer.result === 'rejected', `${answer.result} instead of ${code} ${detail ?? ''}`)
    assert.deepEqual([answer.refusal.code, answer.refusal.status], [code, code === 'denied' ? 403 : 401])
    if (detail !== undefined) assert.match(answer.refusal.detail ?? '', detail)
  }
  const taken = async (token: string, changes: object = {}): Promise<{ principal: Principal; proof: BearerProof }> => {
    const answer = await show(token, changes)
    assert.ok(answer.result === 'authenticated', answer.result === 'rejected' ? answer.refusal.message : answer.result)
    const { principal, proof } = answer.caller
    assert.ok(proof.kind === 'bearer')
    return { principal, proof }
  }

  test("refuses a user's token where only machines are listed, although it names a client", async () => {
    await refused(pool.userAccessToken(ADA, 'other-web'), 'denied', /^it is a user's, and the client is not among .*personClients$/)
    await refused(pool.userAccessToken(ADA, 'web'), 'denied', /personClients/, { personClients: [] })
    // The client of a machine makes no user of it a machine, and none a person.
    await refused(pool.userAccessToken(ADA, 'robot'), 'denied', /personClients/)
  })

  test('refuses ID tokens, whatever their audience, and every other token_use', async () => {
    const { kid } = pool.accessKey()
    for (const audience of [undefined, 'web', 'robot'])
      for (const client of ['web', 'robot', 'unlisted']) {
        const header = { kid }
        // Signed by the key of access tokens as well: that another key is used is nothing to rely on.
        await refused(resigned(pool.userIdToken(ADA, client, { header })), 'token_type_wrong', /token_use/, { audience })
      }
    await refused(pool.userIdToken(ADA, 'web'), 'token_key_unknown')
    for (const use of [undefined, 'id', 'refresh', 'Access', 'access ', ['access'], true])
      await refused(pool.machineToken('robot', undefined, { claims: { token_use: use } }), 'token_type_wrong')
  })

  test('refuses an audience that nobody configured or that is another, and a key-bound token', async () => {
    const bound = (aud: unknown) => pool.machineToken('robot', undefined, { claims: { aud } })
    for (const aud of ['https://api.lab.example', 'robot', '', [], ['']]) await refused(bound(aud), 'token_audience_wrong')
    for (const aud of [null, 7, {}, ['a', 1]]) await refused(bound(aud), 'token_claims_invalid')
    const audience = { audience: 'https://api.lab.example' }
    await refused(bound('https://other.example'), 'token_audience_wrong', undefined, audience)
    await refused(bound([]), 'token_audience_wrong', undefined, audience)
    await taken(bound(['https://other.example', 'https://api.lab.example']), audience)
    await taken(pool.machineToken('robot'), audience)
    await refused(pool.machineToken('robot', undefined, { claims: { cnf: { jkt: 'x' } } }), 'token_type_wrong')
  })

  test('refuses a machine that is not listed, and a token that is not wholly of one that is', async () => {
    const robot = (claims: object) => pool.machineToken('robot', undefined, { claims })
    await refused(pool.machineToken('unlisted'), 'denied', /machineClients/)
    await refused(pool.machineToken('web'), 'denied', /machineClients/)
    await refused(pool.machineToken('robot'), 'denied', /machineClients/, { machineClients: ['Robot'] })
    await refused(robot({ sub: 'somebody' }), 'denied', /sub is not the client/)
    await refused(robot({ sub: ADA.sub }), 'denied', /sub is not the client/)
    await refused(robot({ sub: 'unlisted' }), 'denied')
    await refused(robot({ client_id: 'unlisted' }), 'denied')
    for (const client_id of [undefined, null, 7, ['robot']]) await refused(robot({ client_id }), 'denied', /names no client/)
    for (const username of ['robot', '', null, 7]) await refused(robot({ username }), 'denied', /personClients/)
    await refused(robot({ sub: undefined }), 'token_claims_invalid')
    // A trigger of the pool may add it: somebody acts, and whose rights the machine would have is not known.
    for (const act of [{ sub: ADA.sub }, {}, null]) await refused(robot({ act }), 'denied', /acts for it/)
    // Nothing else stands in for the client.
    await refused(robot({ client_id: undefined, azp: 'robot', cid: 'robot' }), 'denied')
  })

  test('refuses another pool, another algorithm and another type', async () => {
    await refused(pool.machineToken('robot', undefined, { claims: { iss: `${pool.issuer}x` } }), 'token_issuer_unknown')
    await refused(pool.machineToken('robot', undefined, { header: { alg: 'PS256' } }), 'token_algorithm_refused')
    await refused(pool.machineToken('robot', undefined, { header: { alg: 'none' } }), 'token_algorithm_refused')
    await refused(pool.machineToken('robot', undefined, { header: { alg: 'HS256' } }), 'token_algorithm_refused')
    await refused(pool.machineToken('robot', undefined, { header: { typ: 'at+jwt' } }), 'token_type_wrong')
  })

  test('refuses what a second beyond the leeway is expired', async () => {
    const at = (now: number): Clock => ({ ...systemClock, now: () => now })
    const issued = Math.floor(Date.now() / 1000)
    const token = pool.machineToken('robot', undefined, { claims: { iat: issued, exp: issued + 60 } })
    const codeAt = async (seconds: number) => {
      const answer = await show(token, {}, at((issued + seconds) * 1000))
      return answer.result === 'rejected' ? answer.refusal.code : answer.result
    }
    assert.deepEqual([await codeAt(60), await codeAt(89), await codeAt(91)], ['authenticated', 'authenticated', 'token_expired'])
  })

  test('refuses the whole hostile corpus', async () => {
    const { privateKey, publicKey } = pool.accessKey()
    const corpus = await hostileTokens({ token: pool.machineToken('robot'), privateKey, publicKey })
    assert.ok(corpus.length > 150)
    const taken: string[] = []
    for (const hostile of corpus) if ((await show(hostile.token)).result !== 'rejected') taken.push(hostile.name)
    // Where no token has an audience and claims say the type, these two are no faults.
    assert.deepEqual(taken, ['aud missing', 'typ "JWT"'])
  })

  test('takes a machine as one, with its client and scopes', async () => {
    const { principal, proof } = await taken(pool.machineToken('robot'))
    assert.deepEqual([principal.kind, principal.subject, principal.groups], ['machine', 'robot', []])
    assert.deepEqual([proof.client, proof.scopes, proof.audiences], ['robot', [READ, WRITE], []])
    assert.deepEqual((await taken(pool.machineToken('robot', [READ]))).proof.scopes, [READ])
    assert.deepEqual((await taken(pool.machineToken('robot', [], { claims: { scope: undefined, scp: WRITE } }))).proof.scopes, [])
  })

  test('takes the user of a listed client as a person, with their groups', async () => {
    const { principal, proof } = await taken(pool.userAccessToken(ADA, 'web'))
    assert.deepEqual([principal.kind, principal.subject, principal.groups, proof.client], ['person', ADA.sub, ['admins'], 'web'])
    // A client that is on both lists has machines and people, each for what they are.
    const both = { machineClients: ['robot'], personClients: ['robot'] }
    assert.equal((await taken(pool.userAccessToken(ADA, 'robot'), both)).principal.kind, 'person')
    assert.equal((await taken(pool.machineToken('robot'), both)).principal.kind, 'machine')
  })

  /** The same claims under the header that they came with, signed by the key of access tokens. */
  function resigned(token: string): string {
    const [, body = ''] = token.split('.')
    const claims = JSON.parse(Buffer.from(body, 'base64url').toString('utf8')) as object
    return pool.machineToken('robot', [], { claims: { version: undefined, client_id: undefined, scope: undefined, ...claims } })
  }
})
