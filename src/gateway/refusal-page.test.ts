import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { Refusal } from '../errors.ts'
import { REFUSALS, type RefusalCode } from '../refusal-codes.ts'
import { mendOf, type Offers, refusalPage } from './refusal-page.ts'

const OFFERS: Offers = { signIn: 'https://m.example/login?return_to=%2Fx', signOut: 'https://m.example/logout', again: '/x?y=1' }
const ALICE = { name: 'Alice <A>', provider: 'the corp' }

const shown = (code: RefusalCode, more: Partial<Offers> = {}, detail?: string) => {
  const { html } = refusalPage(new Refusal(code, detail === undefined ? {} : { detail }), 'r-1', { ...OFFERS, ...more })
  const buttons = [...html.matchAll(/<a(?: class="quiet")? href="([^"]*)">([^<]*)/g)].map(([, href, label]) => `${label} > ${href}`)
  return { html, buttons }
}

const SIGN_IN = 'Sign in > https://m.example/login?return_to=%2Fx'

suite('the page of a refusal', () => {
  test('has no button where none would help', () => {
    for (const code of [
      'not_found',
      'host_unknown',
      'path_ambiguous',
      'header_ambiguous',
      'denied',
      'method_unsupported',
      'fault',
    ] as const)
      assert.deepEqual(shown(code).buttons, [], code)
  })

  test('asks nobody to sign in who is signed in, nor to be somebody else where that is not what is wrong', () => {
    for (const code of Object.keys(REFUSALS) as RefusalCode[]) {
      const { buttons } = shown(code, { signedIn: ALICE })
      const { status, mend } = REFUSALS[code]
      if (status === 401 || mend.includes('/login')) continue
      const isPassing = [429, 502, 503, 504].includes(status)
      const expected = status === 403 ? ['Sign in as somebody else > https://m.example/logout'] : isPassing ? ['Try again > /x?y=1'] : []
      assert.deepEqual(buttons, expected, code)
    }
  })

  test('says who is signed in where they may not, as text, and in no other refusal', () => {
    const name = 'You are signed in as Alice &lt;A&gt; (the corp).'
    assert.ok(shown('denied', { signedIn: ALICE }).html.includes(name))
    assert.ok(shown('insufficient_scope', { signedIn: ALICE }).html.includes(name))
    for (const code of ['not_found', 'upstream_timeout', 'not_signed_in'] as const)
      assert.doesNotMatch(shown(code, { signedIn: ALICE }).html, /Alice/, code)
    assert.doesNotMatch(shown('denied').html, /signed in as/)
  })

  test('leads to the sign-in and back where nobody is signed in, or the sign-in itself failed', () => {
    for (const code of ['not_signed_in', 'login_ended', 'sign_in_state_unknown', 'sign_in_refused'] as const)
      assert.deepEqual(shown(code).buttons, [SIGN_IN], code)
    assert.deepEqual(shown('sign_in_token_invalid', { again: undefined }).buttons, [SIGN_IN])
  })

  test('leads to the same address where the fault may pass, and to the sign-in when that address is used up', () => {
    for (const code of ['too_many_requests', 'upstream_unavailable', 'store_unavailable', 'upstream_timeout'] as const) {
      assert.deepEqual(shown(code).buttons, ['Try again > /x?y=1'], code)
      assert.deepEqual(shown(code, { again: undefined }).buttons, [SIGN_IN], code)
    }
  })

  test('tells nobody to sign in where only machines may come', () => {
    for (const code of Object.keys(REFUSALS) as RefusalCode[]) {
      for (const signedIn of [undefined, ALICE]) {
        const { html, buttons } = shown(code, { machinesOnly: true, signedIn })
        assert.doesNotMatch(html, /Sign in again|Begin again|\/login/, code)
        assert.deepEqual(
          buttons.filter((button) => !button.startsWith('Try again')),
          [],
          code,
        )
      }
    }
    assert.match(shown('not_signed_in', { machinesOnly: true }).html, /This route takes machines only; send a bearer token\./)
    assert.match(
      shown('denied', { machinesOnly: true, signedIn: ALICE }, 'only machines may come here').html,
      /Only machines may come here\. Send/,
    )
    assert.equal(mendOf(new Refusal('denied'), { machinesOnly: true }), REFUSALS.denied.mend, 'a machine may lack a group')
  })

  test('speaks of no header and of no path that there is a button for', () => {
    for (const code of ['not_signed_in', 'login_ended', 'store_unavailable', 'too_many_requests'] as const)
      assert.doesNotMatch(shown(code).html, /Retry-After|at \/login/, code)
  })
})
