import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Complaint } from '../../complaint.ts'
import type { CommandLineProvider } from './gateway-document.ts'
import { GATEWAY, keptTokens } from './kept-tokens.fake.ts'
import { type Pins, pinArguments, requireKeptPinned, requirePinned, requireUnchanged } from './pins.ts'

const complains = (words: RegExp) => (error: unknown) => error instanceof Complaint && words.test(error.message)
const WHERE = { gateway: GATEWAY, provider: 'corp' }
const CORP: CommandLineProvider = {
  name: 'corp',
  title: 'Corp',
  issuer: 'https://issuer.example',
  clientId: 'cli',
  scopes: ['openid', 'profile'],
  token: 'access-token',
  audience: 'api://mandate',
}
const PINS: Pins = { issuer: CORP.issuer, client: 'cli', audience: CORP.audience, scopes: 'openid profile' }

test('refuses a gateway that names something else than is pinned, and says what, and what to do', () => {
  const cases: ReadonlyArray<readonly [Partial<CommandLineProvider>, RegExp]> = [
    [{ issuer: 'https://issuer.example/' }, /the issuer https:\/\/issuer\.example\/ instead of https:\/\/issuer\.example for corp/],
    [{ clientId: 'CLI' }, /the client CLI instead of cli/],
    [{ audience: 'api://other' }, /the audience api:\/\/other instead of api:\/\/mandate/],
    [{ resource: 'api://other' }, /the resource api:\/\/other instead of \(none\)/],
    [{ scopes: ['openid', 'profile', 'admin'] }, /the scopes openid profile admin instead of openid profile/],
    [{ clientId: 'a', audience: 'b' }, /the client a instead of cli and the audience b instead of/],
  ]
  for (const [change, words] of cases) {
    assert.throws(() => requirePinned(PINS, { ...CORP, ...change }, WHERE), complains(words))
    assert.throws(() => requirePinned(PINS, { ...CORP, ...change }, WHERE), complains(/nobody is sent there: .* mandate kubeconfig again$/))
  }
  const resource = { ...PINS, resource: 'api://mandate' }
  assert.throws(() => requirePinned(resource, CORP, WHERE), complains(/the resource \(none\) instead of api:\/\/mandate/))
})

test('refuses kept tokens of something else than is pinned', () => {
  for (const change of [{ issuer: 'https://evil.example' }, { clientId: 'x' }, { audience: 'x' }, { resource: 'x' }])
    assert.throws(
      () => requireKeptPinned(PINS, keptTokens(change), WHERE),
      complains(
        /that are kept are of the .* so they are not used.* mandate login --gateway https:\/\/mandate\.example --provider corp --forget first/,
      ),
    )
})

test('refuses a gateway that names something else than what is kept is of', () => {
  const changes = [
    { issuer: 'https://evil.example' },
    { clientId: 'x' },
    { audience: 'x' },
    { resource: 'x' },
    { token: 'id-token' },
  ] as const
  for (const change of changes)
    assert.throws(
      () => requireUnchanged(keptTokens(), { ...CORP, ...change }, WHERE),
      complains(/since the last sign-in, so nobody is sent there: .* --provider corp --forget first, and mandate kubeconfig again$/),
    )
})

test('takes what is the same, and whatever is not pinned', () => {
  requirePinned(PINS, CORP, WHERE)
  requirePinned({}, { ...CORP, resource: 'r' }, WHERE)
  requirePinned({ issuer: CORP.issuer }, { ...CORP, clientId: 'x', resource: 'r' }, WHERE)
  requireKeptPinned(PINS, keptTokens(), WHERE)
  // A renewal asks for no scopes, so that a gateway may name others until the next sign-in.
  requireUnchanged(keptTokens(), { ...CORP, scopes: ['openid'] }, WHERE)
})

test('the arguments are one word each, so that none of them can be an option', () => {
  assert.deepEqual(pinArguments({ ...CORP, clientId: '--forget', resource: '-r' }), [
    '--issuer=https://issuer.example',
    '--client=--forget',
    '--audience=api://mandate',
    '--resource=-r',
    '--scopes=openid profile',
  ])
})
