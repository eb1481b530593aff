/**
 * Makes a fresh clone ready: installs the pinned packages, the project's own Node among them, when they are missing or
 * are not those of the lock file. Runs before every npm script, on whatever Node the machine has (20 or newer), so
 * it is plain JavaScript. Says nothing when there is nothing to do.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'

const MARK = 'node_modules/.mandate-set-up'
const wanted = createHash('sha256').update(readFileSync('package-lock.json')).update(process.platform).update(process.arch).digest('hex')
const ready = existsSync(MARK) && readFileSync(MARK, 'utf8') === wanted

if (!ready) {
  console.error("mandate: installing the pinned packages and the project's own Node (once) ...")
  const npm = process.env.npm_execpath
  const [command, ...first] = npm === undefined ? ['npm'] : [process.execPath, npm]
  // npm checks engines against the Node it runs on; the packages run on the Node that comes with them.
  const { status } = spawnSync(command, [...first, 'ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  if (status !== 0) {
    console.error('mandate: npm ci failed; see above. It needs a reachable npm registry and about 600 MB of disk.')
    process.exit(1)
  }
  writeFileSync(MARK, wanted)
}

if (!existsSync('node_modules/.bin/node') && !existsSync('node_modules/.bin/node.cmd')) {
  const major = Number(process.versions.node.split('.')[0])
  if (major < 24) {
    console.error(
      `mandate: no Node comes with the project for ${process.platform} ${process.arch}, and this machine's Node is ${process.versions.node}. Install Node 24 or newer.`,
    )
    process.exit(1)
  }
}
