/** The alerts as promtool takes them: well formed, firing when they should and keeping quiet when they should not. */
import assert from 'node:assert/strict'
import { copyFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { stringify } from 'yaml'
import { alerts, ruleGroups } from '../house/observability-series.ts'
import { type TemporaryFolder, temporaryFolder } from './parts/process.ts'
import { promtool } from './parts/prometheus.ts'

const TESTS = join(import.meta.dirname, '../../deploy/observability/rules/tests')

describe('promtool', async () => {
  const files = (await readdir(TESTS)).sort()
  let folder: TemporaryFolder
  /** Beside the files of tests, which name it. */
  const rules = (name: string, groups: unknown) =>
    writeFile(join(folder.path, name), stringify({ groups }, { aliasDuplicateObjects: false }))

  before(async () => {
    folder = await temporaryFolder('rules')
    await rules('mandate.rules.yaml', ruleGroups())
    for (const file of files) await copyFile(join(TESTS, file), join(folder.path, file))
  })
  after(() => folder.remove())

  test('takes the rules, and finds every one of them', async () => {
    const { code, output } = await promtool(['check', 'rules', 'mandate.rules.yaml'], { cwd: folder.path })
    assert.equal(code, 0, output)
    const count = ruleGroups().flatMap(({ rules: each }) => each).length
    assert.match(output, new RegExp(`SUCCESS: ${count} rules found`))
  })

  for (const file of files) {
    test(`each alert of ${file} fires and keeps quiet as it says`, { timeout: 240_000 }, async () => {
      const { code, output } = await promtool(['test', 'rules', file], { cwd: folder.path })
      assert.equal(code, 0, output)
    })
  }

  test('the tests would notice an alert that never fires', async () => {
    const groups = ruleGroups().map((group) => ({
      ...group,
      rules: group.rules.map((rule) => (rule.alert === undefined ? rule : { ...rule, expr: `(${rule.expr}) and on () vector(1) > 2` })),
    }))
    await rules('mandate.rules.yaml', groups)
    try {
      const { code, output } = await promtool(['test', 'rules', ...files.filter((file) => !file.includes('days'))], { cwd: folder.path })
      assert.equal(code, 1, output)
      const unnoticed = alerts().filter(
        ({ alert }) => !alert.endsWith('Slowly') && !output.includes(`exp: {__name__="ALERTS", alertname="${alert}"`),
      )
      assert.deepEqual(
        unnoticed.map(({ alert }) => alert),
        [],
      )
    } finally {
      await rules('mandate.rules.yaml', ruleGroups())
    }
  })
})
