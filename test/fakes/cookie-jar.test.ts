import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCookieJar } from './cookie-jar.ts'

const SITE = new URL('https://mandate.test/clusters/prod')
const names = (jar: ReturnType<typeof createCookieJar>, url: string) => jar.matching(new URL(url)).map(({ name }) => name)

for (const [fault, url, line] of [
  ['Secure over http', 'http://mandate.test/', 'a=1; Secure'],
  ['__Host- without Secure', SITE.href, '__Host-a=1; Path=/'],
  ['__Host- with another path', SITE.href, '__Host-a=1; Secure; Path=/clusters'],
  ['__Host- without a path', SITE.href, '__Host-a=1; Secure'],
  ['__Host- with a domain', SITE.href, '__Host-a=1; Secure; Path=/; Domain=mandate.test'],
  ['__Host- in small letters without Secure', SITE.href, '__host-a=1; Path=/'],
  ['__Host- over http on loopback', 'http://localhost/', '__Host-a=1; Secure; Path=/'],
  ['__Secure- without Secure', SITE.href, '__Secure-a=1'],
  ["another's domain", SITE.href, 'a=1; Domain=evil.test'],
  ['a domain below', SITE.href, 'a=1; Domain=sub.mandate.test'],
  ['no name', SITE.href, '=1'],
  ['an expiry that has passed', SITE.href, 'a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT'],
  ['Max-Age 0, whatever Expires says', SITE.href, 'a=1; Max-Age=0; Expires=Fri, 31 Dec 9999 23:59:59 GMT'],
] as const) {
  test(`a cookie with ${fault} is not kept`, () => {
    const jar = createCookieJar()
    jar.store(new URL(url), [line])
    assert.deepEqual(jar.matching(new URL(url)), [])
  })
}

test('a cookie goes to its own host and path only, unless it names a domain', () => {
  const jar = createCookieJar()
  jar.store(SITE, [
    'root=1; Path=/',
    'own=1',
    'deep=1; Path=/clusters/prod/api',
    'wide=1; Path=/; Domain=.mandate.test',
    '__Host-h=1; Secure; Path=/',
  ])
  assert.deepEqual(names(jar, 'https://mandate.test/clusters/prod/api/v1'), ['deep', 'own', 'root', 'wide', '__Host-h'])
  assert.deepEqual(names(jar, 'https://mandate.test/clustersx'), ['root', 'wide', '__Host-h'])
  assert.deepEqual(names(jar, 'https://api.mandate.test/clusters'), ['wide'])
  assert.deepEqual(names(jar, 'https://xmandate.test/'), [])
  assert.deepEqual(names(jar, 'http://mandate.test/'), ['root', 'wide'])
})

test('ports share cookies, and plain http on loopback takes Secure ones', () => {
  const jar = createCookieJar()
  jar.store(new URL('http://localhost:1/'), ['a=1; Secure; Path=/'])
  assert.deepEqual(names(jar, 'http://localhost:2/'), ['a'])
})

test('a newer cookie replaces, an expired one removes', () => {
  const jar = createCookieJar()
  jar.store(SITE, ['a=1; Path=/'])
  jar.store(SITE, ['a=2; Path=/; Max-Age=60'])
  assert.deepEqual(
    jar.matching(SITE).map(({ value }) => value),
    ['2'],
  )
  jar.store(SITE, ['a=; Path=/; Max-Age=-1'])
  assert.deepEqual(jar.matching(SITE), [])
})
