import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { isLedToPublicUrl } from './alias.ts'
import { readTarget } from './request-target.ts'
import type { Visit } from './visit.ts'

const led = (url: string, headers: Record<string, string> = {}, method = 'GET', publicUrl = 'http://localhost:8080') =>
  isLedToPublicUrl(
    {
      request: { method },
      head: { values: new Map(Object.entries({ host: '127.0.0.1:8080', ...headers })) },
      target: readTarget(url),
    } as unknown as Visit,
    publicUrl,
  )

suite('under another name of the sign-in host', () => {
  for (const url of ['/whoami', '/clusters/dev/api', '/.mandate/command-line', '/callback/dev?code=c', '/login/', '/logout/x', '/app'])
    test(`${url} is answered there`, () => assert.equal(led(url), false))

  test('whoever shows a bearer, writes or asks by another method is answered there', () => {
    assert.equal(led('/', { authorization: 'Bearer x' }), false)
    for (const method of ['POST', 'HEAD', 'OPTIONS']) assert.equal(led('/logout', {}, method), false, method)
  })

  test('nobody is led in a circle by a proxy that writes a Host of its own', () => {
    for (const host of ['mandate', 'mandate:443', '127.0.0.1']) assert.equal(led('/', { host }, 'GET', 'https://m.example'), false, host)
    for (const name of ['forwarded', 'via', 'x-real-ip', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-forwarded-port'])
      assert.equal(led('/', { [name]: 'x' }), false, name)
    assert.equal(led('/', { host: 'mandate.internal:8080' }, 'GET', 'https://m.example'), false)
    assert.equal(led('/', { host: 'mandate.internal' }, 'GET', 'http://localhost:5173'), false)
  })

  for (const url of ['/', '/?x=1', '/login', '/login?return_to=%2F', '/logout'])
    test(`${url} is led to publicUrl`, () => assert.equal(led(url), true))

  test('the port of the protocol may be left out or said', () => {
    for (const host of ['127.0.0.1', '[::1]:443']) assert.equal(led('/', { host }, 'GET', 'https://localhost'), true, host)
  })
})
