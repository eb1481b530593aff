/**
 * What must not compile does not, for the reason that is meant. Each fixture in test/types is compiled once without its
 * `@ts-expect-error` lines; the compiler must complain exactly below them, with the errors written beside them.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { contentOf, filesOf, ROOT } from './files.ts'

const EXPECTED = /^\s*\/\/ @ts-expect-error (TS\d+)$/

for (const path of filesOf('test/types/*.ts')) {
  test(`${path}: what must not compile does not`, async () => {
    const lines = contentOf(path).split('\n')
    const expected = lines.flatMap((line, i) => {
      const code = EXPECTED.exec(line)?.[1]
      return code === undefined ? [] : [`${i + 2} ${code}`]
    })
    assert.ok(expected.length > 0)
    assert.equal(expected.length, contentOf(path).split('@ts-expect-error TS').length - 1)
    const folder = await mkdtemp(join(tmpdir(), 'mandate-types-'))
    try {
      const bare = lines.map((line) => (EXPECTED.test(line) ? '' : line)).join('\n')
      await writeFile(join(folder, basename(path)), bare.replaceAll(`'../../src/`, `'${ROOT.replaceAll('\\', '/')}/src/`))
      await writeFile(join(folder, 'package.json'), '{"type":"module"}')
      await writeFile(
        join(folder, 'tsconfig.json'),
        JSON.stringify({
          extends: join(ROOT, 'tsconfig.json'),
          compilerOptions: { typeRoots: [join(ROOT, 'node_modules/@types')] },
          include: [basename(path)],
        }),
      )
      const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')
      const { stdout, stderr } = spawnSync(process.execPath, [tsc, '--pretty', 'false', '-p', folder], { cwd: folder, encoding: 'utf8' })
      // Errors in the source itself are for the type check to tell.
      const found = [...stdout.matchAll(/^([\w.-]+)\((\d+),\d+\): error (TS\d+)/gm)]
        .filter(([, file]) => file === basename(path))
        .map(([, , line, code]) => `${line} ${code}`)
      assert.deepEqual(found, expected, stdout + stderr)
    } finally {
      await rm(folder, { recursive: true })
    }
  })
}
