/**
 * Imports run one way, and the linter knows (ARCHITECTURE.md). Each forbidden direction is written down in a copy of
 * the house with one import a file; the linter must find exactly those.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { test } from 'node:test'
import { ROOT } from './files.ts'

/** The floors of the house, from the top. Rooms of one floor do not know each other, except where said. */
const FLOORS: ReadonlyArray<readonly string[]> = [
  ['command'],
  ['dev'],
  ['gateway'],
  ['authenticate', 'authorize', 'assume', 'forward'],
  ['logins', 'kubernetes'],
  ['providers', 'audit', 'store'],
  ['config'],
]
const LEAVES = [
  'principal',
  'credential',
  'decision',
  'grant',
  'errors',
  'refusal-codes',
  'secret',
  'clock',
  'log',
  'metrics',
  'lifecycle',
  'complaint',
  'gives-away',
  'header-names',
  'trace-context',
  'version',
]

interface Import {
  readonly from: string
  readonly to: string
  readonly allowed: boolean
}

function imports(): Import[] {
  const rooms = FLOORS.flatMap((floor, height) => floor.map((room) => ({ room, height })))
  const between = rooms.flatMap(({ room, height }) =>
    rooms
      .filter((other) => other.room !== room)
      .map((other) => ({ from: `src/${room}`, to: `src/${other.room}/x.ts`, allowed: height < other.height })),
  )
  const leaves = LEAVES.flatMap((leaf) => rooms.map(({ room }) => ({ from: `src/${leaf}.ts`, to: `src/${room}/x.ts`, allowed: false })))
  const journey = ['config', 'providers', 'logins', 'kubernetes', 'forward', 'gateway', 'dev', 'command'].map((room) => ({
    from: 'src/access.ts',
    to: `src/${room}/x.ts`,
    allowed: false,
  }))
  const contracts = ['authenticate', 'authorize', 'assume', 'audit', 'store'].map((room) => ({
    from: 'src/access.ts',
    to: `src/${room}/x.ts`,
    allowed: true,
  }))
  const composition = ['gateway', 'store', 'logins', 'forward', 'authenticate'].flatMap((room) =>
    ['access', 'compose'].map((file) => ({ from: `src/${room}`, to: `src/${file}.ts`, allowed: room === 'gateway' && file === 'access' })),
  )
  const doors = ['command', 'dev', 'gateway', 'authenticate', 'authorize', 'assume', 'forward']
  const own = ['kubernetes', 'compose'].flatMap((room) => [
    ...doors.map((door) => ({ from: `src/${door}`, to: `src/${room}/own-work.ts`, allowed: false })),
    { from: 'src/compose.ts', to: `src/${room}/own-work.ts`, allowed: true },
  ])
  return [
    ...[...between, ...leaves, ...journey, ...contracts, ...composition, ...own],
    { from: 'src/compose.ts', to: 'src/dev/x.ts', allowed: false },
  ]
}

test('the linter forbids every import that runs the other way, and cycles', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'mandate-imports-'))
  try {
    await cp(join(ROOT, 'biome.json'), join(folder, 'biome.json'))
    await writeFile(join(folder, '.gitignore'), 'node_modules\n')
    const forbidden = new Set<string>()
    const lines = new Map<string, string[]>()
    for (const { from, to, allowed } of imports()) {
      const file = from.endsWith('.ts') ? from : `${from}/imports-${to.split('/').slice(1).join('-')}`
      const back = '../'.repeat(file.split('/').length - 2) || './'
      lines.set(file, [
        ...(lines.get(file) ?? []),
        `export type { X as X${lines.get(file)?.length ?? 0} } from '${back}${to.slice('src/'.length)}'\n`,
      ])
      if (!allowed) forbidden.add(file)
    }
    for (const room of FLOORS.flat()) lines.set(`src/${room}/x.ts`, ['export interface X {}\n'])
    lines.set('src/store/here.ts', ["import { there } from './there.ts'\nexport const here = () => there\n"])
    lines.set('src/store/there.ts', ["import { here } from './here.ts'\nexport const there = () => here\n"])
    for (const [file, content] of lines) {
      await mkdir(dirname(join(folder, file)), { recursive: true })
      await writeFile(join(folder, file), content.join(''))
    }
    const found = lint(folder)
    assert.deepEqual(
      [...new Set(found.filter(({ rule }) => rule.endsWith('noRestrictedImports')).map(({ path }) => path))].sort(),
      [...forbidden].sort(),
    )
    // A leaf that holds several forbidden imports is one file: each of them must be found by itself.
    const count = imports().filter(({ allowed }) => !allowed).length
    assert.equal(found.filter(({ rule }) => rule.endsWith('noRestrictedImports')).length, count)
    assert.ok(found.some(({ rule, path }) => rule.endsWith('noImportCycles') && path === 'src/store/here.ts'))
  } finally {
    await rm(folder, { recursive: true })
  }
})

interface Finding {
  readonly rule: string
  readonly path: string
}

function lint(folder: string): Finding[] {
  const biome = resolve(ROOT, 'node_modules/@biomejs/biome/bin/biome')
  const { stdout, stderr } = spawnSync(process.execPath, [biome, 'lint', '--reporter=json', '--max-diagnostics=none', '.'], {
    cwd: folder,
    encoding: 'utf8',
    maxBuffer: 64 << 20,
  })
  assert.notEqual(stdout, '', stderr)
  const { diagnostics } = JSON.parse(stdout) as {
    diagnostics: ReadonlyArray<{ category: string; location: { path: string | { file: string } } }>
  }
  return diagnostics.map(({ category, location: { path } }) => ({
    rule: category,
    path: (typeof path === 'string' ? path : path.file).replaceAll('\\', '/').replace(/^\.\//, ''),
  }))
}
