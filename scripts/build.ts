/** Builds what ships: JavaScript with the types stripped, and declarations. Node does not strip under node_modules. */
import { spawnSync } from 'node:child_process'
import { chmodSync, rmSync } from 'node:fs'

rmSync('dist', { recursive: true, force: true })
const { status } = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], { stdio: 'inherit' })
if (status === 0) chmodSync('dist/main.js', 0o755)
process.exitCode = status ?? 1
