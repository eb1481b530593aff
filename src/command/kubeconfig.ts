/** `mandate kubeconfig NAME`: a kubeconfig for one cluster of a gateway, with `mandate login` as its credential plugin. */
import { resolve } from 'node:path'
import { WrongUsage } from '../complaint.ts'
import { jsonOf } from './json.ts'
import { certificatesIn } from './sign-in/certificates.ts'
import { requireCluster } from './sign-in/cluster-name.ts'
import { gatewayOrigin } from './sign-in/gateway-address.ts'
import { commandLineProvider } from './sign-in/gateway-document.ts'
import { type Entries, entriesFor, thisCommand } from './sign-in/kubeconfig-entries.ts'
import { asDocument, mergeInto, mergeTarget, writeOwn } from './sign-in/kubeconfig-file.ts'
import { type Pins, requirePinned } from './sign-in/pins.ts'

export interface KubeconfigOptions extends Pins {
  readonly gateway?: string
  readonly ca?: string
  readonly issuerCa?: string
  readonly provider?: string
  readonly device?: boolean
  readonly namespace?: string
  readonly file?: string
  readonly merge?: boolean
  readonly force?: boolean
  readonly output: 'text' | 'json'
}

export async function kubeconfig(cluster: string, options: KubeconfigOptions): Promise<void> {
  if (!/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(cluster)) throw new WrongUsage('NAME is not the name of a cluster of the gateway')
  if (options.merge === true && options.file !== undefined) throw new WrongUsage('choose one of --file and --merge')
  const gateway = gatewayOrigin(options.gateway)
  const ca = options.ca === undefined ? undefined : certificatesIn(options.ca)
  if (options.issuerCa !== undefined) certificatesIn(options.issuerCa)
  const provider = await commandLineProvider(gateway, ca, options.provider)
  requirePinned(options, provider, { gateway, provider: provider.name })
  const isChecked = await requireCluster(gateway, ca, cluster)
  const program = thisCommand()
  const entries = entriesFor({
    cluster,
    gateway,
    provider,
    ca,
    issuerCa: options.issuerCa === undefined ? undefined : resolve(options.issuerCa),
    device: options.device === true,
    namespace: options.namespace,
    program,
  })
  const file = written(options, entries)
  process.stdout.write(options.output === 'json' ? asJson(entries, file) : asText(entries, file))
  process.stderr.write(`Its sign-ins are at ${provider.issuer}, client ${provider.clientId}, for ${provider.audience}, from now on.\n`)
  if (!isChecked) process.stderr.write(`Whether ${gateway} has a cluster ${cluster} was not checked: it did not say.\n`)
  if (program.found !== 'path') process.stderr.write(`The plugin is ${program.command}, because no mandate on PATH is this one.\n`)
}

function written({ merge, file, force = false }: KubeconfigOptions, entries: Entries): string | undefined {
  if (merge === true) return mergeInto(mergeTarget(), entries, force)
  return file === undefined ? undefined : writeOwn(resolve(file), entries, force)
}

function asText(entries: Entries, file: string | undefined): string {
  if (file === undefined) return asDocument(entries)
  return `Written to ${file}. Try:\n\n  kubectl --kubeconfig ${file} --context ${entries.name} auth whoami\n`
}

function asJson(entries: Entries, file: string | undefined): string {
  if (file === undefined) return `${jsonOf(entries.whole, 2)}\n`
  return `${jsonOf({ file, context: entries.name, server: entries.server })}\n`
}
