import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Complaint } from '../../complaint.ts'
import type { SignedIn } from '../../providers/tokens.ts'
import { Secret } from '../../secret.ts'
import type { CommandLineProvider } from './gateway-document.ts'
import { openIssuer } from './issuer.ts'
import { GATEWAY, keptTokens } from './kept-tokens.fake.ts'
import type { Pins } from './pins.ts'
import { sourceOf } from './source.ts'

const complains = (words: RegExp) => (error: unknown) => error instanceof Complaint && words.test(error.message)
const ISSUER = 'https://issuer.example'
const CORP: CommandLineProvider = {
  name: 'corp',
  title: 'Corp',
  issuer: ISSUER,
  clientId: 'cli',
  scopes: ['openid'],
  token: 'access-token',
  audience: 'api://mandate',
}

function jwt(claims: object): Secret {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  return new Secret(`${part({ alg: 'RS256', typ: 'at+jwt' })}.${part(claims)}.AAAA`)
}

/** A source whose issuer signs this subject in, and what happened there. */
function setStage({ subject = 'alice', pins = {}, aud = CORP.audience }: { subject?: string; pins?: Pins; aud?: string } = {}) {
  const happened: string[] = []
  const tokens = {
    accessToken: jwt({ aud }),
    accessExpiresAt: 3_600_000,
    idToken: undefined,
    idExpiresAt: undefined,
    refreshToken: new Secret('refresh-of-sign-in'),
    obtainedAt: 0,
  }
  const principal = { kind: 'person', provider: 'corp', issuer: ISSUER, subject, groups: [] } as const
  const signedIn: SignedIn = { principal, shown: { name: `${subject}\u009b` }, tokens, sid: undefined }
  const source = sourceOf(CORP, {
    where: { gateway: GATEWAY, provider: 'corp' },
    pins,
    issuer: {
      redeem: async () => ({ result: 'refused' }),
      async revoke(token) {
        happened.push(`revoke ${token.expose()}`)
        return true
      },
      close: async () => undefined,
    },
    async signIn() {
      happened.push('sign in')
      return signedIn
    },
    say: (line) => void happened.push(line),
  })
  return { source, happened }
}

const ABOUT = `Signing in to ${GATEWAY} at ${ISSUER}, client cli, for api://mandate.`

test('refuses a gateway that changed its word, before anybody is sent anywhere', async () => {
  const pinned = setStage({ pins: { client: 'other' } })
  await assert.rejects(pinned.source.signIn(undefined), complains(/the client cli instead of other/))
  const kept = setStage()
  await assert.rejects(kept.source.signIn(keptTokens({ audience: 'api://other' })), complains(/since the last sign-in/))
  assert.throws(() => kept.source.requireUnchanged(keptTokens({ clientId: 'other' })), complains(/since the last sign-in/))
  assert.deepEqual([...pinned.happened, ...kept.happened], [])
})

test('refuses another person than the one whose tokens are kept, and ends that sign-in', async () => {
  const { source, happened } = setStage({ subject: 'bob' })
  await assert.rejects(
    source.signIn(keptTokens()),
    complains(/this sign-in was bob\?'s, and the tokens that are kept are alice's, so it is not used: .* --forget first/),
  )
  assert.deepEqual(happened, [ABOUT, 'sign in', 'revoke refresh-of-sign-in'])
})

test('refuses a token for somebody else', async () => {
  const { source, happened } = setStage({ aud: 'api://other' })
  await assert.rejects(source.signIn(undefined), complains(/gave a token for api:\/\/other/))
  assert.ok(!happened.join().includes('Signed in'))
})

test('refuses a description that could not be configured, as a complaint', () => {
  for (const change of [{ issuer: 'https://issuer.example/?a=b' }, { issuer: 'https://issuer.example/#a' }])
    assert.throws(() => openIssuer({ ...CORP, ...change }, undefined), complains(/no sign-in can use \(issuer\); ask its operator/))
})

test('says what the sign-in is for before it, and who it was after it', async () => {
  for (const before of [undefined, keptTokens()]) {
    const { source, happened } = setStage()
    const { subject, who, audience } = await source.signIn(before)
    assert.deepEqual([subject, who, audience], ['alice', 'alice?', 'api://mandate'])
    assert.deepEqual(happened, [ABOUT, 'sign in', 'Signed in as alice? (corp).'])
  }
})
