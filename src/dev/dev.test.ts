/** `mandate dev` as somebody uses it who has just cloned the repository: what it prints works when it is copied. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { promisify } from 'node:util'
import { createBrowser } from '../../test/fakes/browser.ts'
import { createLog } from '../log.ts'
import { type RunningDev, startDev } from './dev.ts'

const run = promisify(execFile)

suite('mandate dev', () => {
  let state = ''
  let dev: RunningDev
  const logged: string[] = []

  before(async () => {
    state = await mkdtemp(join(tmpdir(), 'mandate-dev-'))
    dev = await startDev({ log: createLog((line) => void logged.push(line), 'warn'), port: 0, state })
  })
  after(async () => {
    await dev.stop()
    await rm(state, { recursive: true, force: true })
  })

  test('refuses somebody who shows nothing', async () => {
    assert.equal((await fetch(`${dev.publicUrl}/clusters/dev/api/v1/namespaces`)).status, 401)
  })

  for (const [user, own, others] of [
    ['alice', 'team-a', 'team-b'],
    ['bob', 'team-b', 'team-a'],
  ] as const) {
    test(`${user} signs in by clicking and has the rights of ${own} alone`, async () => {
      const browser = createBrowser()
      const you = await browser.signIn(`${dev.publicUrl}/`, user)
      assert.equal(you.status, 200)
      assert.match(you.body, new RegExp(`You are ${user}`))
      assert.equal((await browser.get(`${dev.publicUrl}/clusters/dev/api/v1/namespaces/${own}/pods`)).status, 200)
      assert.equal((await browser.get(`${dev.publicUrl}/clusters/dev/api/v1/namespaces/${others}/pods`)).status, 403)
    })
  }

  test('carol, an auditor, sees both teams and changes nothing', async () => {
    const browser = createBrowser()
    await browser.signIn(`${dev.publicUrl}/`, 'carol')
    for (const team of ['team-a', 'team-b'])
      assert.equal((await browser.get(`${dev.publicUrl}/clusters/dev/api/v1/namespaces/${team}/pods`)).status, 200)
  })

  test('the curl line works when it is copied, and no token is in it', async () => {
    const line =
      dev.welcome
        .split('\n')
        .find((text) => text.trim().startsWith('curl'))
        ?.trim() ?? ''
    const { stdout } = await run('/bin/sh', ['-c', `${line} -sS`])
    assert.equal(JSON.parse(stdout).kind, 'PodList')
    const token = (await readFile(dev.files.aliceToken, 'utf8')).trim()
    assert.ok(!dev.welcome.includes(token))
  })

  test('the robot reaches the service behind the route, which learns who it is; nobody else does', async () => {
    const line = dev.welcome.split('\n').find((text) => text.includes('robot.header')) ?? ''
    const { stdout } = await run('/bin/sh', ['-c', `${line.trim()} -sS`])
    const { path, headers } = JSON.parse(stdout)
    assert.deepEqual(
      [path, headers['x-mandate-subject'], headers['x-mandate-kind'], headers['x-mandate-scopes']],
      ['/echo/hello', 'robot', 'machine', 'echo.read'],
    )
    const status = async (method: string, file?: string) => {
      const authorization = file === undefined ? '' : (await readFile(file, 'utf8')).trim().slice('Authorization: '.length)
      return (await fetch(`${dev.publicUrl}/echo/hello`, { method, headers: file === undefined ? {} : { authorization } })).status
    }
    assert.deepEqual(
      [await status('GET'), await status('GET', dev.files.aliceHeader), await status('POST', dev.files.robotHeader)],
      [401, 403, 405],
    )
  })

  test('https for kubectl verifies with the CA it keeps', async () => {
    const [ca, token] = await Promise.all([readFile(dev.files.ca, 'utf8'), readFile(dev.files.aliceToken, 'utf8')])
    const status = await new Promise((resolve, reject) => {
      const asked = request(
        `${dev.httpsUrl}/clusters/dev/api/v1/namespaces/team-a/pods`,
        { ca, headers: { Authorization: `Bearer ${token}` } },
        (answer) => {
          answer.resume()
          resolve(answer.statusCode)
        },
      )
      asked.on('error', reject).end()
    })
    assert.equal(status, 200)
  })

  test('tells the command line where to sign in', async () => {
    const { providers } = JSON.parse(await (await fetch(`${dev.publicUrl}/.mandate/command-line`)).text())
    assert.deepEqual([providers.length, providers[0].issuer, providers[0].clientId], [1, dev.issuer, 'mandate-cli'])
  })

  test('keeps its files from everybody else', async () => {
    for (const path of Object.values(dev.files)) {
      if (path === dev.files.audit) continue
      assert.equal((await stat(path)).mode & 0o077, 0, path)
    }
    assert.equal((await stat(state)).mode & 0o077, 0)
  })

  test('keeps its CA from one start to the next', async () => {
    const before = await readFile(dev.files.ca, 'utf8')
    const copy = await mkdtemp(join(tmpdir(), 'mandate-dev-'))
    try {
      await cp(state, copy, { recursive: true, filter: (source) => !source.endsWith('lock') })
      const again = await startDev({ log: createLog(() => undefined, 'silent'), port: 0, state: copy })
      await again.stop()
      assert.equal(await readFile(join(copy, 'ca.pem'), 'utf8'), before)
    } finally {
      await rm(copy, { recursive: true, force: true })
    }
  })

  test('logs no faults', () => assert.deepEqual(logged, []))
})
