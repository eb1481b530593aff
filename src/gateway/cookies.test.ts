import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { Refusal } from '../errors.ts'
import { Secret } from '../secret.ts'
import { createCookies } from './cookies.ts'

const secure = createCookies('https://mandate.example', 8 * 3_600_000)
const loopback = createCookies('http://localhost:8080', 60_000)
const value = new Secret('v'.repeat(43))

suite('cookies', () => {
  for (const [what, line] of [
    ['login', secure.setLogin(value)],
    ['browser', secure.setBrowser(value)],
    ['cleared login', secure.clearLogin()],
  ] as const) {
    test(`over https the ${what} cookie can be set by no other host and read by no script`, () => {
      const [pair = '', ...attributes] = line.split('; ')
      assert.match(pair, /^__Host-mandate(-browser)?=/)
      assert.ok(
        ['Path=/', 'HttpOnly', 'Secure', 'SameSite=Lax'].every((attribute) => attributes.includes(attribute)),
        line,
      )
      assert.doesNotMatch(line, /domain/i)
    })
  }

  test('on loopback the name carries the port, without a prefix that could not hold', () => {
    assert.match(loopback.setLogin(value), /^mandate-8080=v+; Max-Age=60; Path=\/; HttpOnly; SameSite=Lax$/)
  })

  test('the browser forgets a login when it ends', () => {
    assert.match(secure.setLogin(value), /Max-Age=28800;/)
    assert.match(secure.clearLogin(), /^__Host-mandate=; Max-Age=0;/)
  })

  test('reads its own cookie among others, by its exact name', () => {
    const header = `a=1; xmandate-8080=no; mandate-80800=no; MANDATE-8080=no; mandate-8080=${value.expose()}; mandate-browser-8080=b; broken`
    assert.equal(loopback.login(header)?.expose(), value.expose())
    assert.equal(loopback.browser(header)?.expose(), 'b')
    assert.equal(loopback.login('mandate-8081=x'), undefined)
    assert.equal(loopback.login(undefined), undefined)
  })

  test('refuses a cookie that was sent twice: one of them was set by somebody else', () => {
    assert.throws(
      () => secure.login('__Host-mandate=a; __Host-mandate=b'),
      (error: unknown) => error instanceof Refusal && error.code === 'header_ambiguous',
    )
  })
})
