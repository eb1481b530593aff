import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { secretSource } from '../config/references.ts'
import { present } from '../credential.ts'
import { createLog } from '../log.ts'
import { loginCaller, principalOf } from '../principal.fake.ts'
import type { Principal } from '../principal.ts'
import { principalKey } from '../principal.ts'
import { Secret } from '../secret.ts'
import { createKubernetesImpersonation, type ImpersonationOptions } from './kubernetes-impersonation.ts'

const TARGET = { id: 'cluster/prod', audience: '', scopes: [] }
const NOW = Date.UTC(2026, 0, 1)

function stage(changes: Partial<ImpersonationOptions> = {}) {
  const logged: string[] = []
  const source = createKubernetesImpersonation(
    {
      token: { read: () => new Secret('broker-token'), version: () => '1' },
      prefixOf: (provider) => `${provider}:`,
      prefixes: ['corp:', 'other:'],
      reservedAllowed: [],
      log: createLog((line) => logged.push(line)),
      ...changes,
    },
    () => NOW,
  )
  return { source, logged }
}

async function assumeAs(principal: Partial<Principal>, changes: Partial<ImpersonationOptions> = {}) {
  return stage(changes).source.assume(loginCaller({ principal }), TARGET)
}

async function refusedWith(principal: Partial<Principal>, changes: Partial<ImpersonationOptions> = {}): Promise<string> {
  const answer = await assumeAs(principal, changes)
  return answer.result === 'refused' ? `${answer.refusal.code} ${answer.refusal.status}` : answer.result
}

const BARE = { prefixOf: () => '', prefixes: [''] }
const RESERVED = 'identity_reserved 403'
const UNUSABLE = 'identity_unusable 403'

describe('refuses as reserved', () => {
  const names = [
    'system:masters',
    'system:admin',
    'system:anonymous',
    'system:kube-controller-manager',
    'system:node:node-1',
    'system:serviceaccount:kube-system:default',
    'SYSTEM:MASTERS',
    'System:Masters',
    'sYsTeM:node:x',
    ' system:masters',
    ' system:admin',
    'system:masters ',
    '\tsystem:masters',
    'masters',
    'Masters',
    'x:masters',
    'x:system:serviceaccount:a:b',
  ]
  for (const name of names) {
    test(`a user of the name ${JSON.stringify(name)} without a prefix`, async () =>
      assert.equal(await refusedWith({ kubernetesUser: name }, BARE), RESERVED))
    test(`a group of the name ${JSON.stringify(name)} without a prefix`, async () =>
      assert.equal(await refusedWith({ groups: ['dev', name] }, BARE), RESERVED))
  }

  test('what ends in :masters under a prefix as well', async () => {
    assert.equal(await refusedWith({ groups: ['masters'] }), RESERVED)
    assert.equal(await refusedWith({ groups: ['system:masters'] }), RESERVED)
  })

  test("a prefix that is itself Kubernetes's", async () => {
    assert.equal(await refusedWith({}, { prefixOf: () => 'system:', prefixes: ['system:'] }), RESERVED)
  })

  test("a name under another provider's prefix from an issuer without one", async () => {
    const one = { prefixOf: () => '', prefixes: ['', 'corp:'] }
    assert.equal(await refusedWith({ kubernetesUser: 'corp:bob', groups: [] }, one), RESERVED)
    assert.equal(await refusedWith({ kubernetesUser: 'bob', groups: ['CORP:admins'] }, one), RESERVED)
    assert.equal((await assumeAs({ kubernetesUser: 'bob', groups: ['corporate'] }, one)).result, 'granted')
  })

  test('another reserved name than the one that is allowed', async () => {
    const allowed = { ...BARE, reservedAllowed: ['system:monitoring'] }
    assert.equal((await assumeAs({ groups: ['system:monitoring'] }, allowed)).result, 'granted')
    assert.equal(await refusedWith({ groups: ['system:Monitoring'] }, allowed), RESERVED)
    assert.equal(await refusedWith({ groups: ['system:monitoring', 'system:masters'] }, allowed), RESERVED)
  })
})

describe('refuses as unusable', () => {
  const CONTROL = ['\r', '\n', '\r\nImpersonate-Group: root', '\0', '\u007f', '\u0085', '\u2028']
  for (const text of CONTROL) {
    test(`a name with ${JSON.stringify(text)} in it: no header is split`, async () => {
      assert.equal(await refusedWith({ kubernetesUser: `alice${text}`, groups: [] }), UNUSABLE)
      assert.equal(await refusedWith({ groups: [`dev${text}x`] }), UNUSABLE)
      assert.equal(await refusedWith({ subject: `alice${text}` }), UNUSABLE)
    })
  }

  // What looks like a reserved name is not one to Kubernetes, but it would fool whoever reads the RBAC rules.
  for (const name of [
    'system：masters',
    'system꞉masters',
    'system\u2236masters',
    'ѕystem:admin',
    'ſystem:admin',
    'system\u200b:admin',
    'ｓｙｓｔｅｍ:admin',
    'Zoë',
  ]) {
    test(`a name outside ASCII: ${JSON.stringify(name)}`, async () =>
      assert.equal(await refusedWith({ kubernetesUser: name, groups: [] }, BARE), UNUSABLE))
  }

  test('nobody: no user claim, or an empty one', async () => {
    const { kubernetesUser: _, ...nameless } = principalOf()
    const answer = await stage().source.assume({ ...loginCaller(), principal: nameless }, TARGET)
    assert.equal(answer.result === 'refused' && answer.refusal.code, 'identity_unusable')
    assert.equal(await refusedWith({ kubernetesUser: '' }), UNUSABLE)
    assert.equal(await refusedWith({ kubernetesUser: '', groups: [] }, BARE), UNUSABLE)
  })

  test('a name that ends or, without a prefix, begins with a space', async () => {
    assert.equal(await refusedWith({ kubernetesUser: 'alice ' }), UNUSABLE)
    assert.equal(await refusedWith({ kubernetesUser: ' alice' }, BARE), UNUSABLE)
    assert.equal(await refusedWith({ kubernetesUser: ' ' }), UNUSABLE)
  })

  test('an empty group: the prefix alone would be a name', async () => assert.equal(await refusedWith({ groups: ['dev', ''] }), UNUSABLE))
})

describe("the broker's own token", () => {
  const unavailable = { result: 'unavailable', code: 'credential_unavailable', status: 503 }
  const inFolder = async (body: (path: string) => Promise<void>) => {
    const folder = await mkdtemp(join(tmpdir(), 'mandate-broker-'))
    try {
      await body(join(folder, 'token'))
    } finally {
      await rm(folder, { recursive: true })
    }
  }
  const ask = async (source: ReturnType<typeof stage>['source']) => {
    const answer = await source.assume(loginCaller(), TARGET)
    if (answer.result === 'granted') return present(answer.credential)[0]?.[1]
    return { result: answer.result, ...('refusal' in answer ? { code: answer.refusal.code, status: answer.refusal.status } : {}) }
  }

  test('that cannot be read is unavailable (503), logged once until it can be read again', () =>
    inFolder(async (path) => {
      const { source, logged } = stage({ token: secretSource({ file: path }) })
      for (let i = 0; i < 3; i++) assert.deepEqual(await ask(source), unavailable)
      assert.equal(logged.length, 1)
      assert.ok(logged[0]?.includes(path))
      await writeFile(path, 'first\n')
      assert.equal(await ask(source), 'Bearer first')
      await rm(path)
      assert.deepEqual(await ask(source), unavailable)
      assert.equal(logged.length, 2)
    }))

  test('that is empty is unavailable, never an empty bearer', () =>
    inFolder(async (path) => {
      await writeFile(path, ' \n')
      assert.deepEqual(await ask(stage({ token: secretSource({ file: path }) }).source), unavailable)
    }))

  test('that is no token is unavailable and is not quoted', () =>
    inFolder(async (path) => {
      await writeFile(path, 'hunter2\r\nImpersonate-User: root')
      const { source, logged } = stage({ token: secretSource({ file: path }) })
      assert.deepEqual(await ask(source), unavailable)
      assert.equal(logged.length, 1)
      assert.ok(!logged.join('').includes('hunter2'))
    }))

  test('is read again when it has been rotated', () =>
    inFolder(async (path) => {
      await writeFile(path, 'first')
      const { source } = stage({ token: secretSource({ file: path }) })
      assert.equal(await ask(source), 'Bearer first')
      await writeFile(path, 'second-and-longer')
      assert.equal(await ask(source), 'Bearer second-and-longer')
    }))

  test('that fails for another reason is a fault of ours: it throws', async () => {
    const token = { read: (): Secret => assert.fail('broken'), version: () => '' }
    await assert.rejects(stage({ token }).source.assume(loginCaller(), TARGET))
  })
})

describe('names', () => {
  test('the user, the uid and every group on a line of its own, all prefixed by the provider', async () => {
    const answer = await assumeAs({ groups: ['dev', 'ops, admins'] })
    assert.ok(answer.result === 'granted')
    assert.deepEqual(present(answer.credential), [
      ['Authorization', 'Bearer broker-token'],
      ['Impersonate-User', 'corp:alice'],
      ['Impersonate-Uid', principalKey(principalOf())],
      ['Impersonate-Group', 'corp:dev'],
      ['Impersonate-Group', 'corp:ops, admins'],
      ['Impersonate-Extra-mandate.dev%2Fprovider', 'corp'],
      ['Impersonate-Extra-mandate.dev%2Fsubject', 'alice'],
    ])
    assert.equal(answer.credential.expiresAt, NOW + 60_000)
  })

  test("two issuers' people of one name are never one user to the cluster", async () => {
    const lines = async (provider: string) => {
      const answer = await assumeAs({ provider, issuer: `https://${provider}.example` })
      return answer.result === 'granted' ? present(answer.credential).slice(1).map(String) : assert.fail()
    }
    const other = await lines('other')
    for (const line of await lines('corp')) if (!line.includes('subject')) assert.ok(!other.includes(line), line)
  })

  test('whatever an issuer claims: every line is one of ours, printable, prefixed and not reserved', async () => {
    const claim = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.constantFrom('system:masters', 'a\r\nb', 'masters', ' x', 'x '))
    await fc.assert(
      fc.asyncProperty(claim, fc.array(claim, { maxLength: 4 }), claim, async (kubernetesUser, groups, subject) => {
        const answer = await assumeAs({ kubernetesUser, groups, subject })
        if (answer.result !== 'granted') return
        const lines = present(answer.credential)
        for (const [name, value] of lines) {
          assert.match(name, /^(Authorization|Impersonate-(User|Uid|Group|Extra-mandate\.dev%2F(provider|subject)))$/)
          assert.match(value, /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/)
          if (/-(User|Group)$/.test(name)) assert.match(value, /^corp:(?!masters$)./i)
        }
        assert.equal(lines.filter(([name]) => name === 'Impersonate-Group').length, groups.length)
      }),
      { numRuns: 1_000 },
    )
  })
})
