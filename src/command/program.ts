/** Which commands there are. Each door and tool loads only when it is asked for, so that the quick ones stay quick. */
import { createRequire } from 'node:module'
import { Command, Option } from 'commander'
import { nearest } from '../config/faults/nearest.ts'
import { jsonOf } from './json.ts'
import type { KubeconfigOptions } from './kubeconfig.ts'
import type { LoginOptions } from './login.ts'
import type { RbacOptions } from './rbac.ts'
import type { RevokeOptions } from './revoke.ts'

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string }

const program = new Command('mandate')
  .description('Lets software act on infrastructure as the person or machine that asked, and never as itself.')
  .version(version)
  .showHelpAfterError('(mandate --help shows what there is)')
  .showSuggestionAfterError()
  .helpCommand(false)
  // Commander's own errors are all about how the command was called.
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))

const config = () =>
  new Option('-c, --config <file>', 'the configuration; - for standard input')
    .default('mandate.yaml')
    .env('MANDATE_CONFIG')
    .argParser((file) => (file === '-' ? '/dev/stdin' : file))
const output = () => new Option('-o, --output <form>', 'how to print').choices(['text', 'json']).default('text')

program
  .command('gateway')
  .description('run the gateway: HTTP for browsers, kubectl and agents')
  .addOption(config())
  .action(async (options: { config: string }) => (await import('./gateway.ts')).gateway(options))

program
  .command('dev')
  .description('everything embedded, on loopback: an issuer with three users, the gateway, and a small Kubernetes')
  .option('--context <name>', 'use this cluster of your kubeconfig instead of the embedded one')
  .option('--port <number>', 'port of http for the browser; the others follow from it, or are free ones when taken', '8080')
  .option('--state <folder>', 'where the CA, the kubeconfig and tokens are kept', '.mandate')
  .action(async (options: { context?: string; port: string; state: string }) => (await import('./dev.ts')).dev(options))

program
  .command('check')
  .description('is this configuration right? Faults and advice, without starting')
  .addOption(config())
  .addOption(output())
  .option('--without-secrets', 'look at no file and no variable that the configuration refers to, as where it is only built')
  .action(async ({ withoutSecrets = false, ...options }: { config: string; output: 'text' | 'json'; withoutSecrets?: boolean }) =>
    (await import('./check.ts')).check({ ...options, secrets: !withoutSecrets }),
  )

program
  .command('rbac')
  .description("the roles that a broker's service account needs for its declared operations")
  .addOption(config())
  .option('--broker <name>', 'the broker; needed when the configuration has several')
  .requiredOption('--service-account <namespace/name>', 'the service account that is bound to them (required)')
  .addOption(new Option('-o, --output <form>', 'how to print').choices(['yaml', 'json']).default('yaml'))
  .addHelpText(
    'after',
    `
It asks no cluster: what it prints follows from the configuration alone. Look at it, then apply it.

  mandate rbac --service-account mandate/sessions | kubectl apply -f -`,
  )
  .action(async (options: RbacOptions) => (await import('./rbac.ts')).rbac(options))

program
  .command('revoke')
  .description('end every login and token of a principal that was issued before now, on all replicas')
  .addOption(config())
  .requiredOption('--issuer <url>', "the principal's issuer, as a provider of the configuration has it (required)")
  .requiredOption('--subject <text>', "the principal's subject at that issuer, as the audit log has it (required)")
  .option('--unconfigured', 'take an issuer that no provider has, as that of one that was removed a moment ago')
  .addOption(output())
  .addHelpText(
    'after',
    `
Run it where the gateway's configuration, store and keys are. It does not keep anybody from signing in again.

  mandate revoke --issuer https://id.corp.example --subject 7f3c`,
  )
  .action(async (options: RevokeOptions) => (await import('./revoke.ts')).revoke(options))

const gateway = () =>
  new Option('--gateway <url>', "the gateway's https address (required, here or in the environment)").env('MANDATE_GATEWAY')
const ca = () => new Option('--ca <file>', 'PEM certificates to trust for the gateway; default: those that Node trusts')
const issuerCa = () => new Option('--issuer-ca <file>', 'PEM certificates to trust for the issuer; default: those that Node trusts')
const provider = () => new Option('--provider <name>', "the gateway's provider to sign in with; needed when it has several")
const pins = () => [
  new Option('--issuer <url>', 'refuse a gateway that names another issuer'),
  new Option('--client <id>', 'refuse a gateway that names another client'),
  new Option('--audience <text>', 'refuse a gateway that names another audience, or a resource other than that of --resource'),
  new Option('--resource <text>', 'refuse a gateway that names another resource indicator'),
  new Option('--scopes <list>', 'refuse a gateway that names other scopes; one space between two'),
]
const device = () => new Option('--device', 'sign in by a code that is typed in a browser anywhere else')

program
  .command('login')
  .description('sign in to a gateway from this machine; kubectl runs it as its credential plugin')
  .addOption(gateway())
  .addOption(provider())
  .addOption(ca())
  .addOption(issuerCa())
  .addOption(device())
  .option('--no-browser', 'print the address of the sign-in page and open nothing')
  .option('--forget', 'end the sign-in: revoke the refresh token and delete what is kept')
  .addOption(
    new Option('-o, --output <form>', 'how to print; default: text, or what kubectl asks when it does').choices([
      'text',
      'json',
      'kubernetes',
    ]),
  )
  .addHelpText(
    'after',
    `
Signs you in by your browser, or by --device, keeps the tokens in a file that only you can read, and renews them by itself.
The token is printed for kubectl and by -o kubernetes, never otherwise. MANDATE_STATE names another folder for the file.

  mandate login --gateway https://mandate.example`,
  )
  .action(async (options: LoginOptions) => (await import('./login.ts')).login(options))

program
  .command('kubeconfig')
  .description('a kubeconfig for a cluster of a gateway, with mandate login as its credential plugin')
  .argument('<name>', "the cluster's name at the gateway")
  .addOption(gateway())
  .addOption(provider())
  .addOption(ca())
  .addOption(issuerCa())
  .addOption(device())
  .option('-n, --namespace <name>', 'the namespace of the context')
  .option('-f, --file <path>', 'write it to this file instead of printing it')
  .option('--merge', 'add it to your kubeconfig (the first of KUBECONFIG, else ~/.kube/config) and make it the current context')
  .option('--force', 'overwrite a file or an entry that is not of this gateway')
  .addOption(output())
  .addHelpText(
    'after',
    `
  mandate kubeconfig prod --gateway https://mandate.example --merge
  kubectl --context mandate-prod auth whoami`,
  )
  .action(async (name: string, options: KubeconfigOptions) => (await import('./kubeconfig.ts')).kubeconfig(name, options))

for (const command of program.commands.filter((one) => ['login', 'kubeconfig'].includes(one.name())))
  for (const option of pins()) command.addOption(option.helpGroup('What the gateway must name (a kubeconfig of ours says it):'))

program
  .command('schema')
  .description('print the JSON Schema of the configuration, for editors')
  .action(async () => (await import('./schema.ts')).schema())

program
  .command('completion')
  .description('print a completion script: source <(mandate completion bash)')
  .addArgument(program.createArgument('<shell>', 'the shell').choices(['bash', 'zsh', 'fish']))
  .action(async (shell: string) => (await import('./completion.ts')).completion(program, shell))

program
  .command('help')
  .description('the help of a command')
  .argument('[command]', 'which; without one, of all')
  .action((name?: string) => {
    const asked = name === undefined ? program : commandOf(name)
    asked.help()
  })

/** Ends the process for a name that is none. */
function commandOf(name: string): Command {
  const found = program.commands.find((command) => command.name() === name)
  if (found !== undefined) return found
  const meant = nearest(
    name,
    program.commands.map((command) => command.name()),
  )
  return program.error(`error: unknown command '${jsonOf(name).slice(1, -1)}'${meant === undefined ? '' : `\n(Did you mean ${meant}?)`}`)
}

/** Runs what the arguments ask for. */
export async function run(): Promise<void> {
  // Here, because with --help behind it Commander would take a command that is none for a wish for help.
  const [, , name = '-'] = process.argv
  if (!name.startsWith('-')) commandOf(name)
  await program.parseAsync()
}
