import { appendFile, mkdir, writeFile } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ask } from './ask.ts'
import { makeLoopbackCertificate } from './certificates.ts'
import type { Kubernetes } from './kube-apiserver.ts'
import { locate } from './locate.ts'
import { type Child, startChild, temporaryFolder, withFreePorts } from './process.ts'

/** A node that runs nothing, on which pods go Running, and whose streams through the API server are real. */
export interface Kwok {
  readonly nodeName: string
  /** The file that every container of every pod has as its log, in the format of container runtimes. */
  readonly logPath: string
  /** Appends lines to that log, each with the time now; `kubectl logs -f` and `attach` show them at once. */
  writeLog(...lines: readonly string[]): Promise<void>
  /**
   * The folder in which `kubectl exec` runs its command, on this machine and as this user, and where `kubectl cp` puts and
   * finds relative paths. kwok does not tell the command that its input ended (its `tar` knows by itself), and reports every
   * failure as exit code 1.
   */
  readonly workFolder: string
  /** Ends the node's process and removes its files; pods and the node stay in the API server. */
  stop(): Promise<void>
}

export interface KwokOptions {
  /** The port of 127.0.0.1 that `kubectl port-forward` reaches, whatever port of the pod it names. */
  readonly portForwardTo?: number
}

/**
 * Starts kwok as the only node of that cluster, and resolves when the node is Ready and takes pods. A pod that names no
 * node is put there by an admission policy: there is no scheduler. Throws an Error with kwok's output otherwise.
 */
export async function startKwok(kubernetes: Kubernetes, options: KwokOptions = {}): Promise<Kwok> {
  const program = await locate('kwok')
  const folder = await temporaryFolder('kwok')
  const at = (name: string): string => join(folder.path, name)
  const nodeName = 'node'
  let child: Child | undefined
  const stop = async (): Promise<void> => {
    await child?.stop()
    await folder.remove()
  }
  try {
    const pair = await makeLoopbackCertificate('kwok')
    await writeFile(at('cert.pem'), pair.certPem)
    await writeFile(at('key.pem'), pair.keyPem, { mode: 0o600 })
    await writeFile(at('pod.log'), '')
    await mkdir(at('work'))
    await mkdir(at('bin'))
    await writeFile(at('bin/tar'), tarScript(), { mode: 0o700 })
    await writeFile(at('kwok.yaml'), describe(at('pod.log'), at('work'), options).join('\n---\n'))
    child = await withFreePorts(1, ([port = 0]) =>
      startChild({
        name: 'kwok',
        program,
        env: { PATH: `${at('bin')}${delimiter}${process.env['PATH'] ?? ''}` },
        args: [
          `--kubeconfig=${kubernetes.adminKubeconfig}`,
          `--config=${at('kwok.yaml')}`,
          `--config=${join(dirname(program), 'stages.yaml')}`,
          '--manage-all-nodes',
          '--node-ip=127.0.0.1',
          `--node-port=${port}`,
          `--server-address=127.0.0.1:${port}`,
          `--tls-cert-file=${at('cert.pem')}`,
          `--tls-private-key-file=${at('key.pem')}`,
        ],
        ready: async () => (await ask(`https://127.0.0.1:${port}/healthz`, { caPem: pair.caPem })).status === 200,
        readyWithin: 30_000,
      }),
    )
    const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: nodeName } }
    await create(kubernetes, '/api/v1/nodes', node)
    for (const [kind, body] of Object.entries(placement(nodeName))) {
      await create(kubernetes, `/apis/admissionregistration.k8s.io/v1/${kind}`, body)
    }
    await until('the node is Ready', async () => {
      const { body } = await kubernetes.ask(`/api/v1/nodes/${nodeName}`)
      return /"type":"Ready","status":"True"/.test(body)
    })
    await until('pods are put on the node', async () => {
      const { body } = await kubernetes.ask('/api/v1/namespaces/default/pods?dryRun=All', { body: probe })
      return body.includes(`"nodeName":"${nodeName}"`)
    })
    return {
      nodeName,
      logPath: at('pod.log'),
      workFolder: at('work'),
      async writeLog(...lines) {
        const now = new Date().toISOString()
        await appendFile(at('pod.log'), lines.map((line) => `${now} stdout F ${line}\n`).join(''))
      },
      stop,
    }
  } catch (error) {
    const output = child?.logs() ?? ''
    await stop()
    throw output === '' ? error : new Error(`${String(error)}\n${output}`, { cause: error })
  }
}

/** A shell script that runs kwok-tar.ts with the PATH of now, on which is the real tar. */
function tarScript(): string {
  const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`
  const program = join(import.meta.dirname, 'kwok-tar.ts')
  return `#!/bin/sh\nPATH=${quote(process.env['PATH'] ?? '')} exec ${quote(process.execPath)} ${quote(program)} "$@"\n`
}

const probe = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'placement-probe' },
  spec: { containers: [{ name: 'main', image: 'none.invalid/none' }] },
}

function describe(logsFile: string, workDir: string, { portForwardTo }: KwokOptions): string[] {
  const everyPod = (kind: string, spec: object): string =>
    JSON.stringify({ apiVersion: 'kwok.x-k8s.io/v1alpha1', kind, metadata: { name: 'every-pod' }, spec })
  const documents = [
    everyPod('ClusterLogs', { logs: [{ logsFile }] }),
    everyPod('ClusterAttach', { attaches: [{ logsFile }] }),
    everyPod('ClusterExec', { execs: [{ local: { workDir } }] }),
  ]
  if (portForwardTo !== undefined) {
    const target = { address: '127.0.0.1', port: portForwardTo }
    documents.push(everyPod('ClusterPortForward', { forwards: [{ target }] }))
  }
  return documents
}

function placement(nodeName: string): Record<string, object> {
  const rule = { apiGroups: [''], apiVersions: ['v1'], resources: ['pods'], operations: ['CREATE'] }
  const apiVersion = 'admissionregistration.k8s.io/v1'
  const metadata = { name: 'only-node' }
  return {
    mutatingadmissionpolicies: {
      apiVersion,
      kind: 'MutatingAdmissionPolicy',
      metadata,
      spec: {
        matchConstraints: { resourceRules: [rule] },
        matchConditions: [{ name: 'homeless', expression: '!has(object.spec.nodeName) || object.spec.nodeName == ""' }],
        failurePolicy: 'Fail',
        reinvocationPolicy: 'Never',
        mutations: [
          {
            patchType: 'ApplyConfiguration',
            applyConfiguration: { expression: `Object{spec: Object.spec{nodeName: "${nodeName}"}}` },
          },
        ],
      },
    },
    mutatingadmissionpolicybindings: {
      apiVersion,
      kind: 'MutatingAdmissionPolicyBinding',
      metadata,
      spec: { policyName: metadata.name },
    },
  }
}

async function create(kubernetes: Kubernetes, path: string, body: object): Promise<void> {
  const answer = await kubernetes.ask(path, { body })
  // What a node before this one left is as good.
  if (answer.status !== 201 && answer.status !== 409) throw new Error(`${path}: ${answer.status} ${answer.body}`)
}

async function until(what: string, reached: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 30_000
  while (!(await reached())) {
    if (Date.now() > deadline) throw new Error(`kwok: after 30 s it is not so that ${what}`)
    await sleep(50)
  }
}
