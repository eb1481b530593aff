import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { escapeText, page } from './page.ts'

const HOSTILE = `"><script>alert(1)</script><img src=x onerror='alert(2)'>&lt;`

suite('pages', () => {
  const { html, policy } = page({
    title: HOSTILE,
    continueTo: `https://issuer.example/end?x=${HOSTILE}`,
    body: [
      { kind: 'text', text: HOSTILE },
      { kind: 'small', text: HOSTILE },
      { kind: 'facts', facts: [[HOSTILE, HOSTILE]] },
      { kind: 'links', title: HOSTILE, links: [{ label: HOSTILE, href: `/x?${HOSTILE}` }] },
      {
        kind: 'actions',
        actions: [
          { label: HOSTILE, href: `/x?${HOSTILE}`, note: HOSTILE },
          { label: HOSTILE, href: '/y', post: { [HOSTILE]: HOSTILE } },
        ],
      },
    ],
  })

  test('hostile text is text in every block', () => {
    assert.doesNotMatch(html, /<script|<img|onerror='|alert\('/)
    assert.equal(html.match(/&lt;script&gt;/g)?.length, 16)
  })

  test('no page has a script, and the policy would let none run', () => {
    assert.match(policy, /^default-src 'none'/)
    assert.doesNotMatch(policy, /script-src|unsafe/)
    for (const directive of ["form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"])
      assert.ok(policy.includes(directive), directive)
  })

  test('the policy names exactly the style sheet that is there', () => {
    const style = /<style>([\s\S]*?)<\/style>/.exec(html)?.[1] ?? ''
    assert.ok(policy.includes(`'sha256-${createHash('sha256').update(style).digest('base64')}'`))
    assert.doesNotMatch(html, /<[^>]+ style=/)
  })

  test('escaped text has no character that ends an element or an attribute', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const escaped = escapeText(text)
        assert.doesNotMatch(escaped, /[<>"']/)
        assert.doesNotMatch(escaped, /&(?!amp;|lt;|gt;|quot;|#39;)/)
      }),
    )
  })
})
