import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { SANDBOX, shownOnly } from './cookie-answers.ts'

suite('answers to a cookie', () => {
  for (const type of [
    'application/json',
    'application/json;as=Table;v=v1;g=meta.k8s.io',
    'application/json; charset=utf-8',
    'APPLICATION/JSON',
    'application/yaml',
    'application/apply-patch+yaml',
    'application/vnd.kubernetes.protobuf',
    'application/vnd.kubernetes.protobuf;stream=watch',
    'application/com.github.proto-openapi.spec.v2@v1.0+protobuf',
    'text/plain',
    'text/plain; charset=utf-8',
  ]) {
    test(`may be ${type}`, () => assert.ok(shownOnly(type)))
  }
  for (const type of [
    undefined,
    '',
    'text/html',
    'TEXT/HTML',
    'text/html;charset=utf-8',
    'text/xml',
    'application/xml',
    'application/xhtml+xml',
    'image/svg+xml',
    'text/javascript',
    'application/javascript',
    'application/wasm',
    'application/pdf',
    'application/octet-stream',
    'multipart/x-mixed-replace',
    'text/event-stream',
    'text/plainx',
    'xtext/plain',
    'application/jsonx',
    'application/json, text/html',
    'application/json;a=b, text/html',
    'text/plain,text/html',
    'text/html;application/json',
    'json',
    '*/*',
  ]) {
    test(`may not be ${type}`, () => assert.ok(!shownOnly(type)))
  }
  test('run nothing, whatever they are', () => {
    const headers = new Map(SANDBOX.map(([name, value]) => [name.toLowerCase(), value]))
    assert.match(headers.get('content-security-policy') ?? '', /sandbox; default-src 'none'/)
    assert.equal(headers.get('x-content-type-options'), 'nosniff')
  })
})
