/** The walk-through of the example, command by command, says what the page says. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseArgs } from 'node:util'
import { contentOf } from '../house/files.ts'
import { setBrokeredStage } from './brokered-stage.ts'

const PAGE = 'examples/agentic-sessions/README.md'

interface Step {
  readonly command: string
  readonly status: number
  /** The code, reason or kind in the answer; '' where there is none. */
  readonly word: string
}

/** Each curl of the page with the line below it. */
const STEPS: readonly Step[] = [...contentOf(PAGE).matchAll(/^(curl .*)\n# (\d{3})(?: (\w+))?$/gm)].map(
  ([, command = '', status, word = '']) => ({ command, status: Number(status), word }),
)

/** The words of a command, without their quotes. */
const wordsOf = (command: string) => [...command.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(([, a, b, c]) => a ?? b ?? c ?? '')

test('the walk-through of examples/agentic-sessions', { timeout: 240_000 }, async (t) => {
  assert.equal(contentOf(PAGE).match(/^curl /gm)?.length, STEPS.length, 'each curl says what it answers')
  assert.ok(STEPS.length >= 15)
  const stage = await setBrokeredStage(t)
  let session = ''
  const uids = new Set<string>()
  for (const { command, status, word } of STEPS) {
    await t.test(`${command.replace('https://mandate.example', '')} is ${status} ${word}`, async () => {
      const { values, positionals } = parseArgs({
        args: wordsOf(command).slice(1),
        options: {
          request: { type: 'string', short: 'X' },
          json: { type: 'string' },
          header: { type: 'string', short: 'H', multiple: true },
        },
        allowPositionals: true,
      })
      const { json: body, request = body === undefined ? 'GET' : 'POST', header = [] } = values
      const who = header
        .find((line) => line.startsWith('@'))
        ?.slice(1)
        .replace('.header', '')
      const headers = Object.fromEntries(header.filter((line) => !line.startsWith('@')).map((line) => line.split(': ')))
      const path = positionals.join('').replace('https://mandate.example', '').replace('$SESSION', session)
      const { status: got, body: said, text } = await stage.ask(who, request, path, { headers, ...(body === undefined ? {} : { body }) })
      assert.deepEqual([got, said?.code === got ? (said.reason ?? said.kind) : (said?.code ?? said?.kind ?? '')], [status, word], text)
      if (status !== 201) return
      session = said.metadata.name
      uids.add(said.metadata.uid)
    })
  }
  assert.equal(uids.size, 1, 'what was sent again with its key is the same')
})
