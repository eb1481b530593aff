import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { AMBIGUOUS_TARGETS } from '../../test/fakes/hostile/targets.ts'
import { Refusal } from '../errors.ts'
import { readTarget } from './request-target.ts'

const isRefused = (error: unknown) => error instanceof Refusal && error.code === 'path_ambiguous'

suite('the request target', () => {
  for (const [fault, target] of AMBIGUOUS_TARGETS) {
    test(`is refused for ${fault}`, () => {
      assert.throws(() => readTarget(target), isRefused)
    })
  }

  test('a refusal does not quote the target', () => {
    assert.throws(
      () => readTarget('/secret-name//x'),
      (error: unknown) => error instanceof Refusal && !error.message.includes('secret-name'),
    )
  })

  for (const target of [
    '/',
    '/clusters/prod',
    '/clusters/prod/',
    '/api/v1/pods?watch=1',
    '/a/b%20c',
    '/a/%C3%A9t%C3%A9',
    '/a/100%25',
    '/a/100%25used',
    '/a/%3C%3D%3E',
    '/a/%22%24%26',
    '/a/system:node:x',
    '/a/b@c',
    '/x?labelSelector=a%3Db,c!=d',
    '/x?jsonpath={.items[*].metadata.name}',
    '/x?q=a|b^c`d"<e>',
    '/x?',
    '/x?a=b?c=/d',
    '/a/...',
    '/a/.b',
    '/a/b..',
    '/x?q=%F0%9F%98%80',
    "/a/!$&'()*+,=",
  ]) {
    test(`takes ${target}`, () => {
      assert.equal(readTarget(target).raw, target)
    })
  }

  test('what is taken is kept byte for byte, and reads the same when it is decoded twice', () => {
    // Dense in the characters that matter, so that a good part is taken and all of the grammar is walked.
    const character = fc.constantFrom(
      '/',
      'a',
      'B',
      '7',
      '.',
      '-',
      '~',
      '%',
      '2',
      '3',
      'u',
      '%23',
      '%3f',
      '%25',
      '%25u002',
      'e',
      'F',
      '5',
      'c',
      '0',
      '?',
      '&',
      '=',
      ';',
      '\\',
      '#',
      ':',
      '@',
      '*',
      'é',
      '\t',
      ' ',
    )
    const text = fc.string({ unit: character, maxLength: 30 }).map((rest) => `/${rest}`)
    fc.assert(
      fc.property(text, (raw) => {
        let taken: ReturnType<typeof readTarget>
        try {
          taken = readTarget(raw)
        } catch (error) {
          assert.ok(isRefused(error))
          return
        }
        assert.equal(taken.raw, raw)
        assert.equal(taken.path + taken.search, raw)
        // WHATWG URL resolves dot segments, backslashes and the like: where it changes nothing there was nothing to resolve.
        const url = new URL(raw, 'http://mandate.test')
        assert.equal(url.host, 'mandate.test')
        assert.equal(url.pathname, taken.path)
        for (const segment of taken.segments) {
          assert.doesNotMatch(segment, /^\.\.?$|[/\\;?#]|[\x00-\x1f\x7f]/)
          // A second decoding, as a sloppy server behind may do, changes nothing either.
          if (/%(?:[0-9A-F]{2}|u[0-9A-F]{4})/i.test(segment)) assert.fail(`${segment} decodes again`)
        }
      }),
      { numRuns: 20_000 },
    )
  })
})
