import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { faultsFrom } from './config.fake.ts'
import { parseConfig } from './config.ts'
import { ConfigFaulty } from './faults/faults.ts'
import { placesIn } from './faults/places.ts'
import { parseYaml, parseYamlAsText } from './parse-yaml.ts'

const refuses = (what: string, source: string, ...expected: string[]) =>
  void test(what, () =>
    assert.deepEqual(
      faultsFrom(() => parseYaml(source)),
      expected,
    ),
  )

test('a key that is a group, as doubled braces make one, is quoted to nobody: it may be a secret', (t) => {
  const warned = t.mock.method(process, 'emitWarning', () => undefined)
  parseYaml('secret: {{ hunter2 }}\n')
  parseYamlAsText('secret: {{ hunter2 }}\n')
  placesIn('secret: {{ hunter2 }}\n')('secret')
  assert.equal(warned.mock.callCount(), 0)
})

describe('refuses', () => {
  refuses(
    'a key that stands there twice, by its name and its first line',
    'a: 1\nb: 2\na: 3\n',
    'a | stands there twice, first on line 1 | keep one of them',
  )
  refuses('a key twice within', 'x:\n  a: 1\n  a: 2\n', 'x.a | stands there twice, first on line 2 | keep one of them')
  refuses('JSON with a key twice', '{"a": 1, "a": 2}', 'a | stands there twice, first on line 1 | keep one of them')
  refuses(
    'a second document',
    'a: 1\n---\nb: 2\n',
    'line 2, column 1 | begins a second document | keep everything in one document, without ---',
  )
  refuses('a tag', 'a: !secret x\n', 'line 1, column 4 | has a tag (!...) that Mandate does not know | remove the tag')
  refuses(
    'a tag of a language',
    'a: !!js/function "x"\n',
    'line 1, column 4 | has a tag (!...) that Mandate does not know | remove the tag',
  )
  refuses(
    'an alias without its anchor',
    'a: *nowhere\n',
    'line 1, column 4 | is an alias (*name) without its anchor (&name) before it | write the value out, or in quotes if it is to begin with a star',
  )
  refuses(
    'a quote that is left open, by where it was opened',
    'a: 1\nb: "x\nc: 1\n',
    'line 4, column 1 | is not valid YAML: a quote is not closed | close the quote of line 2, column 4',
  )
  refuses(
    'a bracket with too little before what is within',
    'x:\n  a: [\n 1\n',
    'line 3, column 2 | is not valid YAML: a bracket is not closed, or what is within is not indented | close the bracket of line 2, column 6, or indent what is within',
  )

  test('keys twice within lists, by their second places', () => {
    assert.throws(
      () => parseYaml('r:\n  - n: 1\n  - a: { b: 1, n: 2, b: 3 }\n'),
      (error) => {
        assert.ok(error instanceof ConfigFaulty)
        const [{ code, path, line, column } = {}] = error.faults
        assert.deepEqual({ code, path, line, column }, { code: 'duplicate', path: 'r.1.a.b', line: 3, column: 22 })
        return true
      },
    )
  })

  test('broken syntax, by line and column', () => {
    for (const [source, place] of [
      ['a: [1, 2\nb: 3\n', 'line 2, column 1'],
      ['a: "x\n', 'line'],
      ['a:\n\t- b\n', 'line 2, column 1'],
      ['{a: 1', 'line 1, column 6'],
      ['a: b: c\n', 'line 1, column 4'],
    ] as const) {
      const faults = faultsFrom(() => parseYaml(source))
      assert.equal(faults.length, 1, source)
      assert.ok(faults[0]?.startsWith(place), `${source} ${faults[0]}`)
      assert.doesNotMatch(faults[0] ?? '', /_/)
    }
  })

  test('a bracket that is left open, once and in words', () => {
    const source =
      'publicUrl: x\nroutes:\n  - match: { host: a, methods: [GET }\n    allow: {}\n  - match: {}\nlisten:\n  http: { port: 1 }\n'
    assert.deepEqual(
      faultsFrom(() => parseYaml(source)),
      [
        'line 3, column 37 | is not valid YAML: a bracket is not closed, or what is within is not indented | close the bracket of line 3, column 32, or indent what is within',
      ],
    )
  })

  test('several keys that stand there twice, all at once', () => {
    assert.deepEqual(
      faultsFrom(() => parseYaml('a: 1\na: 2\nb: !x 1\nc: 1\nc: 2\n')).map((line) => line.split(',')[0]),
      ['a | stands there twice', 'c | stands there twice', 'line 3'],
    )
  })

  test('without quoting a line: it may hold a secret', () => {
    for (const source of [
      'secret: "hunter2\n',
      'hunter2: [\n',
      'a: hunter2: b\n',
      'a: hunter2\na: hunter2\n',
      'a: [hunter2\nb: 1\n',
      'a: *hunter2\n',
      'a: !hunter2 x\n',
    ]) {
      assert.ok(
        !faultsFrom(() => parseYaml(source))
          .join()
          .includes('hunter2'),
        source,
      )
    }
  })

  test('a few lines that would become gigabytes', () => {
    const level = (name: string, of: string) => `${name}: &${name} [${Array(10).fill(of).join(', ')}]\n`
    const bomb =
      level('a', 'x') +
      'bcdefghi'
        .split('')
        .map((name, at) => level(name, `*${'abcdefgh'[at]}`))
        .join('')
    assert.deepEqual(
      faultsFrom(() => parseYaml(bomb)),
      [' | has too many aliases (*name), or one within what it names | write the values out'],
    )
  })

  test('nesting without end, with a handful of faults', () => {
    for (const source of ['['.repeat(100_000), '['.repeat(5_000) + ']'.repeat(5_000), '{a: '.repeat(5_000), `${'- '.repeat(5_000)}x`]) {
      const faults = faultsFrom(() => parseYaml(source))
      assert.ok(faults.length > 0 && faults.length <= 10, String(faults.length))
    }
  })

  test('more than a megabyte before it is parsed', () => {
    assert.deepEqual(
      faultsFrom(() => parseConfig(`a: ${'x'.repeat(1_000_000)}`)),
      [' | is larger than 1 MB | give the configuration, not another file'],
    )
  })

  test('text that is no configuration', () => {
    for (const source of ['', '# nothing', 'null']) {
      assert.deepEqual(
        faultsFrom(() => parseConfig(source)),
        [' | is empty | begin with examples/mandate-minimal.yaml'],
        source,
      )
    }
    for (const source of ['[]', '- a', 'text', '42', '&a [*a]']) {
      assert.match(faultsFrom(() => parseConfig(source))[0] ?? '', /^ \| is not a group of keys/, source)
    }
  })
})

describe('takes', () => {
  test('a value named once and used twice', () => {
    assert.deepEqual(parseYaml('a: &x { b: 1 }\nc: *x\n'), { a: { b: 1 }, c: { b: 1 } })
  })
  test('merge keys as plain keys: nothing is merged in unseen', () => {
    assert.deepEqual(Object.keys(Object(parseYaml('a: &x { b: 1 }\nc: { <<: *x }\n')).c), ['<<'])
  })
  test('__proto__ as a plain key', () => {
    const parsed = Object(parseYaml('__proto__: { polluted: yes }\n'))
    assert.deepEqual(Object.keys(parsed), ['__proto__'])
    assert.equal(Reflect.get({}, 'polluted'), undefined)
  })
  test('YAML 1.2 scalars: yes, no and on are text', () => {
    assert.deepEqual(parseYaml('a: yes\nb: no\nc: on\nd: true\ne: 012\nf: 1_000\n'), {
      a: 'yes',
      b: 'no',
      c: 'on',
      d: true,
      e: 12,
      f: '1_000',
    })
  })
  test('JSON', () => assert.deepEqual(parseYaml('{"a": [1, {"b": null}]}'), { a: [1, { b: null }] }))
})
