import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type HeaderFamily, readAsked } from './forward-auth-request.ts'

const FORWARDED = {
  'X-Forwarded-Method': 'GET',
  'X-Forwarded-Proto': 'https',
  'X-Forwarded-Host': 'app.example:8443',
  'X-Forwarded-Uri': '/a/b?c=d',
}
const ORIGINAL = { 'X-Original-Method': 'GET', 'X-Original-URL': 'https://app.example:8443/a/b?c=d' }

const read = (family: HeaderFamily, headers: Readonly<Record<string, string>>, ...more: string[]) =>
  readAsked([...Object.entries(headers).flat(), ...more], family)
const refuses = (what: string, code: string, family: HeaderFamily, headers: Readonly<Record<string, string>>, ...more: string[]) =>
  void test(what, () => assert.throws(() => read(family, headers, ...more), { code }))

describe('a question is refused', () => {
  for (const [family, all] of [
    ['x-forwarded', FORWARDED],
    ['x-original', ORIGINAL],
  ] as const)
    for (const name of Object.keys(all)) {
      const others = Object.fromEntries(Object.entries(all).filter(([other]) => other !== name))
      const value = Object.entries(all).find(([other]) => other === name)?.[1] ?? ''
      refuses(`without ${name}`, 'question_unclear', family, others)
      refuses(`with ${name} twice`, 'question_unclear', family, all, name.toLowerCase(), value)
      refuses(`with ${name} also spelled with underscores`, 'question_unclear', family, all, name.replaceAll('-', '_'), value)
      refuses(`with ${name} spelled with underscores alone`, 'question_unclear', family, others, name.replaceAll('-', '_'), value)
    }
  refuses('by the other family alone', 'question_unclear', 'x-forwarded', ORIGINAL)
  refuses('by the other family alone, the other way round', 'question_unclear', 'x-original', FORWARDED)
  for (const method of ['', 'GET, POST', 'GE T', 'a'.repeat(33)])
    refuses(`for the method ${JSON.stringify(method)}`, 'question_unclear', 'x-forwarded', { ...FORWARDED, 'X-Forwarded-Method': method })
  for (const uri of ['', 'x', '*', '//x', '/a//b', '/a#b', '/a/../b', '/./a', '/a%2Fb', '/a%2fb', '/%2e%2e/a', '/a;b', '/a\\b', '/a%5cb'])
    refuses(`for the target ${JSON.stringify(uri)}`, 'path_ambiguous', 'x-forwarded', { ...FORWARDED, 'X-Forwarded-Uri': uri })
  for (const uri of ['/%61', '/a%', '/a%00', '/a%252fb', '/é', '/a b', 'https://app.example/a', '/a, /b?c#d'])
    refuses(`for the target ${JSON.stringify(uri)}`, 'path_ambiguous', 'x-forwarded', { ...FORWARDED, 'X-Forwarded-Uri': uri })
  for (const url of ['', '/a', '//app.example/a', 'https:/a', 'https://app.example', 'https://app.example?a', 'HTTPS://app.example/a'])
    refuses(`for the URL ${JSON.stringify(url)}`, 'question_unclear', 'x-original', { ...ORIGINAL, 'X-Original-URL': url })
  for (const url of ['https://app.example//a', 'https://app.example/a#b', 'https://app.example/a/../b', 'https://app.example/a;b'])
    refuses(`for the URL ${url}`, 'path_ambiguous', 'x-original', { ...ORIGINAL, 'X-Original-URL': url })
})

describe('a question', () => {
  for (const [family, mine, others] of [
    ['x-forwarded', FORWARDED, { 'X-Original-Method': 'DELETE', 'X-Original-URL': 'http://evil.example/x' }],
    [
      'x-original',
      ORIGINAL,
      { 'X-Forwarded-Method': 'DELETE', 'X-Forwarded-Host': 'evil.example', 'X-Forwarded-Uri': '/x', X_Forwarded_Uri: '/y' },
    ],
  ] as const)
    test(`is read by ${family} alone, whatever the other family says`, () => {
      const { method, protocol, hostname, target } = read(family, { ...mine, ...others })
      assert.deepEqual([method, protocol, hostname, target.raw], ['GET', 'https', 'app.example', '/a/b?c=d'])
    })

  test('keeps the method and the bytes of the target as they are', () => {
    const asked = read('x-forwarded', { ...FORWARDED, 'X-Forwarded-Method': 'get', 'X-Forwarded-Uri': '/%C3%A9/a%20b?q=%2F..%2F&r=[]' })
    assert.deepEqual([asked.method, asked.target.raw], ['get', '/%C3%A9/a%20b?q=%2F..%2F&r=[]'])
  })

  for (const host of ['', 'evil.example, app.example', 'app.example@evil.example', 'user@app.example', 'app.example/x', '[::1'])
    test(`for ${JSON.stringify(host)} is for no host`, () =>
      assert.equal(read('x-forwarded', { ...FORWARDED, 'X-Forwarded-Host': host }).hostname, ''))
  for (const host of ['app.example', 'APP.example:443']) {
    test(`for ${host} is for app.example`, () => {
      assert.equal(read('x-forwarded', { ...FORWARDED, 'X-Forwarded-Host': host }).hostname, 'app.example')
      assert.equal(read('x-original', { ...ORIGINAL, 'X-Original-URL': `https://${host}/a` }).hostname, 'app.example')
    })
  }
})
