/** The scripts of examples/m2m-cognito, run by sh, curl, jq and Python against the example itself. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { ADA, type M2mExample, READ, ROBOT, startM2mExample, WRITE } from '../fakes/m2m-example.ts'
import { ROOT } from '../house/files.ts'

const FOLDER = `${ROOT}/examples/m2m-cognito`

interface Lab extends M2mExample {
  /** Runs a script with the settings of the example and more; its output must hold neither secret nor token. */
  run(script: string, args: readonly string[], more?: Readonly<Record<string, string>>): Promise<Ran>
  /** A file in a folder that ends with the test. */
  file(name: string, content: string): Promise<string>
  /** The argument lists of every curl that ran. */
  curls(): Promise<string>
}

interface Ran {
  readonly code: number
  readonly out: string
  readonly complaint: string
}

async function setLab(t: TestContext): Promise<Lab> {
  const example = await startM2mExample(t)
  const folder = await mkdtemp(join(tmpdir(), 'mandate-m2m-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const file = async (name: string, content: string) => {
    const path = join(folder, name)
    await writeFile(path, content, { mode: 0o600 })
    return path
  }
  // A curl before the real one, which writes down what every user of the machine could read.
  const seen = await file('curls', '')
  const spy = await file('curl', `#!/bin/sh\nprintf '%s\\n' "$*" >>${seen}\nPATH=\${PATH#*:} exec curl "$@"\n`)
  await chmod(spy, 0o700)
  const run: Lab['run'] = (script, args, more = {}) =>
    new Promise((resolve) => {
      const env = { PATH: `${folder}${delimiter}${process.env['PATH']}`, ...example.settings, ...more }
      const [program, ...first] = script.endsWith('.py') ? ['python3', '-I', script] : ['sh', script]
      execFile(program, [...first, ...args], { cwd: FOLDER, env, timeout: 30_000 }, (error, out, complaint) => {
        assert.doesNotMatch(`${out}${complaint}`, new RegExp(`${ROBOT.secret}|eyJ`))
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1
        resolve({ code, out, complaint })
      })
    })
  return { ...example, run, file, curls: () => readFile(seen, 'utf8') }
}

test('smoke.sh: 200 with the scope, 401 without a token, 403 without the scope and with a person’s token', async (t) => {
  const { api, pool, run, file, curls, written, service } = await setLab(t)
  const settings = { API_URL: `${api}/db/locations`, SCOPE_READ: READ, SCOPE_OTHER: WRITE }
  const person = pool.userAccessToken(ADA, 'web')
  const ran = await run('smoke.sh', [], { ...settings, USER_TOKEN_FILE: await file('person', person) })
  assert.deepEqual(ran, {
    code: 0,
    out: [
      'ok    with the scope: 200',
      'ok    without a token: 401 not_signed_in',
      'ok    without the scope: 403 insufficient_scope',
      "ok    with a person's token: 403 denied",
      '',
    ].join('\n'),
    complaint: '',
  })
  assert.equal(service.heads().length, 1, 'what is refused does not arrive')
  const argued = await curls()
  assert.equal(argued.split('\n').filter(Boolean).length, 6)
  assert.doesNotMatch(argued, new RegExp(`eyJ|${ROBOT.secret}|Bearer`))
  assert.doesNotMatch(written(), new RegExp(`${ROBOT.secret}|eyJ`))
  const without = await run('smoke.sh', [], settings)
  assert.deepEqual([without.code, without.out.split('\n').at(-2)], [0, "left  with a person's token: USER_TOKEN_FILE is not set"])
})

test('smoke.sh fails where anything is other than it must be', async (t) => {
  const { api, run } = await setLab(t)
  const settings = { API_URL: `${api}/db/locations`, SCOPE_READ: READ, SCOPE_OTHER: WRITE }
  // The scope that must not be enough is enough.
  const open = await run('smoke.sh', [], { ...settings, SCOPE_OTHER: READ })
  assert.equal(open.code, 1)
  assert.match(open.out, /^FAULT without the scope: 200 instead of 403 insufficient_scope$/m)
  const swapped = await run('smoke.sh', [], { ...settings, SCOPE_READ: WRITE })
  assert.match(swapped.out, /^FAULT with the scope: 403 insufficient_scope instead of 200$/m)
  const elsewhere = await run('smoke.sh', [], { ...settings, API_URL: `${api}/nowhere` })
  assert.deepEqual([elsewhere.code, elsewhere.out.match(/^FAULT/gm)?.length], [1, 3])
  assert.match((await run('smoke.sh', [], { ...settings, API_URL: '' })).complaint, /^set API_URL$/m)
})

for (const script of ['agent.sh', 'agent.py']) {
  test(`${script} gets its own token and gives the answer, and says what went wrong without a secret`, async (t) => {
    const { api, run, file, settings, pool } = await setLab(t)
    const url = `${api}/db/locations`
    assert.deepEqual(await run(script, [url]), { code: 0, out: '{"kind":"List"}', complaint: '' })
    const by = async (more: Readonly<Record<string, string>>, where = url) => {
      const { code, out, complaint } = await run(script, [where], more)
      assert.notEqual(code, 0, `${out}${complaint}`)
      return `${out}${complaint}`
    }
    const secretFile = await file('secret', `${ROBOT.secret}\n`)
    assert.equal((await run(script, [url], { M2M_CLIENT_SECRET: '', M2M_CLIENT_SECRET_FILE: secretFile })).code, 0)
    assert.match(await by({ SCOPE: WRITE }), /403|insufficient_scope/)
    assert.match(await by({ SCOPE: 'https://api.lab.example/admin' }), /the token endpoint answered 400:? invalid_scope/)
    assert.match(await by({ M2M_CLIENT_SECRET: 'wrong' }), /the token endpoint answered 400:? invalid_client/)
    assert.match(await by({ M2M_CLIENT_SECRET: '' }), /set M2M_CLIENT_SECRET/)
    assert.match(await by({ TOKEN_URL: `${settings['TOKEN_URL']}s` }), /the token endpoint answered 404/)
    assert.match(await by({ TOKEN_URL: 'http://127.0.0.1:1/oauth2/token' }), /cannot be reached/)
    const asked = pool.asked('/oauth2/token')
    for (const unsafe of ['http://api.lab.example/x', 'http://localhost:80@evil.example/x', 'http://evil.example/.localhost:1'])
      assert.match(await by({ TOKEN_URL: unsafe }), /is not https|names a user/)
    for (const unsafe of ['http://api.lab.example/x', 'file:///etc/passwd', 'http://evil.example/?.localhost:1'])
      assert.match(await by({}, unsafe), /is not https|is no URL/)
    assert.equal(pool.asked('/oauth2/token'), asked, 'no token is asked for where it could not be used')
  })
}

test('no script reads a .curlrc, by which curl would write down what it sends, or takes one address for several', async (t) => {
  const { api, run, file, service, curls } = await setLab(t)
  const trace = await file('trace', '')
  const CURL_HOME = dirname(await file('.curlrc', `trace-ascii = "${trace}"\n`))
  const settings = { CURL_HOME, API_URL: `${api}/db/locations`, SCOPE_READ: READ, SCOPE_OTHER: WRITE }
  assert.equal((await run('smoke.sh', [], settings)).code, 0)
  assert.equal((await run('agent.sh', [`${api}/db/locations`], settings)).code, 0)
  assert.equal(await readFile(trace, 'utf8'), '')
  await run('agent.sh', [`${api}/db/{a,b}`], settings)
  assert.ok(!service.heads().some((head) => /^GET \/db\/[ab] /.test(head)), 'the braces were taken for two addresses')
  for (const line of (await curls()).split('\n').filter(Boolean)) assert.match(line, /^-q --globoff /)
})

test('agent.sh sends a body from a file', async (t) => {
  const { api, run, file, service, curls } = await setLab(t)
  const body = await file('body.json', '{"name":"x"}')
  assert.equal((await run('agent.sh', [`${api}/db/locations`, 'POST', body])).code, 0)
  assert.match(service.heads()[0] ?? '', /^POST \/db\/locations HTTP/)
  assert.match(service.connections[0]?.received ?? '', /\{"name":"x"\}$/)
  assert.doesNotMatch(await curls(), /Bearer|eyJ/)
})

test('agent.py uses one token for many calls, a new one before a fifth of its life is left, and one more after a refusal', async (t) => {
  const { api, run, file, pool, settings } = await setLab(t)
  const trial = await file(
    'trial.py',
    `
import sys, time
sys.path.insert(0, ${JSON.stringify(FOLDER)})
sys.dont_write_bytecode = True
import agent
now = [1000.0]
agent.time.monotonic = lambda: now[0]
one = agent.Agent("${settings['TOKEN_URL']}", "${ROBOT.id}", "${ROBOT.secret}", "${READ}")
for at in (0, 1, 3299, 3301, 3302):
    now[0] = 1000.0 + at
    one.call("${api}/db/locations")
one._token = "a.b.c"
one.call("${api}/db/locations")
try:
    one.call("${api}/db/locations", "POST", b"{}")
except agent.AgentError as error:
    print(error.status, error.code)
`,
  )
  assert.deepEqual(await run(trial, []), { code: 0, out: '403 insufficient_scope\n', complaint: '' })
  // At 0 and, of an hour less five minutes, at 3301; and when the token was refused.
  assert.equal(pool.asked('/oauth2/token'), 3)
})

test('agent.py renews a token once for all calls that it was refused in', async (t) => {
  const { api, run, file, pool, settings } = await setLab(t)
  const trial = await file(
    'trial.py',
    `
import sys
sys.path.insert(0, ${JSON.stringify(FOLDER)})
sys.dont_write_bytecode = True
import agent
one = agent.Agent("${settings['TOKEN_URL']}", "${ROBOT.id}", "${ROBOT.secret}", "${READ}")
one._token, one._renew_at = "a.b.c", float("inf")
once, shown = one._once, []
def overtaken(url, method, body, headers, token):
    shown.append(token)
    if len(shown) == 1:
        # While the first call waits for its refusal, a second one is refused and has the token renewed.
        one.call(url)
    return once(url, method, body, headers, token)
one._once = overtaken
one.call("${api}/db/locations")
print(len(shown), shown.count("a.b.c"), len(set(shown)))
`,
  )
  // Both show the old token and then the same new one.
  assert.deepEqual(await run(trial, []), { code: 0, out: '4 2 2\n', complaint: '' })
  assert.equal(pool.asked('/oauth2/token'), 1)
})
