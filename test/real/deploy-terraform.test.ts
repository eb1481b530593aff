/** The Terraform modules: of the usual form, and of the content that is claimed. Nothing is planned: providers are not asked. */
import assert from 'node:assert/strict'
import { copyFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { asArray, asObject, asText, at, type Json } from '../../src/dev/kubernetes/object.ts'
import { contentOf, filesOf, ROOT } from '../house/files.ts'
import { parseHcl, terraform } from './parts/deploy-programs.ts'
import { temporaryFolder } from './parts/process.ts'

const MODULES = 'deploy/terraform'

/** Blocks of hcl2json are lists, mostly of one. */
const block = (value: Json | undefined, ...names: string[]): Json | undefined =>
  names.reduce<Json | undefined>((from, name) => asArray(at(from, name))[0] ?? at(from, name), value)

const read = async (file: string) => (await parseHcl(`${ROOT}/${MODULES}/${file}`)) as Json

suite('the Terraform modules', () => {
  test('are refused when they do not parse or are not formatted, so that the next test can fail', async () => {
    const folder = await temporaryFolder('terraform')
    const broken = join(folder.path, 'broken.tf')
    await writeFile(broken, 'resource "a" "b" {\n')
    await assert.rejects(parseHcl(broken), /does not parse/)
    assert.notEqual((await terraform(['fmt', '-check', folder.path])).code, 0)
    await copyFile(`${ROOT}/${MODULES}/cognito-machine/main.tf`, broken)
    assert.equal((await terraform(['fmt', '-check', folder.path])).code, 0)
    await writeFile(broken, 'locals {\n    a = 1\n}\n')
    assert.notEqual((await terraform(['fmt', '-check', folder.path])).code, 0)
    await folder.remove()
  })

  test('parse and are formatted', async () => {
    const files = filesOf(`${MODULES}/**/*.tf`)
    assert.ok(files.length >= 8)
    for (const file of files) await parseHcl(`${ROOT}/${file}`)
    const { code, stdout, stderr } = await terraform(['fmt', '-check', '-recursive', `${ROOT}/${MODULES}`])
    assert.equal(code, 0, stdout + stderr)
  })

  test('give machines client credentials alone, for an hour, and nobody a way to sign in', async () => {
    const client = block(await read('cognito-machine/main.tf'), 'resource', 'aws_cognito_user_pool_client', 'machine')
    assert.deepEqual(at(client, 'allowed_oauth_flows'), ['client_credentials'])
    assert.equal(at(client, 'allowed_oauth_flows_user_pool_client'), true)
    assert.equal(at(client, 'generate_secret'), true)
    assert.deepEqual([at(client, 'access_token_validity'), block(client, 'token_validity_units')], [1, { access_token: 'hours' }])
    // None that begins a sign-in: a refresh token comes of a sign-in alone.
    assert.deepEqual(at(client, 'explicit_auth_flows'), ['ALLOW_REFRESH_TOKEN_AUTH'])
  })

  test('know read, write and admin, and let machines ask for the first two', async () => {
    const variables = at(await read('cognito-machine/variables.tf'), 'variable')
    const scopes = asObject(at(block(variables, 'scopes'), 'default')) ?? {}
    assert.deepEqual(Object.keys(scopes).sort(), ['admin', 'read', 'write'])
    assert.ok(Object.values(scopes).every((description) => typeof description === 'string' && description.length > 10))
    assert.deepEqual(at(block(variables, 'client_scopes'), 'default'), ['read', 'write'])
  })

  test('have as many live clients as there are generations, so that a secret rotates without an outage', async () => {
    const variables = at(await read('cognito-machine/variables.tf'), 'variable')
    assert.deepEqual(at(block(variables, 'generations'), 'default'), ['1'])
    const client = block(await read('cognito-machine/main.tf'), 'resource', 'aws_cognito_user_pool_client', 'machine')
    assert.equal(at(client, 'for_each'), '$' + '{var.generations}')
  })

  test('print no secret', async () => {
    for (const file of filesOf(`${MODULES}/**/*.tf`)) {
      const outputs = asObject(at((await parseHcl(`${ROOT}/${file}`)) as Json, 'output')) ?? {}
      for (const name of Object.keys(outputs)) {
        const output = block(outputs, name)
        assert.equal(at(output, 'sensitive') === true, /secret/.test(JSON.stringify(at(output, 'value'))), `${file}: ${name}`)
      }
    }
    const outputs = at(await read('cognito-machine/outputs.tf'), 'output')
    assert.equal(at(block(outputs, 'client_secrets'), 'sensitive'), true)
  })

  test('have a README whose commands read outputs that there are, and no secret that is printed', async () => {
    const readme = contentOf(`${MODULES}/cognito-machine/README.md`)
    const [, root = ''] = /^```hcl\n(module [\s\S]*?)^```/m.exec(readme) ?? []
    const folder = await temporaryFolder('readme')
    const file = join(folder.path, 'main.tf')
    await writeFile(file, root)
    const outputs = asObject(at((await parseHcl(file)) as Json, 'output')) ?? {}
    assert.equal((await terraform(['fmt', '-check', folder.path])).code, 0)
    await folder.remove()
    const named = [...readme.matchAll(/terraform output -(?:raw|json) (\w+)/g)].map(([, name = '']) => name)
    assert.deepEqual([...new Set(named)].sort(), Object.keys(outputs).sort())
    const ofModule = Object.keys(asObject(at(await read('cognito-machine/outputs.tf'), 'output')) ?? {})
    for (const [name, output] of Object.entries(outputs)) {
      const value = asText(at(asArray(output)[0], 'value'))
      const [, from] = /module\.machines\.(\w+)/.exec(value) ?? []
      assert.ok(from === undefined || ofModule.includes(from), `${name}: ${value}`)
      assert.equal(at(asArray(output)[0], 'sensitive') === true, from === 'client_secrets', name)
    }
  })

  test('put no proxy that reads tokens before the API host unless told to', async () => {
    const variables = at(await read('cloudflare-record/variables.tf'), 'variable')
    assert.equal(at(block(variables, 'proxied'), 'default'), false)
  })
})
