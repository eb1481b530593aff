import assert from 'node:assert/strict'
import { chmodSync, lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Complaint } from '../../complaint.ts'
import { dueTokens, GATEWAY, keptTokens, spentTokens, testFolder } from './kept-tokens.fake.ts'
import { askAgainAt, placeFor, standingOf, stateFolder } from './kept-tokens.ts'

const refused = (words: RegExp) => (error: unknown) => error instanceof Complaint && words.test(error.message)

function setPlace(t: TestContext) {
  const folder = join(testFolder(t), 'state')
  const warned: string[] = []
  const open = () => placeFor(GATEWAY, 'corp', (line) => void warned.push(line), folder)
  return { folder, warned, open }
}

test('refuses a file that others may read or write', (t) => {
  const place = setPlace(t).open()
  place.write(keptTokens())
  for (const mode of [0o640, 0o604, 0o620, 0o602, 0o660]) {
    chmodSync(place.file, mode)
    assert.throws(() => place.read(), refused(/others may read or write .*chmod 600/))
  }
})

test('refuses a folder that others may look into', (t) => {
  const { folder, open } = setPlace(t)
  open()
  chmodSync(folder, 0o750)
  assert.throws(open, refused(/others may read or write .*chmod 700/))
})

test('refuses a link in the place of the file, and of the folder', (t) => {
  const { folder, open } = setPlace(t)
  const place = open()
  place.write(keptTokens())
  renameSync(place.file, join(folder, 'elsewhere'))
  symlinkSync(join(folder, 'elsewhere'), place.file)
  assert.throws(() => place.read(), refused(/is a symbolic link/))
  renameSync(folder, `${folder}-moved`)
  symlinkSync(`${folder}-moved`, folder)
  assert.throws(open, refused(/is a symbolic link/))
})

test('refuses a folder in the place of the file, and a file in the place of the folder', (t) => {
  const { folder, open } = setPlace(t)
  const place = open()
  mkdirSync(place.file, { mode: 0o700 })
  assert.throws(() => place.read(), refused(/is not a file/))
  assert.throws(() => placeFor(GATEWAY, 'corp', () => undefined, writeAt(join(folder, 'file'))), Error)
})

function writeAt(path: string): string {
  writeFileSync(path, '', { mode: 0o600 })
  return path
}

test('takes a damaged file for none, and says so', (t) => {
  const { open, warned } = setPlace(t)
  const place = open()
  place.write(keptTokens())
  const whole = readFileSync(place.file, 'utf8')
  const damaged = [
    whole.slice(0, 40),
    '',
    '[]',
    'null',
    '{}',
    whole.replace('"format":2', '"format":1'),
    whole.replace('"audience"', '"audiences"'),
    whole.replace(/"expiresAt":\d+/, '"expiresAt":"x"'),
  ]
  for (const content of [...damaged, whole.replace('"token-1"', '7'), whole.replace('access-token', 'token'), 'x'.repeat(2_000_000)]) {
    writeFileSync(place.file, content)
    warned.length = 0
    assert.equal(place.read(), undefined)
    assert.deepEqual(warned, [`${place.file} is damaged and is treated as absent`])
  }
})

test('writes for the owner alone, whole, and leaves nothing else behind', (t) => {
  const { folder, open } = setPlace(t)
  const place = open()
  assert.equal(place.read(), undefined)
  place.write(keptTokens({ resource: 'api://mandate' }))
  assert.equal(lstatSync(place.file).mode & 0o777, 0o600)
  assert.equal(lstatSync(folder).mode & 0o777, 0o700)
  const again = open().read()
  assert.equal(again?.token.expose(), 'token-1')
  assert.equal(again?.refreshToken?.expose(), 'refresh-1')
  assert.equal(again?.resource, 'api://mandate')
  const { refreshToken: _gone, ...rest } = keptTokens()
  place.write({ ...rest, refreshToken: undefined, presenting: true })
  assert.deepEqual([place.read()?.refreshToken, place.read()?.presenting], [undefined, true])
  assert.doesNotMatch(readFileSync(place.file, 'utf8'), /refresh-1/)
  assert.equal(readdirSync(folder).length, 1)
  place.remove()
  assert.equal(place.read(), undefined)
})

test('two gateways, or two providers of one, never share a file', (t) => {
  const { folder } = setPlace(t)
  const fileOf = (gateway: string, provider: string) => placeFor(gateway, provider, () => undefined, folder).file
  const all = [fileOf(GATEWAY, 'corp'), fileOf(GATEWAY, 'lab'), fileOf(`${GATEWAY}:8443`, 'corp')]
  assert.equal(new Set(all).size, 3)
})

test('the folder is the one that is named, else by XDG, and no relative one', () => {
  assert.equal(stateFolder({ MANDATE_STATE: '/a/b' }), '/a/b')
  assert.equal(stateFolder({ XDG_STATE_HOME: '/x' }), '/x/mandate')
  assert.match(stateFolder({ XDG_STATE_HOME: 'x' }), /\.local\/state\/mandate$/)
  assert.throws(() => stateFolder({ MANDATE_STATE: 'a/b' }), refused(/absolute/))
})

test('the margins scale with the life of the token', () => {
  const now = Date.now()
  assert.equal(standingOf(keptTokens(), now), 'fresh')
  assert.equal(standingOf(dueTokens(), now), 'due')
  assert.equal(standingOf(spentTokens(), now), 'spent')
  const minute = keptTokens({ obtainedAt: now, expiresAt: now + 60_000 })
  assert.equal(standingOf(minute, now + 47_000), 'fresh')
  assert.equal(standingOf(minute, now + 49_000), 'due')
  assert.equal(standingOf(minute, now + 55_000), 'spent')
  assert.equal(askAgainAt(minute, now), now + 48_000)
  assert.equal(askAgainAt(minute, now + 49_000), now + 54_000)
  assert.equal(standingOf(keptTokens({ obtainedAt: now, expiresAt: now }), now), 'spent')
})
