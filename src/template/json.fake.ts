/** Arbitrary JSON for properties, with the keys and numbers on which readers differ. */
import fc from 'fast-check'
import type { Json } from './json.ts'

const word = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 8 }),
  fc.constantFrom('constructor', 'toString', 'hasOwnProperty', '', 'a.b', 'length', 'x', 'y'),
)
const number = fc.oneof(
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(2 ** 53, 2 ** 53 - 1, -(2 ** 53), 1e300, 5e-324),
)
const scalar = fc.oneof(word, number, fc.boolean())

function jsonWith(leaf: fc.Arbitrary<Json>): fc.Arbitrary<Json> {
  return fc.letrec<{ json: Json }>((tie) => ({
    json: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      leaf,
      fc.array(tie('json'), { maxLength: 5 }),
      fc.array(fc.tuple(word, tie('json')), { maxLength: 5 }).map((entries) => Object.fromEntries(entries)),
    ),
  })).json
}

/** JSON with nulls anywhere. */
export const anyJson: fc.Arbitrary<Json> = jsonWith(fc.oneof(scalar, fc.constant(null)))

/** JSON without nulls, which filling leaves out of maps. */
export const fullJson: fc.Arbitrary<Json> = jsonWith(scalar)
