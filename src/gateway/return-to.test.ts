import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { OPEN_REDIRECTS } from '../../test/fakes/hostile/redirects.ts'
import { Refusal } from '../errors.ts'
import { readReturnTo } from './return-to.ts'

const ORIGIN = 'https://mandate.example'

function judged(value: string): string | undefined {
  try {
    return readReturnTo(value, ORIGIN)
  } catch (error) {
    assert.ok(error instanceof Refusal && error.code === 'return_to_refused')
    return undefined
  }
}

/** Where a browser ends that is sent to this by our origin. */
function staysHere(location: string): boolean {
  const url = URL.parse(location, ORIGIN)
  return url !== null && url.origin === ORIGIN && url.username === '' && url.password === ''
}

suite('return_to', () => {
  for (const value of OPEN_REDIRECTS) {
    test(`refuses ${JSON.stringify(value)}`, () => assert.equal(judged(value), undefined))
  }

  for (const [value, path] of [
    ['', '/'],
    ['/', '/'],
    ['/whoami', '/whoami'],
    ['/clusters/prod/api?watch=1#x', '/clusters/prod/api?watch=1#x'],
    ['/a/../b', '/b'],
    ['/login', '/'],
    ['/login?provider=x', '/'],
    ['/logout', '/'],
    ['/callback/corp?state=1', '/'],
    ['/x/../logout', '/'],
    ['/loginx', '/loginx'],
  ] as const) {
    test(`leads ${JSON.stringify(value)} to ${path}`, () => assert.equal(judged(value), path))
  }

  test('without one it leads to the start', () => assert.equal(readReturnTo(undefined, ORIGIN), '/'))

  test('whatever is taken stays here, judged by the parser that browsers have', () => {
    const piece = fc.constantFrom(
      '/',
      '//',
      '\\',
      '.',
      '..',
      '@',
      ':',
      'evil.example',
      'https:',
      '%2f',
      '%5c',
      '%09',
      '%2e',
      '\t',
      '\n',
      ' ',
      '?',
      '#',
      ';',
      '／',
      '。',
      '\u2028',
      'a',
    )
    const text = fc.oneof(
      fc.array(piece, { maxLength: 10 }).map((all) => all.join('')),
      fc.array(piece, { maxLength: 10 }).map((all) => `/${all.join('')}`),
      fc.string({ unit: 'binary' }),
      fc.webUrl(),
    )
    fc.assert(
      fc.property(text, (value) => {
        const taken = judged(value)
        if (taken === undefined) return
        assert.ok(taken.startsWith('/') && staysHere(taken), taken)
        // Decoded once more, as a proxy in front may do, it stays here as well.
        const decoded = taken.replace(/%[0-9a-f]{2}/gi, (code) => String.fromCharCode(Number.parseInt(code.slice(1), 16)))
        assert.ok(staysHere(decoded), `${taken} decoded`)
        assert.equal(judged(taken), taken, 'what was taken is taken again as it is')
      }),
      { numRuns: 20_000 },
    )
  })
})
