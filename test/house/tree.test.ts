/** The rules of the house that no other tool checks (CONTRIBUTING.md). */
import assert from 'node:assert/strict'
import { existsSync, globSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { describe, test } from 'node:test'
import { matching, PROMISES, testsOf } from '../../scripts/reference/promises-page.ts'
import { AUDIT_EVENTS } from '../../src/audit/audit-event.ts'
import { METRICS } from '../../src/metrics.ts'
import { REFUSALS } from '../../src/refusal-codes.ts'
import { contentOf, filesOf, PAGES, PRODUCT, ROOT, SOURCES } from './files.ts'

const LONGEST = 400
/** Tests are lists of cases; a longer one is two suites. */
const LONGEST_TEST = 800

/** Kubernetes calls the owner of a field its manager; wire names keep their spelling. */
const WIRE_NAMES = new Set(['Manager', 'isSameManager', 'setManagers', 'byManager'])

/**
 * Who may open a Secret. Each file is here because a value leaves the process there, enters a cryptographic operation,
 * or is parsed at the edge. A reviewer reads every change of this list.
 */
const MAY_EXPOSE: Readonly<Record<string, string>> = {
  'src/assume/forward-token.ts': 'reads aud of a token that was verified when it was obtained',
  'src/authenticate/bearer-jwt.ts': 'splits the Authorization header',
  'src/authenticate/session.ts': "checks the cookie's form",
  'src/broker/act.ts': 'answers with a minted token where the configuration says so',
  'src/broker/step.ts': 'writes a minted token into the Secret it is for',
  'src/compose/brokers.ts': 'PEM certificates, which are not secret, for connections',
  'src/compose/connections.ts': 'PEM certificates, which are not secret, for connections',
  'src/compose/referenced.ts': 'judges certificates, keys and PEM before a start',
  'src/compose/route-upstream.ts': 'PEM certificates, which are not secret, for connections',
  'src/compose/state.ts': 'PEM certificates, which are not secret, for the store',
  'src/command/sign-in/device.ts': 'the code verifier and its challenge',
  'src/command/sign-in/exec-credential.ts': 'answers kubectl with the token',
  'src/command/sign-in/kept-tokens.ts': "writes the tokens into the owner's file",
  'src/compose/targets.ts': 'PEM certificates, which are not secret, for connections',
  'src/credential.ts': 'dresses a request with a credential',
  'src/gateway/cookies.ts': 'sets cookies',
  'src/gateway/host-sessions.ts': "checks the form of the browser's cookie, and sends the code",
  'src/gateway/pending-sign-ins.ts': 'seals the code verifier',
  'src/gateway/server.ts': 'certificate and key of TLS',
  'src/gateway/sign-in.ts': "checks the form of the browser's cookie",
  'src/gateway/sign-out.ts': 'digests the cookie into the token of forms',
  'src/logins/login.ts': 'seals the upstream tokens',
  'src/providers/client-authentication.ts': 'proves the client to the token endpoint',
  'src/providers/id-token.ts': 'digests the access token for at_hash',
  'src/providers/issuer-http.ts': 'PEM certificates, which are not secret, for connections',
  'src/providers/jwt-form.ts': 'splits a JWT',
  'src/providers/sign-in.ts': 'the code verifier and its challenge',
  'src/providers/sign-out.ts': 'the ID token hint, and the refresh token that is revoked',
  'src/providers/token-endpoint.ts': 'presents the refresh token',
  'src/providers/token-exchange.ts': "sends the caller's token to their issuer, and reads what comes back",
  'src/providers/verify.ts': 'verifies a signature',
  'src/store/redis-address.ts': 'splits the Redis URL',
  'src/store/redis-connection.ts': 'the Redis password',
  'src/store/sealed.ts': 'makes key objects of sealing keys',
}

/** Words of a place of work, paths of a machine, hosts of package registries: the repository speaks of the product alone. */
const FOREIGN: readonly RegExp[] = [
  /(?<![\w.])\/(work|root|home|Users)\/[a-z]/,
  /\b(claude|anthropic|openai)\b/i,
  /\bDESIGN(\.md)? ?\d/,
  /\bseeds?\/0|\bseed 0/,
  /\b(facts|shared)\/[a-z-]+\.md/,
  /\bissues? (show|#?\d)/,
  /registry\.(npmjs|yarnpkg)|npmjs\.(com|org)|proxy\.golang\.org|repo1\.maven|maven\.org|deb\.debian\.org|pypi\.org/,
]

describe('the house', () => {
  test(`no source file is longer than ${LONGEST} lines, no test longer than ${LONGEST_TEST}`, () => {
    const most = (path: string) => (/\.(test|conformance|journey)\.ts$/.test(path) ? LONGEST_TEST : LONGEST)
    const long = SOURCES.filter((path) => contentOf(path).split('\n').length > most(path) + 1)
    assert.deepEqual(long, [])
  })

  test('no name says Manager, Helper, Util, Common, Base or Impl', () => {
    const empty = new Set(['manager', 'helper', 'util', 'utils', 'helpers', 'common', 'base', 'impl'])
    const files = SOURCES.filter((path) => path.split(/[/.-]/).some((word) => empty.has(word.toLowerCase())))
    assert.deepEqual(files, [])
    const names = SOURCES.flatMap((path) =>
      [...contentOf(path).matchAll(/^\s*(?:export )?(?:abstract )?(?:class|interface|type|function|const|enum) (\w+)/gm)]
        .map(([, name = '']) => name)
        .filter(
          (name) => !WIRE_NAMES.has(name) && /(Manager|Helper|Util|Common|Impl)s?(?![a-z])|[a-z]Base(?![a-z\d])|^Base[A-Z]/.test(name),
        )
        .map((name) => `${path}: ${name}`),
    )
    assert.deepEqual(names, [])
  })

  test('no test is skipped, left for later, or run alone', () => {
    const marked = SOURCES.filter((path) => path !== 'test/house/tree.test.ts').filter((path) =>
      /\b(?:test|it|suite|describe|t)\.(?:only|skip|todo)\b|\{\s*(?:only|skip|todo):/.test(contentOf(path)),
    )
    assert.deepEqual(marked, [])
  })

  test('secrets are opened only where the list says', () => {
    const opening = PRODUCT.filter(
      (path) => path !== 'src/secret.ts' && !path.startsWith('src/dev/') && /(?<!metrics)\.expose\(\)/.test(contentOf(path)),
    )
    assert.deepEqual(opening, Object.keys(MAY_EXPOSE).sort())
  })

  test('every entry of a catalogue is used', () => {
    const code = PRODUCT.map(contentOf).join('\n')
    const uses = (name: string, catalogue: string) =>
      code.split(`'${name}'`).length > 1 || new RegExp(`\\b${catalogue}\\b[^\\n]*${name}`).test(code)
    assert.deepEqual(
      Object.keys(REFUSALS).filter((code) => !uses(code, 'Refusal')),
      [],
    )
    assert.deepEqual(
      Object.keys(AUDIT_EVENTS).filter((event) => !code.includes(`event: '${event}'`)),
      [],
    )
    assert.deepEqual(
      Object.keys(METRICS).filter((metric) => !code.includes(`'${metric}'`)),
      [],
    )
  })

  test('every promise has a line and, but for the one about hypervisors, a test of its name', () => {
    const page = contentOf('docs/promises.md')
    assert.deepEqual(
      PROMISES.map(({ number }) => number),
      [1, 2, 3, 4, 5, 6, 7, 8, 9],
    )
    for (const promise of PROMISES) {
      assert.match(page, new RegExp(`^## ${promise.number}\\. `, 'm'))
      for (const pattern of promise.tests) assert.notEqual(matching(pattern).length, 0, `promise ${promise.number}: no test is ${pattern}`)
    }
    const unproven = PROMISES.filter((promise) => promise.number !== 8 && testsOf(promise).length === 0).map(({ number }) => number)
    assert.deepEqual(unproven, [])
  })

  test('nothing names a machine, a place of work or a registry', () => {
    const all = globSync(['*', '.ci/*', '{src,test,scripts,bench,docs,examples,deploy,.github}/**/*'], {
      cwd: ROOT,
      exclude: (name) => /(^|[/\\])(node_modules|dist)$/.test(name),
    })
    const foreign = all
      .filter((path) => statSync(join(ROOT, path)).isFile() && !path.endsWith('tree.test.ts'))
      .flatMap((path) =>
        FOREIGN.flatMap(
          (pattern) =>
            pattern
              .exec(contentOf(path))
              ?.map((words) => `${path}: ${words}`)
              .slice(0, 1) ?? [],
        ),
      )
    assert.deepEqual(foreign, [])
  })
})

describe('the documents', () => {
  test('links lead somewhere', () => {
    const broken = PAGES.flatMap((page) => {
      const text = contentOf(page).replaceAll(/```[\s\S]*?```|`[^`\n]*`/g, '')
      return [...text.matchAll(/\]\(([^)\s]+)\)/g)]
        .map(([, link = '']) => link)
        .filter((link) => !/^[a-z]+:/.test(link) && !resolves(page, link))
        .map((link) => `${page}: ${link}`)
    })
    assert.deepEqual(broken, [])
  })

  test('files they name are there', () => {
    const gone = PAGES.flatMap((page) =>
      [...contentOf(page).matchAll(/`([\w.-]+(?:\/[\w.-]+)+\.(?:ts|mjs|md|yaml|env))`/g)]
        .map(([, path = '']) => path)
        .filter((path) => !path.includes('NAME') && !['', 'src', 'docs'].some((folder) => existsSync(resolve(ROOT, folder, path))))
        .map((path) => `${page}: ${path}`),
    )
    assert.deepEqual(gone, [])
  })

  test('decisions are numbered without gaps', () => {
    const numbers = filesOf('docs/decisions/*.md').map((path) => Number(/\/(\d{4})-/.exec(path)?.[1]))
    assert.deepEqual(
      numbers,
      numbers.map((_, at) => at),
    )
  })
})

function resolves(page: string, link: string): boolean {
  const [path = '', anchor] = link.split('#')
  const target = path === '' ? page : join(dirname(page), path)
  if (!existsSync(resolve(ROOT, target))) return false
  return anchor === undefined || headings(contentOf(target)).includes(anchor)
}

/** Anchors as they are made of headings: lower case, punctuation dropped, spaces to hyphens. */
function headings(markdown: string): string[] {
  return [...markdown.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(/\s/g, '-'),
  )
}
