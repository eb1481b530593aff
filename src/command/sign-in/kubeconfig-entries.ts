/** The entries of a kubeconfig that lead kubectl through a gateway as the person who signs in. */
import { accessSync, constants, realpathSync } from 'node:fs'
import { delimiter, isAbsolute, join } from 'node:path'
import { V1 } from './exec-credential.ts'
import type { CommandLineProvider } from './gateway-document.ts'
import { pinArguments } from './pins.ts'

/** How kubectl is to run this command. */
export interface Program {
  readonly command: string
  /** What comes before the arguments of ours. */
  readonly args: readonly string[]
  /** `path` when the one that PATH finds is this one, so that an update keeps the kubeconfig right. */
  readonly found: 'path' | 'here'
}

export interface Wanted {
  /** The cluster's name at the gateway. */
  readonly cluster: string
  readonly gateway: string
  /** As the gateway describes it now; the plugin goes by it from now on. */
  readonly provider: CommandLineProvider
  /** PEM to trust for the gateway. */
  readonly ca: string | undefined
  /** Absolute path of the PEM file to trust for the issuer. */
  readonly issuerCa: string | undefined
  readonly device: boolean
  readonly namespace: string | undefined
  readonly program: Program
}

export interface Entries {
  /** Of the cluster, the user and the context. */
  readonly name: string
  readonly server: string
  readonly gateway: string
  readonly cluster: object
  readonly user: object
  readonly context: object
  /** A whole kubeconfig of nothing else. */
  readonly whole: object
}

/**
 * The gateway's CA stands in the kubeconfig itself. kubectl hands it on to the plugin (`provideClusterInfo`), so that no
 * file must stay where it was.
 */
export function entriesFor({ cluster, gateway, provider, ca, issuerCa, device, namespace, program }: Wanted): Entries {
  const name = `mandate-${cluster}`
  const server = `${gateway}/clusters/${cluster}`
  const login = ['login', '--gateway', gateway, '--provider', provider.name, ...pinArguments(provider)]
  const entries = {
    cluster: { server, ...(ca === undefined ? {} : { 'certificate-authority-data': Buffer.from(ca).toString('base64') }) },
    user: {
      exec: {
        apiVersion: V1,
        command: program.command,
        args: [...program.args, ...login, ...(issuerCa === undefined ? [] : ['--issuer-ca', issuerCa]), ...(device ? ['--device'] : [])],
        installHint:
          'mandate signs you in to this cluster; it is not where this kubeconfig says. Install it, then run mandate kubeconfig again.',
        interactiveMode: 'IfAvailable',
        provideClusterInfo: true,
      },
    },
    context: { cluster: name, user: name, ...(namespace === undefined ? {} : { namespace }) },
  }
  const whole = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name, cluster: entries.cluster }],
    users: [{ name, user: entries.user }],
    contexts: [{ name, context: entries.context }],
    'current-context': name,
  }
  return { name, server, gateway, ...entries, whole }
}

/** `mandate` when PATH leads to this very script; else this Node and this script by their absolute paths. */
export function thisCommand(script: string = process.argv[1] ?? '', path: string = process.env['PATH'] ?? ''): Program {
  const here = realpathSync(script)
  for (const folder of path.split(delimiter)) {
    // An entry that is relative means something else wherever kubectl runs.
    if (!isAbsolute(folder)) continue
    const found = join(folder, 'mandate')
    try {
      accessSync(found, constants.X_OK)
      if (realpathSync(found) === here) return { command: 'mandate', args: [], found: 'path' }
    } catch {
      continue
    }
    // The first one is what a shell would run.
    break
  }
  return { command: process.execPath, args: [here], found: 'here' }
}
