import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { test } from 'node:test'
import { configOf } from '../config/config.fake.ts'
import { Refusal } from '../errors.ts'
import { createCommandLine } from './command-line.ts'
import type { Visit } from './visit.ts'

const SECRET = { method: 'secret', secret: { env: 'ANY' } }

/** Asks the endpoint of a configuration; resolves to what it answered. */
async function ask(corp: Record<string, unknown>, method = 'GET'): Promise<unknown> {
  const { providers } = configOf((draft) => Object.assign(draft.providers['corp'] ?? {}, corp))
  let body = ''
  const response = {
    setHeader: () => undefined,
    end: (text: string) => {
      body = text
    },
  }
  const visit = { request: { method }, response: response as unknown as ServerResponse, requestId: 'request-1' }
  await createCommandLine(Object.values(providers)).document(visit as unknown as Visit)
  return JSON.parse(body)
}

test('refuses to be written to', async () => {
  await assert.rejects(ask({}, 'POST'), (error) => error instanceof Refusal && error.code === 'method_unsupported')
})

test('says nothing of a provider without a command line', async () => {
  assert.deepEqual(await ask({ clientAuth: SECRET }), { providers: [] })
})

test('says where and with which client to sign in, and nothing of the gateway’s own client', async () => {
  const commandLine = { clientId: 'cli', resource: 'api://mandate' }
  assert.deepEqual(await ask({ title: 'Corp', clientAuth: SECRET, commandLine }), {
    providers: [
      {
        name: 'corp',
        title: 'Corp',
        issuer: 'https://issuer.example',
        clientId: 'cli',
        scopes: ['openid', 'profile', 'offline_access'],
        resource: 'api://mandate',
        token: 'access-token',
        audience: 'api://mandate',
      },
    ],
  })
})
