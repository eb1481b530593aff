/**
 * Patterns of schemas on RE2, which takes time linear in the text whatever the pattern is. JavaScript's own engine takes
 * exponential time for patterns such as ^(a+)+$ on texts that a caller makes up. Linear is not fast: a megabyte of text
 * takes most patterns about half a second, so schemas do well to have `maxLength` beside a pattern; `bodyLimit` bounds the
 * rest.
 */
import { RE2JS } from '@bufbuild/re2'

/** What stands for `new RegExp` in the validator. Throws for what RE2 does not know, such as look-around. */
export function linear(pattern: string): RegExpLike {
  const engine = RE2JS.compile(pattern)
  return { test: (text) => engine.test(text), toString: () => `re2:${pattern}` }
}

// Asked of every engine; used only where code is written to files, which is never.
linear.code = 'linear'

interface RegExpLike {
  test(text: string): boolean
  toString(): string
}
