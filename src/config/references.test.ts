import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rename, rm, symlink, unlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { ReferenceUnreadable, secretSource } from './references.ts'

let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mandate-references-'))
})
after(() => rm(folder, { recursive: true }))
let counter = 0
const fresh = () => join(folder, `secret-${counter++}`)
const unreadable = (message: RegExp) => (error: unknown) =>
  error instanceof ReferenceUnreadable && error.code === 'reference_unreadable' && message.test(error.message)

describe('refuses', () => {
  test('a file that is not there, naming it', () => {
    const file = fresh()
    const source = secretSource({ file })
    assert.throws(() => source.read(), unreadable(/^the file .*secret-\d+ cannot be read \(ENOENT\)$/))
    assert.throws(() => source.version(), unreadable(/cannot be read/))
  })
  test('a relative one by its whole path: the working directory may be the wrong one', () => {
    const source = secretSource({ file: 'no-such-folder/client-secret' })
    const message = `the file ${join(process.cwd(), 'no-such-folder', 'client-secret')} cannot be read (ENOENT)`
    assert.throws(() => source.read(), { message })
    assert.throws(() => source.version(), { message })
  })
  test('a file that is empty or white space: never an empty secret', async () => {
    for (const text of ['', '\n', ' \t\r\n']) {
      const file = fresh()
      await writeFile(file, text)
      assert.throws(() => secretSource({ file }).read(), unreadable(/is empty$/))
    }
  })
  test('a folder', async () => {
    const file = fresh()
    await mkdir(file)
    assert.throws(() => secretSource({ file }).read(), unreadable(/is a directory \(EISDIR\)$/))
  })
  test('a file that has become unreadable, though it was read before', async () => {
    const file = fresh()
    await writeFile(file, 'one')
    const source = secretSource({ file })
    assert.equal(source.read().expose(), 'one')
    await unlink(file)
    assert.throws(() => source.read(), unreadable(/cannot be read/))
    await writeFile(file, '')
    assert.throws(() => source.read(), unreadable(/is empty/))
    await writeFile(file, 'two')
    assert.equal(source.read().expose(), 'two')
  })
  test('a variable that is not set or empty', () => {
    for (const value of [undefined, '', ' ']) {
      if (value === undefined) delete process.env['MANDATE_TEST_SECRET']
      else process.env['MANDATE_TEST_SECRET'] = value
      assert.throws(
        () => secretSource({ env: 'MANDATE_TEST_SECRET' }).read(),
        unreadable(/^the environment variable MANDATE_TEST_SECRET is not set or empty$/),
      )
    }
    delete process.env['MANDATE_TEST_SECRET']
  })
  test('a name that is no variable, though every object has something of it', () => {
    for (const env of ['toString', 'constructor', '__proto__', 'hasOwnProperty'])
      assert.throws(() => secretSource({ env }).read(), unreadable(/is not set or empty$/), env)
  })
})

describe('reads', () => {
  test('nothing before it is asked', () => {
    secretSource({ file: join(folder, 'nowhere') })
    secretSource({ env: 'MANDATE_TEST_NOWHERE' })
  })
  test('a value without the white space around it, as a secret', async () => {
    const file = fresh()
    await writeFile(file, ' \n hunter2 inner \r\n')
    const secret = secretSource({ file }).read()
    assert.equal(secret.expose(), 'hunter2 inner')
    assert.equal(String(secret), '[secret]')
  })
  test('a variable anew each time', () => {
    const source = secretSource({ env: 'MANDATE_TEST_SECRET' })
    for (const value of ['one', 'two']) {
      process.env['MANDATE_TEST_SECRET'] = value
      assert.equal(source.read().expose(), value)
    }
    delete process.env['MANDATE_TEST_SECRET']
  })
  test('a file again when it was written over, replaced, or swapped by a link as Kubernetes does', async () => {
    const file = fresh()
    await writeFile(file, 'one')
    const source = secretSource({ file })
    assert.equal(source.read().expose(), 'one')
    const first = source.version()
    await writeFile(file, 'second')
    assert.equal(source.read().expose(), 'second')
    assert.notEqual(source.version(), first)

    await writeFile(`${file}.new`, 'thirds')
    await rename(`${file}.new`, file)
    assert.equal(source.read().expose(), 'thirds')

    const volume = join(folder, 'volume')
    const put = async (at: string, value: string) => {
      await mkdir(join(volume, at), { recursive: true })
      await writeFile(join(volume, at, 'token'), value)
      await symlink(at, join(volume, '..data_tmp'))
      await rename(join(volume, '..data_tmp'), join(volume, '..data'))
    }
    await put('1', 'aaa')
    const mounted = secretSource({ file: join(volume, '..data', 'token') })
    assert.equal(mounted.read().expose(), 'aaa')
    await put('2', 'bbb')
    assert.equal(mounted.read().expose(), 'bbb')
  })
  test('a file that did not change once only', async () => {
    const file = fresh()
    await writeFile(file, 'one')
    const source = secretSource({ file })
    assert.equal(source.read(), source.read())
    await utimes(file, new Date(2000), new Date(2000))
    assert.equal(source.read().expose(), 'one')
  })
})
