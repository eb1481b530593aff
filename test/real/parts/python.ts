import { execFile } from 'node:child_process'
import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { cacheFolder, pinned } from './locate.ts'

const PROGRAM = join(import.meta.dirname, 'python_client.py')

/** The Python that test/real/install gave the client for Kubernetes. Throws if it is not there. */
export async function locatePython(): Promise<string> {
  const path = join(cacheFolder('python-client', await pinned('PYTHON_CLIENT_VERSION')), 'bin', 'python')
  await access(path, constants.X_OK).catch((error: unknown) => {
    throw new Error('python-client is not on this machine: run test/real/install', { cause: error })
  })
  return path
}

/**
 * Runs those cases of python_client.py with that kubeconfig and resolves to what each of them saw. Throws an Error with the
 * traceback when one saw what it does not expect, and when they take longer than two minutes.
 */
export async function runPythonClient(kubeconfig: string, cases: readonly string[]): Promise<Record<string, unknown>> {
  const python = await locatePython()
  // Its cache of what a cluster can do lies in the folder for temporary files: another cluster's must not matter.
  const env = { ...process.env, TMPDIR: dirname(kubeconfig), PYTHONDONTWRITEBYTECODE: '1' }
  const printed = await new Promise<string>((resolve, reject) => {
    execFile(python, [PROGRAM, kubeconfig, ...cases], { env, timeout: 120_000 }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout)
      else reject(new Error(`the Python client ended with ${error.signal ?? error.code}\n${stderr.slice(-4_000)}`, { cause: error }))
    })
  })
  return JSON.parse(printed) as Record<string, unknown>
}
