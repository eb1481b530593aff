#!/usr/bin/env node
/** The command `mandate`. Each door and tool loads only when it is asked for, so that the quick ones stay quick. */
import { createRequire } from 'node:module'
import { Command, Option } from 'commander'
import { complain } from './command/complain.ts'

const { version } = createRequire(import.meta.url)('../package.json') as { version: string }

const program = new Command('mandate')
  .description('Lets software act on infrastructure as the person or machine that asked, and never as itself.')
  .version(version)
  .showHelpAfterError('(mandate --help shows what there is)')
  .showSuggestionAfterError()

const config = () => new Option('-c, --config <file>', 'the configuration').default('mandate.yaml').env('MANDATE_CONFIG')
const output = () => new Option('-o, --output <form>', 'how to print').choices(['text', 'json']).default('text')

program
  .command('gateway')
  .description('door 1: HTTP for browsers, kubectl and agents')
  .addOption(config())
  .action(async (options: { config: string }) => (await import('./command/gateway.ts')).gateway(options))

program
  .command('dev')
  .description('everything embedded, on loopback: an issuer with three users, the gateway, and a small Kubernetes')
  .option('--context <name>', 'use this cluster of your kubeconfig instead of the embedded one')
  .option('--port <number>', 'port of http for the browser; the others follow from it, or are free ones when taken', '8080')
  .option('--state <folder>', 'where the CA, the kubeconfig and tokens are kept', '.mandate')
  .action(async (options: { context?: string; port: string; state: string }) => (await import('./command/dev.ts')).dev(options))

program
  .command('check')
  .description('is this configuration right? Faults and advice, without starting')
  .addOption(config())
  .addOption(output())
  .action(async (options: { config: string; output: 'text' | 'json' }) => (await import('./command/check.ts')).check(options))

program
  .command('revoke')
  .description('end every login and token of a principal that was issued before now, on all replicas')
  .addOption(config())
  .requiredOption('--issuer <url>', "the principal's issuer")
  .requiredOption('--subject <text>', "the principal's subject at that issuer")
  .addOption(output())
  .action(async (options: { config: string; issuer: string; subject: string; output: 'text' | 'json' }) =>
    (await import('./command/revoke.ts')).revoke(options),
  )

program
  .command('schema')
  .description('print the JSON Schema of the configuration, for editors')
  .action(async () => (await import('./command/schema.ts')).schema())

program
  .command('completion')
  .description('print a completion script: source <(mandate completion bash)')
  .addArgument(program.createArgument('<shell>', 'the shell').choices(['bash', 'zsh', 'fish']))
  .action(async (shell: string) => (await import('./command/completion.ts')).completion(program, shell))

await program.parseAsync().catch(complain)
