import { spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { locate } from './locate.ts'

/** How a kubeconfig proves who asks: by bearer, by client certificate (PEM), or not at all. */
export type Proof = { readonly token: string } | { readonly certPem: string; readonly keyPem: string } | undefined

/** How one run of kubectl ended. */
export interface Finished {
  /** Its exit code; 124 when it was ended because its time was up. */
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface KubectlOptions {
  /** Path of the kubeconfig, which lies in a folder that may take kubectl's caches. */
  readonly kubeconfig: string
  /** What it reads on standard input, for `apply -f -`. */
  readonly input?: string
  readonly env?: Readonly<Record<string, string>>
  /** Milliseconds until it is ended; 60 000 by default. */
  readonly timeout?: number
}

/** Writes a kubeconfig for one API server. kubectl sends no bearer to an http address. */
export async function writeKubeconfig(path: string, url: string, caPem: string, proof: Proof): Promise<void> {
  const encode = (pem: string): string => Buffer.from(pem).toString('base64')
  let user: object = {}
  if (proof && 'token' in proof) user = { token: proof.token }
  else if (proof) {
    user = { 'client-certificate-data': encode(proof.certPem), 'client-key-data': encode(proof.keyPem) }
  }
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster: { server: url, 'certificate-authority-data': encode(caPem) } }],
    users: [{ name: 'test', user }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
    'current-context': 'test',
  }
  // JSON is YAML.
  await writeFile(path, JSON.stringify(config), { mode: 0o600 })
}

/** Runs kubectl to its end. Any exit code is an answer; throws only when there is no kubectl. */
export async function kubectl(args: readonly string[], options: KubectlOptions): Promise<Finished> {
  const program = await locate('kubectl')
  // Its caches and preferences lie under HOME: the machine's own must not matter.
  const env = { ...process.env, HOME: dirname(options.kubeconfig), KUBECONFIG: options.kubeconfig, ...options.env }
  const child = spawn(program, args, { env, stdio: ['pipe', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  // kubectl may end without reading what it was given.
  child.stdin.on('error', () => {})
  child.stdin.end(options.input ?? '')
  let late = false
  const timer = setTimeout(() => {
    late = true
    child.kill('SIGKILL')
  }, options.timeout ?? 60_000)
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => {
      clearTimeout(timer)
      resolve({ code: late ? 124 : (code ?? 1), stdout, stderr })
    })
  })
}
