import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { hasRoom, whyUnwritable } from './audit-file.ts'

let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mandate-audit-file-'))
})
after(() => rm(folder, { recursive: true }))

describe('says why not', () => {
  for (const make of [true, false]) {
    test(`of a file in a folder that is not there, asked ${make ? 'to make it' : 'only'}`, () => {
      assert.equal(whyUnwritable(join(folder, 'nowhere', 'audit.jsonl'), make), 'its folder is not there (ENOENT)')
    })
    test(`of a folder, asked ${make ? 'to make it' : 'only'}`, async () => {
      await mkdir(join(folder, 'sub'), { recursive: true })
      assert.equal(whyUnwritable(join(folder, 'sub'), make), 'it is a folder (EISDIR)')
    })
    test(`of what lies below a file, asked ${make ? 'to make it' : 'only'}`, async () => {
      await writeFile(join(folder, 'file'), '')
      assert.equal(whyUnwritable(join(folder, 'file', 'audit.jsonl'), make), 'a part of its path is no folder (ENOTDIR)')
    })
  }
  test('no room', async () => {
    assert.equal(await hasRoom(folder), true)
    assert.equal(await hasRoom(join(folder, 'nowhere')), true)
  })
})

describe('says nothing', () => {
  test('of a file that is there, and changes nothing of it', async () => {
    const file = join(folder, 'there.jsonl')
    await writeFile(file, 'a line\n')
    assert.deepEqual([whyUnwritable(file, true), whyUnwritable(file, false)], [undefined, undefined])
    assert.equal(await readFile(file, 'utf8'), 'a line\n')
  })
  test('of one that can be made, and makes it only when told to', async () => {
    const file = join(folder, 'new.jsonl')
    assert.equal(whyUnwritable(file, false), undefined)
    await assert.rejects(stat(file), { code: 'ENOENT' })
    assert.equal(whyUnwritable(file, true), undefined)
    assert.deepEqual([(await stat(file)).size, (await stat(file)).mode & 0o007], [0, 0])
  })
  test('of a device', () => assert.equal(whyUnwritable('/dev/null', true), undefined))
})
